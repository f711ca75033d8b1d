"""Preview: what a run would do, as far as it can be known without weights, a GPU or the network (`solver check`)."""

import asyncio
import itertools
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solver import answers, engine, strategies
from solver.answers import Grader
from solver.errors import StoreError
from solver.job import Job, as_told
from solver.models import internlm3
from solver.problems import problems
from solver.records import Message, Problem
from solver.run.changes import changes
from solver.run.examine import Found, examine
from solver.run.finish import shown
from solver.run.open import Asked, Decisions, Served, context_of, owed
from solver.run.place import TOKEN_BYTES, short_of_room
from solver.store import Store

LOOKED_AT = 20_000  # problems whose prompt is encoded and whose reference is graded
SHOWN_IDS = 24
SHOWN_VALUE = 40  # characters


@dataclass(frozen=True, slots=True)
class Preview:
    """What was found. Token ids and lengths are None without a tokenizer; lengths are over the problems looked at.

    done: problems that the run directory has current results of already; changed: what is different since its last
    run; uncompared: what of its samples' kind cannot be compared yet; held: who writes to it now; values: every setting
    as (dotted key, value, where it came from); open: those that the model's files may change once they are here.
    """

    job: Job
    profile: str | None
    values: Sequence[tuple[str, Any, str]]
    open: Collection[str]
    rows: int
    done: int
    changed: Sequence[str]
    uncompared: Sequence[str]
    held: str | None
    warning: str | None
    notes: Sequence[str]
    looked_at: int
    messages: Sequence[Message]
    token_ids: Sequence[int] | None
    rendered: str | None
    bos: int | None
    longest: int | None
    too_long: Sequence[str]
    context: int | None
    referenced: int
    ungradable: Sequence[str]
    free_bytes: int
    model: str
    no_ids: str | None

    @property
    def samples(self) -> int:
        """Samples that the job asks for."""
        return self.rows * self.job.n

    @property
    def most_tokens(self) -> int:
        """Output tokens if every sample ran into its cap."""
        return self.samples * self.job.sampling.max_tokens

    def json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        names = ("rows", "looked_at", "rendered", "bos", "longest", "context", "referenced", "free_bytes", "model")
        told: dict[str, Any] = {name: getattr(self, name) for name in names}
        told |= {"notes": list(self.notes), "messages": [dict(turn) for turn in self.messages]}
        told |= {"token_ids": None if self.token_ids is None else list(self.token_ids)}
        told |= {"too_long": list(self.too_long), "ungradable": list(self.ungradable)}
        told |= {"done": self.done, "changed": list(self.changed), "uncompared": list(self.uncompared)}
        told |= {"held": self.held, "warning": self.warning, "profile": self.profile}
        told["values"] = {
            key: {"value": value, "from": origin, "may_change": key in self.open} for key, value, origin in self.values
        }
        return told | {"samples": self.samples, "most_tokens": self.most_tokens}

    def lines(self) -> list[str]:
        """The same for human eyes."""
        job = self.job
        out = [f"{job.name}: {self.rows:,} problems x {job.n} samples = {self.samples:,} samples"]
        out += [f"input      {shown(Path(job.input.path))}", *(f"           {note}" for note in self.notes)]
        out += self._references()
        out += [f"model      {self.model}"]
        out += self._values()
        out += [
            f"strategy   {_block(as_told(job, 'strategy'))}",
            f"engine     {_block(as_told(job, 'engine'))}",
        ]
        out += self._lengths()
        out += self._place()
        left = self.most_tokens * (self.rows - self.done) // max(self.rows, 1)
        more = " more" if self.done else ""
        need = _size(left * TOKEN_BYTES)
        out += [f"at most    {left:,}{more} output tokens (about {need} on disk) if all hit their cap"]
        out += ["", "first prompt:", *(line for turn in self.messages for line in _turn(turn))]
        return out + self._ids()

    def _values(self) -> list[str]:
        """Every setting, and where it came from."""
        out = []
        for key, value, origin in self.values:
            may = "; its files may change it" if key in self.open else ""
            out.append(f"           {key:<27} {_value(value):<{SHOWN_VALUE}} {origin}{may}".rstrip())
        return ["settings", *out]

    def _place(self) -> list[str]:
        """Where the run writes, and what is there."""
        out = [f"output     {shown(Path(self.job.output.dir))}, {_size(self.free_bytes)} free"]
        if self.done or self.changed:
            out += [f"           goes on: {self.done:,} of {self.rows:,} problems are done"]
        out += [f"           {change}" for change in self.changed]
        if self.uncompared:
            out += [f"           not compared with its samples yet: {', '.join(self.uncompared)}"]
        return out + [f"           {told}" for told in (self.warning, self.held) if told]

    def _references(self) -> list[str]:
        if not self.referenced:
            return ["references none: votes are counted, accuracy is not"]
        bad = f"; {len(self.ungradable)} cannot be graded: {'; '.join(self.ungradable[:5])}" if self.ungradable else ""
        return [f"references {self.referenced:,} of the first {self.looked_at:,} problems{bad}"]

    def _lengths(self) -> list[str]:
        if self.longest is None:
            return []
        text = f"prompts    at most {self.longest:,} tokens; the context holds {self.context or 'any number of'} tokens"
        if self.too_long:
            text += f"; {len(self.too_long)} too long, written as `too_long`: {', '.join(self.too_long[:5])}"
        return [text]

    def _ids(self) -> list[str]:
        if self.token_ids is None:
            return ["", f"token ids  {self.no_ids}"] if self.no_ids else []
        ids = ", ".join(map(str, self.token_ids[:SHOWN_IDS])) + (", ..." if len(self.token_ids) > SHOWN_IDS else "")
        bos = "the model wants no BOS" if self.bos is None else f"one BOS ({self.bos}), as the model wants"
        return ["", f"rendered   {self.rendered!r}", f"token ids  {len(self.token_ids):,}: {ids}", f"           {bos}"]


