"""Draws that take a problem apart: a plan whose parts are worked on side by side, and a chain of steps as JSON.

{name: plan, parts: 4}
{name: chain, steps: 25, step_tokens: 300, answer_tokens: 1200, tries: 3}
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from solver.errors import Fault
from solver.records import Candidate, Message, Sample
from solver.strategies.context import Context
from solver.strategies.drawing import Draw
from solver.strategies.voting import Voting
from solver.strategies.wording import Cues, number_faults, turns

STEP = json.dumps(
    {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "content": {"type": "string"},
            "next_action": {"type": "string", "enum": ["continue", "final_answer"]},
        },
        "required": ["title", "content", "next_action"],
        "additionalProperties": False,
    }
)
"""JSON schema of one step of a chain; decoding is held to it where the engine can."""


def parts_schema(most: int) -> str:
    """JSON schema of a plan of at most so many parts."""
    parts = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most}
    schema = {"type": "object", "properties": {"parts": parts}, "required": ["parts"], "additionalProperties": False}
    return json.dumps(schema)


def read_object(text: str) -> Mapping[str, Any] | None:
    """The JSON object that a response holds, or None: a reply that was cut has none."""
    begin, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[begin : end + 1]) if begin >= 0 else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


class Planned(Draw):
    """A plan, its parts answered side by side, and a solution that combines them.

    Source: Wang et al. 2023, "Plan-and-Solve Prompting", arXiv 2305.04091, with parts that are independent, so that
    they run at once. Where no plan can be read the plain prompt is asked and the candidate marked `no_plan`.
    """

    fields: ClassVar[frozenset[str]] = frozenset({"parts"})

    def __init__(self, block: Mapping[str, Any]) -> None:
        super().__init__(block)
        self.parts = block.get("parts", 4)
        self._cues = Cues(block)
        self.parameters = {"parts": self.parts, **self._cues.parameters}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with `parts`."""
        return number_faults(block, {"parts": (1, 16)})

    async def draw(self, ctx: Context, k: int) -> Candidate:
        """Candidate k: the combined solution."""
        ask = self._cues.ask(ctx, "plan", parts=self.parts)
        schema = parts_schema(self.parts)
        (plan,) = await ctx.sample(1, path="plan", role="planner", start=k, messages=ask, schema=schema)
        parts = self._read(ctx.solution(plan)) if plan.usable else []
        if not parts:
            (sample,) = await ctx.sample(1, path="answer", start=k, logprobs=self.logprobs)
            return ctx.candidate(plan, sample, marks=["no_plan"])
        calls = [
            ctx.sample(1, path=f"part/{number}", start=k, messages=self._cues.ask(ctx, "part", part=part))
            for number, part in enumerate(parts)
        ]
        worked = [sample for (sample,) in await asyncio.gather(*calls)]
        told = [(part, ctx.solution(said)) for part, said in zip(parts, worked, strict=True) if said.usable]
        marks = ["part_failed"] * (len(told) < len(parts))
        (combined,) = await ctx.sample(
            1,
            path="combine",
            start=k,
            messages=self._cues.ask(ctx, "combine", worked=told),
            logprobs=self.logprobs,
        )
        return ctx.candidate(plan, *worked, combined, marks=marks)

    def _read(self, text: str) -> list[str]:
        listed = (read_object(text) or {}).get("parts")
        told = listed if isinstance(listed, list) else []
        return [part.strip() for part in told if isinstance(part, str) and part.strip()][: self.parts]


class Steps(Draw):
    """A chain of steps, each a JSON object with title, content and next action, and then one plain final answer.

    Source: the g1 project (2024), which draws a step of at most 300 tokens, tries three times for one that can be
    read, caps the chain and asks for the answer in a call of its own. A chain whose step cannot be read answers with
    the steps it has.
    """

    fields: ClassVar[frozenset[str]] = frozenset({"steps", "step_tokens", "answer_tokens", "tries"})

    def __init__(self, block: Mapping[str, Any]) -> None:
        super().__init__(block)
        numbers = {key: block.get(key, rest) for key, rest in _STEPS.items()}
        self.steps, self.step_tokens, self.answer_tokens, self.tries = numbers.values()
        self._cues = Cues(block)
        self.parameters = {**numbers, **self._cues.parameters}

    @classmethod
    def faults(cls, block: Mapping[str, Any]) -> list[Fault]:
        """What is wrong with its numbers."""
        wide = (1, 1_000_000)
        return number_faults(block, {"steps": (1, 200), "step_tokens": wide, "answer_tokens": wide, "tries": (1, 20)})

    async def draw(self, ctx: Context, k: int) -> Candidate:
        """Candidate k: the answer at the end of its chain."""
        chat = self._cues.ask(ctx, "chain")
        said: list[Sample] = []
        marks = ["step_cap"]
        for number in range(self.steps):
            step, told = await self._step(ctx, k, number, chat)
            if told is None:
                marks = ["step_failed"]
                break
            said.append(step)
            last = told["next_action"] == "final_answer"
            chat += turns(step.text, self._cues.say(ctx, "chain_answer" if last else "chain_next"))
            if last:
                marks = []
                break
        if marks and said:
            chat[-1] = turns("", self._cues.say(ctx, "chain_answer"))[1]
        (answer,) = await ctx.sample(
            1,
            path="chain/answer",
            start=k,
            messages=chat if said else None,
            max_tokens=self.answer_tokens,
            logprobs=self.logprobs,
        )
        return ctx.candidate(*said, answer, marks=marks)

    async def _step(
        self, ctx: Context, k: int, number: int, chat: Sequence[Message]
    ) -> tuple[Sample, Mapping[str, Any] | None]:
        """One step and what it says, after as many tries as it takes; None when all were in vain."""
        for attempt in range(self.tries):
            path = f"step/{number}" if not attempt else f"step/{number}/retry/{attempt}"
            (sample,) = await ctx.sample(1, path=path, start=k, messages=chat, max_tokens=self.step_tokens, schema=STEP)
            told = read_object(ctx.solution(sample)) if sample.usable else None
            if told is not None and isinstance(told.get("content"), str) and "next_action" in told:
                return sample, told
        return sample, None


_STEPS = {"steps": 25, "step_tokens": 300, "answer_tokens": 1200, "tries": 3}


class Plan(Voting):
    """Up to n planned solutions and a vote over them."""

    name: ClassVar[str] = "plan"
    draw: ClassVar[type[Draw]] = Planned


class Chain(Voting):
    """Up to n chains of steps and a vote over their answers."""

    name: ClassVar[str] = "chain"
    draw: ClassVar[type[Draw]] = Steps
