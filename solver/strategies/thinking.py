"""Draws that mind how long the model thinks: a budget forced from outside, a probe that sees when it is done, and a
budget that is only asked for. Each works with every stopping rule and every way to choose.

    think: {max: 2048, min: 256, waits: 1, answer: 512}     tokens; an end is forced, a longer thought too
    probe: {every: 64, times: 3, tokens: 20, min: 0}        stop once `times` probes in a row agree
    budget_prompt: 300                                      or `auto`: the model estimates it
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from solver.errors import Fault
from solver.records import Candidate, Sample, Status
from solver.strategies.context import Context
from solver.strategies.drawing import Draw
from solver.strategies.response import joined
from solver.strategies.wording import Cues, block_faults

MOST = 10_000_000
MORE_WAITS = 8
"""Extensions beyond `waits` for a thought shorter than `min`: a model with nothing to add would be asked forever."""


class Think(Draw):
    """Budget forcing. Source: Muennighoff et al. 2025, "s1: Simple test-time scaling", arXiv 2501.19393.

    A thought that reaches `max` tokens is ended: the end-of-thinking cue (the closing tag of a model that has one, if
    it is still open) and the final-answer cue, then at most `answer` tokens. One that ends by itself is extended by
    "Wait" `waits` times, and further while it is shorter than `min`; tokens used are deducted from `max`. A model
    without reasoning tags thinks as long as it speaks.
    """

    fields: ClassVar[frozenset[str]] = frozenset({"think"})
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {
        "max": (1, MOST),
        "min": (0, MOST),
        "waits": (0, 100),
        "answer": (1, MOST),
    }

    def __init__(self, block: Mapping[str, Any]) -> None:
        super().__init__(block)
        told = block["think"]
        self.most: int | None = told.get("max")
        self.least, self.waits, self.answer = (told.get(key, rest) for key, rest in _THINK.items())
        self._cues = Cues(block)
        numbers = {"max": self.most, "min": self.least, "waits": self.waits, "answer": self.answer}
        self.parameters = {"think": numbers, **self._cues.parameters}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with `think:`."""
        found = block_faults(block, "think", cls.limits)
        told = block["think"]
        if not found and told.get("max") is not None and told.get("min", 0) > told["max"]:
            found.append(Fault("think.min", f"must be at most think.max ({told['max']}), not {told['min']}"))
        return found

    async def draw(self, ctx: Context, k: int) -> Candidate:
        """Candidate k: the thought, its extensions, and an answer where the thought had to be ended."""
        most = self.most or ctx.max_tokens
        tags = ctx.reasoning
        stop = (tags[1],) if tags and (self.waits or self.least) else ()
        parts: list[Sample] = []
        used, lead = 0, ""
        while True:
            path = f"think/{len(parts)}"
            parts += await ctx.sample(
                1,
                path=path,
                start=k,
                max_tokens=most - used,
                stop=stop,
                after=parts,
                lead=lead,
                logprobs=self.logprobs,
            )
            used += parts[-1].output_tokens
            if parts[-1].status is not Status.OK or used >= most or not self._longer(used, len(parts) - 1):
                break
            lead = self._cues.say(ctx, "wait")
        return await self._answered(ctx, k, parts, capped=used >= most)

    def _longer(self, used: int, waits: int) -> bool:
        return bool(waits < self.waits or (used < self.least and waits < self.waits + MORE_WAITS))

    async def _answered(self, ctx: Context, k: int, parts: Sequence[Sample], *, capped: bool) -> Candidate:
        """The thought with its answer: it may have one, may need only the end of its thinking, or a cue as well."""
        last, marks = parts[-1], ["waited"] * (len(parts) > 1)
        cut = last.status is Status.TRUNCATED
        if cut and not capped:  # the context is full
            return ctx.candidate(*parts, marks=marks)
        said = joined(parts)
        inside = ctx.thinks(said)
        answering = ctx.reasoning is not None and ctx.reasoning[1] in said
        if not last.usable or not (cut or inside):
            return ctx.candidate(*parts, marks=marks)
        lead = ending(ctx, self._cues, inside)
        if cut and not answering:
            lead += self._cues.say(ctx, "final_answer")
            marks.append("capped")
        (answer,) = await ctx.sample(
            1,
            path="think/answer",
            start=k,
            max_tokens=self.answer,
            after=parts,
            lead=lead,
            logprobs=self.logprobs,
        )
        return ctx.candidate(*parts, answer, marks=marks)


_THINK = {"min": 0, "waits": 0, "answer": 512}


def ending(ctx: Context, cues: Cues, inside: bool) -> str:
    """The cue that ends a thought; nothing for a response that is not inside a reasoning block."""
    return "\n" + cues.say(ctx, "end_thinking", closing=ctx.reasoning[1]) if inside and ctx.reasoning else ""