def preview(job: Job, command: Sequence[str] = ()) -> Preview:
    """Look at everything a run would read and write. Raises FaultsError, or MachineError, with all that is wrong.

    command: the words of the run, to tell how to run elsewhere.
    """
    found = examine(job, command)
    found.raise_faults()
    job, asked, served = found.job, found.asked, found.served or Served()
    assert asked is not None
    first = list(itertools.islice(problems(asked.table, asked.survey), LOOKED_AT))
    longest, too_long, context = _measure(asked, served, first)
    tokenizer = served.tokenizer
    referenced = [problem for problem in first if problem.reference is not None]
    done, changed = _begun(found, asked)
    return Preview(
        job=job,
        profile=found.settled.profile,
        values=tuple(found.settled.values(served.model)),
        open=found.settled.open,
        rows=asked.survey.rows,
        done=done,
        changed=changed,
        uncompared=found.uncompared,
        held=found.place.held,
        warning=short_of_room(job, asked.survey.rows - done, found.place.free),
        notes=tuple(found.notes()),
        looked_at=len(first),
        messages=found.messages,
        token_ids=found.token_ids,
        rendered=tokenizer.render(found.messages, job.prompt.chat) if tokenizer else None,
        bos=tokenizer.bos if tokenizer else None,
        longest=longest,
        too_long=too_long,
        context=context,
        referenced=len(referenced),
        ungradable=_ungradable(referenced),
        free_bytes=found.place.free,
        model=_model(job, served),
        no_ids=found.no_ids,
    )


def _begun(found: Found, asked: Asked) -> tuple[int, list[str]]:
    """How many problems are done, and what is different since the last run."""
    if not found.place.is_run:
        return 0, []
    job = found.job
    decisions = Decisions(job, strategies.make(job.strategy, job.n), asked.survey, revote=False)
    try:
        with Store.read(found.place.path) as store:
            wanted = owed(decisions, store.done_rows)
            unsure = found.settled.open
            told = [line for line in changes(store, job, asked.survey) if line.partition(":")[0] not in unsure]
            return len(wanted) - int(wanted.sum()), told
    except StoreError as error:
        return 0, [str(error)]


def _model(job: Job, served: Served) -> str:
    if job.engine.get("kind", "vllm") not in engine.NEEDS_MODEL:
        return "none: the engine needs none"
    if served.model is not None:
        how = ", prepared: it runs no code of its own" if internlm3.is_prepared(served.model) else ""
        return f"{job.model.source}, in {served.model.path}{how}"
    return f"{job.model.source}, not on this machine yet"


def _measure(asked: Asked, served: Served, first: Sequence[Problem]) -> tuple[int | None, list[str], int | None]:
    """Longest prompt in tokens, the ids of problems that leave no room for a response, and the context."""
    if served.tokenizer is None or served.model is None:
        return None, [], None
    context = context_of(asked.job, served.model)
    longest, too_long = 0, []
    for problem in first:
        if problem.fault:
            continue
        count = len(served.tokenizer.prompt(asked.template.messages(problem), chat=asked.job.prompt.chat))
        longest = max(longest, count)
        if context and count >= context:
            too_long.append(f"{problem.id} ({count})")
    return longest, too_long, context


def _ungradable(referenced: Sequence[Problem]) -> list[str]:
    """References that no answer could be compared with, as `id: text`."""
    residue = [p for p in referenced if p.reference is not None and answers.key(p.reference) is None]
    if not residue:
        return []

    async def graded() -> list[int | None]:
        grader = Grader()
        try:
            return [(await grader.classify([problem.reference]))[0] for problem in residue]
        finally:
            await grader.close()

    return [f"{p.id}: {p.reference}" for p, known in zip(residue, asyncio.run(graded()), strict=True) if known is None]


def _value(value: Any) -> str:
    """On one line, cut where it is long."""
    text = json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
    return text if len(text) <= SHOWN_VALUE else f"{text[: SHOWN_VALUE - 4]} ..."


def _size(number: float) -> str:
    """Bytes for human eyes."""
    return f"{number / 2**30:,.1f} GiB" if number >= 2**30 else f"{math.ceil(number / 2**20):,} MiB"


def _block(block: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in block.items())


def _turn(turn: Message) -> list[str]:
    return [f"  [{turn['role']}]", *(f"  {line}" for line in turn["content"].splitlines())]
