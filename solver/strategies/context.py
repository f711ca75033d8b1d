"""`ctx`: everything a strategy may do, bound to one problem.

A call names its place by `path` and its samples by k; what is already durable under the same call is
answered from the store, the rest is asked of the engine. So a strategy that is run again after a crash
continues where it was, without code of its own.
"""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from solver import answers, votes
from solver.answers import Extracted
from solver.engine import Watch
from solver.errors import EngineError
from solver.records import (
    Candidate,
    Message,
    Problem,
    Request,
    Result,
    Sample,
    SampleKey,
    Status,
    Vote,
)
from solver.store import answers as answers_call
from solver.strategies import response
from solver.strategies.call import Call, call_hash, holds, overridden, sample_seed
from solver.strategies.facts import Ahead, Facts
from solver.strategies.setting import Setting
from solver.strategies.tally import Tally


class Context(Facts):
    """The calls of one strategy on one problem.

    stored: what the run already holds for this row. `spent` counts the output tokens of every sample
    seen, cancelled ones included. `begun` is resolved when the first call has asked its samples.
    """

    def __init__(
        self, problem: Problem, setting: Setting, stored: Mapping[SampleKey, Sample], priority: int = 0
    ) -> None:
        super().__init__(problem, setting)
        self._setting = setting
        self.spent = sum(s.output_tokens for s in stored.values() if s.status is Status.CANCELLED)
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stored = stored
        self._priority = priority
        self._asked: dict[SampleKey, asyncio.Future[Sample]] = {}
        self._ended: set[SampleKey] = set()
        self._live: dict[SampleKey, asyncio.Future[Sample]] = {}

    async def sample(
        self,
        n: int,
        *,
        path: str,
        role: str = "answer",
        messages: Sequence[Message] | None = None,
        prefix: str = "",
        start: int = 0,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: str | None = None,
        logprobs: bool = False,
        watch: Watch | None = None,
        after: Sequence[Sample] = (),
        lead: str = "",
        keep_ids: bool = False,
        **sampling: Any,
    ) -> list[Sample]:
        """Samples k = start .. start + n - 1 of one question, all in flight at once.

        messages: the chat to ask, the job's prompt when None; prefix: text that the response begins
        with; max_tokens, stop, schema (JSON schema text), logprobs and further sampling fields override
        the job's. after, lead: the samples that these go on from and a cue between them (response.py), in place of
        a prefix; keep_ids: where these are cut, they will be gone on from (exactly, without a cue between).
        Raises TypeError for a sampling field that does not exist.
        """
        data = response.data_of(lead) if after or lead else None
        prefix = response.before(after, lead) if data else prefix
        overrides = overridden(max_tokens, stop, schema, logprobs and not self._has_logprobs, sampling)
        call = self._call(path=path, role=role, messages=messages, prefix=prefix, overrides=overrides, watch=watch)
        ids = response.ids_of(after) if after and not lead and call.token_ids is not None else None
        if ids:
            call = replace(call, token_ids=[*self._prompt_ids(call.messages), *ids])
        if data or keep_ids:
            call = replace(call, data=data, keep_ids=keep_ids)
        tasks = [self._begin(call, k) for k in range(start, start + n)]
        self._has_begun()
        together = asyncio.gather(*tasks)
        return list(await asyncio.shield(together))  # whoever leaves a race ends its samples by `end`, counted

    async def stream(
        self,
        n: int,
        *,
        ahead: Ahead,
        path: str,
        role: str = "answer",
        messages: Sequence[Message] | None = None,
        prefix: str = "",
        start: int = 0,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        schema: str | None = None,
        logprobs: bool = False,
        watch: Watch | None = None,
        **sampling: Any,
    ) -> AsyncGenerator[Sample, None]:
        """The same samples one by one in order of k, at most `ahead` unfinished beyond the one consumed.

        Leaving the loop ends the others: they are kept as `cancelled`, for the token accounts only.
        """
        overrides = overridden(max_tokens, stop, schema, logprobs and not self._has_logprobs, sampling)
        call = self._call(path=path, role=role, messages=messages, prefix=prefix, overrides=overrides, watch=watch)
        waiting: list[asyncio.Future[Sample]] = []
        asked = 0
        try:
            for number in range(n):
                reach = self.reach(n, number, ahead)
                waiting += [self._begin(call, start + k) for k in range(asked, reach)]
                asked = max(asked, reach)
                self._has_begun()
                yield await waiting.pop(0)
        finally:
            own = range(start, start + n)
            await self._end([key for key in self._live if key.path == path and key.call == call.hash and key.k in own])

    async def score(self, text: str, steps: Sequence[str], *, role: str = "prm") -> list[float]:
        """A reward model's score for each step. Raises EngineError: no scorer can be configured yet."""
        raise EngineError(f"no scorer is configured for the role `{role}`")

    def solution(self, *samples: Sample) -> str:
        """What a response says aloud: its text without the reasoning."""
        return answers.solution(response.joined(samples), self._setting.reasoning)

    def extract(self, *samples: Sample) -> Extracted | None:
        """The final answer of the response that the last sample ends, by the rules of solver.answers; None when it has
        none; offsets in the whole response."""
        return response.extracted(samples, self._setting.reasoning, thinks=self._setting.thinks)

    def candidate(self, *samples: Sample, weight: float = 1.0, marks: Sequence[str] = ()) -> Candidate:
        """A full response made of these samples in order; the last, with those it goes on from, holds the answer."""
        return response.candidate(samples, self.extract(*samples), weight, marks)

    def samples(self, candidate: Candidate) -> list[Sample]:
        """What a candidate of this problem is made of."""
        return [self._asked[key].result() for key in candidate.keys]

    def said(self, candidate: Candidate) -> Sample:
        """The last sample of a candidate of this problem: the one whose text holds its answer."""
        return self._asked[candidate.keys[-1]].result()

    async def count(self, tally: Tally, candidate: Candidate) -> None:
        """Add a candidate to a tally; answers are grouped anew only where one that was not there before has come."""
        if tally.add(candidate.answer, candidate.k):
            tally.group(await self._setting.grader.standings(tally.answers))

    async def classes(self, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
        """The candidates with their answer classes and, where there is a reference, whether they are right."""
        return await votes.classes(candidates, self._setting.grader, self.problem.reference)

    async def vote(self, candidates: Sequence[Candidate], weights: Sequence[float] | None = None) -> Vote:
        """The decision over classed candidates; `weights` replaces their own."""
        return votes.vote(candidates, weights)

    def result(self, candidates: Sequence[Candidate], vote: Vote, weights: Sequence[float] | None = None) -> Result:
        """What the strategy returns; `weights` as given to `vote`. The driver adds token account and decision."""
        candidates = candidates if weights is None else votes.weighed(candidates, weights)
        return response.result(self.problem, candidates, vote, self.spent)

    async def note_failure(self, reason: str) -> None:
        """Leave one sample that says why this problem could not be asked, unless the run holds it already."""
        key = SampleKey(self.problem.row_id, "problem", 0, 0)
        if key not in self._stored:
            await self._setting.record(Sample(key, "problem", "", Status.ERROR, None, 0, 0, 0, error=reason))

    async def end(self, ks: Collection[int]) -> None:
        """End the unfinished samples with these numbers, on whatever path: for whoever leaves a race of candidates."""
        if ks:
            await self._end([key for key in self._live if key.k in ks])

    async def close(self) -> None:
        """End whatever the strategy left unfinished, and wait for it."""
        await self._end(list(self._live))

    def cancel(self) -> None:
        """Drop whatever is still unfinished, without waiting and without a trace."""
        for task in list(self._live.values()):
            task.cancel()

    @property
    def _has_logprobs(self) -> bool:
        """Whether the job asks for log-probabilities of every sample anyway."""
        return self._setting.sampling.logprobs is not None

    def _has_begun(self) -> None:
        if not self.begun.done():
            self.begun.set_result(None)

    def _call(
        self,
        *,
        path: str,
        role: str,
        messages: Sequence[Message] | None,
        prefix: str,
        overrides: Mapping[str, Any],
        watch: Watch | None,
    ) -> Call:
        setting = self._setting
        asked = tuple(messages) if messages is not None else setting.template.messages(self.problem)
        digest = call_hash(role, messages, prefix, overrides, watch)
        ids = self._prompt_ids(asked, prefix) if setting.tokenizer else None
        sampling = replace(setting.sampling, **overrides) if overrides else setting.sampling
        return Call(path, digest, role, asked, prefix, ids, sampling, watch)

    def _prompt_ids(self, messages: Sequence[Message], prefix: str = "") -> list[int]:
        assert self._setting.tokenizer is not None
        return self._setting.tokenizer.prompt(messages, prefix, self._setting.chat)

    def _begin(self, call: Call, k: int) -> asyncio.Future[Sample]:
        """What this life has asked already, the stored sample, or a task that asks for it."""
        key = SampleKey(self.problem.row_id, call.path, call.hash, k)
        if (known := self._asked.get(key)) is not None and holds(known):
            return known
        stored = self._stored.get(key)
        if stored is not None and self._stands(stored, call.sampling.max_tokens):
            self.spent += stored.output_tokens
            future: asyncio.Future[Sample] = asyncio.get_running_loop().create_future()
            future.set_result(stored)
        else:
            self._ended.discard(key)
            future = self._live[key] = asyncio.create_task(self._ask(key, call, self._room(call)))
            future.add_done_callback(partial(self._ended_by_itself, key))
        self._asked[key] = future
        return future

    def _ended_by_itself(self, key: SampleKey, future: asyncio.Future[Sample]) -> None:
        """One request is over; what it raised counts as seen, as nobody may be waiting for it any more."""
        self._live.pop(key, None)
        if not future.cancelled():
            future.exception()

    def _stands(self, stored: Sample, max_tokens: int) -> bool:
        """Whether a durable copy answers: not where a raised cap would let a truncated one go on."""
        if self._setting.frozen:
            return answers_call(stored)
        return answers_call(stored, max_tokens=max_tokens, context=self._setting.context)

    def _room(self, call: Call) -> int:
        """Tokens that a response may have: the cap, or what the context leaves; 0 when the prompt is too long."""
        if self._setting.context is None or call.token_ids is None:
            return call.sampling.max_tokens
        return max(0, min(call.sampling.max_tokens, self._setting.context - len(call.token_ids)))

    async def _ask(self, key: SampleKey, call: Call, room: int) -> Sample:
        seed = sample_seed(self._setting.seed, key)
        if key in self._ended:  # the wish to end it came before its task began
            sample = Sample(key, call.role, "", Status.CANCELLED, None, len(call.token_ids or ()), 0, seed)
        elif room == 0:
            count = len(call.token_ids or ())
            why = f"the prompt has {count} tokens, the context {self._setting.context}"
            sample = Sample(key, call.role, "", Status.TOO_LONG, None, count, 0, seed, error=why)
        else:
            whole = room == call.sampling.max_tokens  # nearly always, and then one record serves all samples
            sampling = call.sampling if whole else replace(call.sampling, max_tokens=room)
            request = Request(
                key,
                call.role,
                call.messages,
                call.prefix,
                call.token_ids,
                sampling,
                seed,
                self._priority,
                call.keep_ids,
            )
            sample = await self._setting.ask(request, call.watch)
        if call.data is not None:
            sample = replace(sample, data=response.kept(call.data, sample.data))
        self.spent += sample.output_tokens
        if not (self._setting.frozen and sample.status is Status.CANCELLED):  # nothing was begun that could be ended
            await self._setting.record(sample)
        return sample

    async def _end(self, keys: Sequence[SampleKey]) -> None:
        """Abort unfinished requests; each comes back as a `cancelled` sample with its tokens so far.

        Not where the whole problem is being dropped: `cancel` then takes what is left, without a trace.
        """
        task = asyncio.current_task()
        if not keys or (task is not None and task.cancelling()):
            return
        tasks = [self._live[key] for key in keys if key in self._live]
        self._ended.update(keys)
        for key in keys:
            await self._setting.abort(key)
        await asyncio.gather(*tasks, return_exceptions=True)