class Probe(Draw):
    """Stop a response once it knows its answer: after every so many tokens a short final answer is forced aside.

    Source: Fu et al. 2024, "Efficiently Scaling LLM Reasoning with Certaindex" (Dynasor), arXiv 2412.20993. The last
    `times` probes must give equal answers and none may hesitate ("wait", "hmm"); the last probe is then the answer.
    Probes are samples whose tokens count, never candidates.
    """

    fields: ClassVar[frozenset[str]] = frozenset({"probe"})
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {
        "every": (1, MOST),
        "times": (2, 100),
        "tokens": (1, 1000),
        "min": (0, MOST),
    }

    def __init__(self, block: Mapping[str, Any]) -> None:
        super().__init__(block)
        numbers = {**_PROBE, **block["probe"]}
        self.every, self.times, self.tokens, self.least = (numbers[key] for key in _PROBE)
        self._cues = Cues(block)
        self.parameters = {"probe": numbers, **self._cues.parameters}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with `probe:`."""
        return block_faults(block, "probe", cls.limits)

    async def draw(self, ctx: Context, k: int) -> Candidate:
        """Candidate k: pieces of one response, and the last probe where that ended it."""
        parts: list[Sample] = []
        probes: list[Candidate] = []
        used = 0
        while True:
            room, place = min(self.every, ctx.max_tokens - used), len(parts)
            parts += await ctx.sample(
                1,
                path=f"piece/{place}",
                start=k,
                max_tokens=room,
                after=parts,
                keep_ids=True,
                logprobs=self.logprobs,
            )
            used += parts[-1].output_tokens
            cut = parts[-1].status is Status.TRUNCATED and parts[-1].output_tokens >= room
            if not cut or used >= ctx.max_tokens:
                return ctx.candidate(*parts)
            if used < self.least:
                continue
            lead = ending(ctx, self._cues, ctx.thinks(joined(parts))) + self._cues.say(ctx, "probe")
            (probe,) = await ctx.sample(
                1,
                path=f"probe/{place}",
                start=k,
                max_tokens=self.tokens,
                after=parts,
                lead=lead,
                logprobs=self.logprobs,
            )
            told = ctx.candidate(*parts, probe)
            probes.append(told)
            if self._hesitates(ctx, probe.text):
                probes.clear()
            if await self._stable(ctx, probes):
                return replace(told, marks=("probed",))  # a probe that was cut has closed its box, which is all of it

    def _hesitates(self, ctx: Context, text: str) -> bool:
        return re.search(self._cues.say(ctx, "hesitation"), text, re.IGNORECASE) is not None

    async def _stable(self, ctx: Context, probes: Sequence[Candidate]) -> bool:
        """Whether the last so many probes all give one answer."""
        if len(probes) < self.times:
            return False
        found = {one.class_id for one in await ctx.classes(probes[-self.times :])}
        return len(found) == 1 and None not in found


_PROBE = {"every": 64, "times": 3, "tokens": 20, "min": 0}


class Budget(Draw):
    """Ask for a short solution: "fewer than B tokens" in the prompt.

    Source: Han et al. 2024, "Token-Budget-Aware LLM Reasoning" (TALE), arXiv 2412.18547. B is given, or estimated by
    the model itself (`auto`), once for a problem; where the estimate is no number the plain prompt is asked.
    """

    fields: ClassVar[frozenset[str]] = frozenset({"budget_prompt"})

    def __init__(self, block: Mapping[str, Any]) -> None:
        super().__init__(block)
        self.tokens: int | str = block["budget_prompt"]
        self._cues = Cues(block)
        self.parameters = {"budget_prompt": self.tokens, **self._cues.parameters}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with `budget_prompt:`."""
        told = block["budget_prompt"]
        if told == "auto" or (type(told) is int and told >= 1):
            return []
        return [Fault("budget_prompt", f"must be a whole number of tokens from 1, or auto, not {told!r}")]

    async def draw(self, ctx: Context, k: int) -> Candidate:
        """Response k to the prompt with its budget."""
        tokens = self.tokens if isinstance(self.tokens, int) else await self._estimate(ctx)
        messages = None if tokens is None else self._cues.ask(ctx, "budget", tokens=tokens)
        (sample,) = await ctx.sample(1, path="answer", start=k, messages=messages, logprobs=self.logprobs)
        return ctx.candidate(sample, marks=["no_budget"] * (tokens is None))

    async def _estimate(self, ctx: Context) -> int | None:
        messages = self._cues.ask(ctx, "estimate_budget")
        (said,) = await ctx.sample(1, path="budget", role="planner", messages=messages)
        found = ctx.extract(said)
        number = re.search(r"\d+", (found.answer if found else said.text).replace(",", ""))
        return None if number is None or int(number.group()) < 1 else min(int(number.group()), ctx.max_tokens)
