"""A run directory -> training data, or the run as a plain table. Never needs an engine or a GPU.

done = export(Path("runs/math"), Asked("sft", Path("data/math-sft")))
print("\\n".join(done.lines()))

asked.py        every option, checked at once       groups.py     run -> problems with their responses, in order
select.py       filters that count                  similar.py    duplicates, benchmarks
chat.py         messages, place of the reasoning    writing.py    parquet, jsonl, csv; whole or not at all
sft.py  preference.py  trajectory.py  columns.py    a file per family of formats
stanzas.py      what trainers want to be told       card.py       README.md            push.py   to a hub
"""

import gc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from solver.export import columns, preference, sft, trajectory
from solver.export.asked import FORMATS, PAIRS, SHAPES, Asked, check
from solver.export.card import card, origin
from solver.export.groups import Group, Groups
from solver.export.push import Target, push
from solver.export.select import RUN, Funnel, filters, source
from solver.export.stanzas import stanzas
from solver.export.writing import Split, appearing
from solver.store import RESULTS, Store

__all__ = ["FORMATS", "PAIRS", "SHAPES", "Asked", "Exported", "Target", "export", "push"]

Rows = Callable[[Group], Iterable[Mapping[str, Any]]]
MARK, WRITTEN = "export.json", "in the rows written"
CAPPED, WAITING = "rows beyond --per-problem", "samples of problems without a result"
_OTHERS = ("k", "rejected_k", "wrong_k")  # the responses that a row is made of


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written. counts: filter -> problems and responses left; rows: of each split; capped: rows beyond
    `per_problem`, which were left out; labels: of `labels`; waiting: samples of problems that have no result yet, which
    no export takes: the run is not complete."""

    directory: Path
    format: str
    counts: Mapping[str, list[int]]
    rows: Mapping[str, int]
    labels: Mapping[str, int]
    capped: int = 0
    waiting: int = 0

    def json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        counts = [{"filter": name, "problems": at[0], "responses": at[1]} for name, at in self.counts.items()]
        told: dict[str, Any] = {
            "directory": str(self.directory),
            "format": self.format,
            "filters": counts,
            "rows": dict(self.rows),
        }
        told |= {"beyond_per_problem": self.capped, "samples_without_a_result": self.waiting}
        return told | ({"labels": dict(self.labels)} if self.labels else {})

    def lines(self) -> list[str]:
        """Everything, for human eyes."""
        wide = max(len(name) for name in (*self.counts, *self.labels, *self.last())) + 2
        told = [f"  {'':<{wide}}{'problems':>10}{'responses':>12}"]
        told += [f"  {name:<{wide}}{at[0]:>10,}{at[1]:>12,}" for name, at in self.counts.items()]
        told += [f"  {name:<{wide}}{count:>10,}" for name, count in self.labels.items()]
        return told + [f"  {name:<{wide}}{'':>10}{count:>12,}" for name, count in self.last().items()]

    def last(self) -> dict[str, int]:
        """What stands below the filters: rows, and what none of them holds."""
        left_out = {WAITING: self.waiting, CAPPED: self.capped}
        return {name: n for name, n in left_out.items() if n} | {f"rows in {name}/": n for name, n in self.rows.items()}


def export(run: Path, asked: Asked) -> Exported:
    """Write what was asked of the run in `run` to `asked.out`, whole or not at all.

    Raises ExportError with every fault, StoreError where it is no run or is damaged, MachineError for the disk.
    """
    check(asked)
    with Store.read(run) as store:
        told = origin(store)
        schema, rows = _writer(asked, store, str(told["model"] or ""))
        funnel = Funnel(filters(asked, store), last=(WRITTEN,) if asked.training else ())
        with appearing(asked.out) as work, _few_collections():
            groups = Groups(store)
            splits = _written(asked, funnel, groups, (work, schema, rows))
            labels = _told(splits)
            counts = {split.name: split.split.rows for split in splits}
            capped, waiting = sum(one.capped for one in splits), groups.samples - funnel.counts[RUN][1]
            done = Exported(asked.out, asked.format, funnel.counts, counts, labels, capped, waiting)
            texts = stanzas(asked) | {"README.md": card(asked, told, done.counts, done.last())}
            texts[MARK] = json.dumps(done.json() | {"directory": None, "license": asked.license}, indent=1) + "\n"
            for name, text in texts.items():
                (work / name).write_text(text, "utf-8")
    return done


@contextmanager
def _few_collections() -> Iterator[None]:
    """Rows come and go by the million and hold no cycles: looking for any costs a sixth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@dataclass(slots=True)
class _Named:
    name: str
    split: Split
    labels: dict[str, int]
    capped: int = 0


def _written(asked: Asked, funnel: Funnel, groups: Iterable[Group], into: tuple[Path, pa.Schema, Rows]) -> list[_Named]:
    """All rows, each in its split; `train` exists even when it is empty."""
    work, schema, rows = into
    names = ("train", "test") if asked.holdout else ("train",)
    splits = [_Named(name, Split(work / name, asked.files, schema), {}) for name in names]
    paired = asked.format in ("dpo", "simpo", "trajectory")
    for group in funnel.through(groups):
        goal = splits[-1] if asked.holdout and in_holdout(group.problem, asked.holdout) else splits[0]
        written, used = 0, set[int]()
        for number, row in enumerate(rows(group)):
            if asked.per_problem is not None and number >= asked.per_problem:
                goal.capped += 1
                continue
            goal.split.add(row)
            written += 1
            if paired:
                used.update(row[name] for name in _OTHERS if row.get(name) is not None)
            if asked.format == "labels":
                goal.labels[row["label"]] = goal.labels.get(row["label"], 0) + 1
        if asked.training:
            funnel.count(WRITTEN, len(used) if paired else written)
        goal.split.grow(len(group.problem) + sum(len(response.text) for response in group.responses))
    for one in splits:
        one.split.close(always=True)
    return splits


def in_holdout(problem: str, share: float) -> bool:
    """Whether a problem belongs to the split `test`: by a hash of its text, so the same in every export and every run,
    and equal problems are never in both."""
    digest = blake2b(" ".join(problem.split()).encode(), digest_size=8, person=b"split").digest()
    return int.from_bytes(digest, "big") < share * 2.0**64


def _told(splits: Iterable[_Named]) -> dict[str, int]:
    labels: dict[str, int] = {}
    for one in splits:
        for name, count in one.labels.items():
            labels[name] = labels.get(name, 0) + count
    return labels


def _writer(asked: Asked, store: Store, model: str) -> tuple[pa.Schema, Rows]:
    """The schema of the format, and what makes rows of a problem."""
    simple: Mapping[str, tuple[Callable[[Asked], pa.Schema], Callable[..., Iterable[Mapping[str, Any]]]]] = {
        "sft": (sft.schema, sft.rows),
        "dpo": (preference.pair_schema, preference.pair_rows),
        "simpo": (preference.pair_schema, preference.pair_rows),
        "kto": (preference.kto_schema, preference.kto_rows),
        "trajectory": (trajectory.schema, trajectory.rows),
        "openr1": (columns.openr1_schema, columns.openr1_rows),
        "openmathreasoning": (columns.openmath_schema, partial(columns.openmath_rows, model=model)),
    }
    if asked.format in simple:
        schema, rows = simple[asked.format]
        return schema(asked), lambda group: rows(_sourced(group, asked), asked)
    extra = _extra(store)
    flat = {"table": (columns.table_schema, columns.table_rows), "labels": (columns.labels_schema, columns.labels_rows)}
    make, tell = flat[asked.format]
    whole = make(extra)
    return whole, lambda group: tell(_filled(group, extra), asked, whole)


def _sourced(group: Group, asked: Asked) -> Group:
    return replace(group, source=source(group, asked))


def _filled(group: Group, extra: pa.Schema) -> Group:
    """The group with every column of the input, in order: shards written before one was added lack it."""
    return replace(group, columns={name: group.columns.get(name) for name in extra.names})


def _extra(store: Store) -> pa.Schema:
    """The input's other columns, as the results table has them."""
    from solver.store.gather import Problems

    known = Problems(store).schema
    return pa.schema([field for field in known if field.name not in RESULTS.names])
