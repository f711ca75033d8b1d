"""The grader alone: a table with predictions and gold answers -> accuracy, and the table with its verdicts.

    summary = grade(Task(Path("answers.jsonl"), pred="response", gold="answer"))
    print(summary.accuracy)

`opening.py` finds the columns and every fault; `verdicts.py` judges rows; `writing.py` writes tables. No step holds
more than a batch of rows, and nothing here needs an engine.
"""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solver.grade.verdicts import Verdict, judge
from solver.statistics import Share, wilson

if TYPE_CHECKING:
    from solver.grade import writing
    from solver.problems import Table

__all__ = ["Summary", "Task", "Verdict", "grade"]

KINDS = ("either", "response", "answer")
ADDED = ("predicted", "correct", "rule")


@dataclass(frozen=True, slots=True)
class Task:
    """What to grade. file: parquet, jsonl or csv; pred, gold: its columns; kind: what a prediction is, a whole
    `response`, a bare `answer`, or `either` (a line without any statement of an answer is taken as one); out: where
    the table with the columns `predicted`, `correct` and `rule` goes (.parquet, .jsonl or .csv), if anywhere."""

    file: Path
    pred: str
    gold: str
    kind: str = "either"
    out: Path | None = None
    workers: int = 2


@dataclass(slots=True)
class Summary:
    """Counts of rows. ungradable: the gold answer is blank or cannot be read, so nothing is known; no_answer: the
    prediction states none. `rules`: how often each rule of extraction found the answer."""

    rows: int = 0
    right: int = 0
    wrong: int = 0
    no_answer: int = 0
    ungradable: int = 0
    rules: dict[str, int] = field(default_factory=dict)

    @property
    def accuracy(self) -> Share:
        """Right rows of all with a gradable gold answer, those without an answer among them; Wilson's 95% interval."""
        return wilson(self.right, self.rows - self.ungradable)

    def count(self, verdict: Verdict) -> None:
        """One more row."""
        self.rows += 1
        if verdict.rule is not None:
            self.rules[verdict.rule] = self.rules.get(verdict.rule, 0) + 1
        if verdict.correct is None:
            self.ungradable += 1
        elif verdict.correct:
            self.right += 1
        elif verdict.predicted is None:
            self.no_answer += 1
        else:
            self.wrong += 1

    def json(self) -> dict[str, Any]:
        """The counts and the accuracy, as JSON holds them; value, low and high are null where nothing was graded."""
        share = self.accuracy
        counts = {name: getattr(self, name) for name in ("rows", "right", "wrong", "no_answer", "ungradable")}
        return counts | {
            "accuracy": {"value": share.value, "low": share.low, "high": share.high},
            "rules": dict(sorted(self.rules.items(), key=lambda item: (-item[1], item[0]))),
        }

    def lines(self) -> list[str]:
        """The same for human eyes."""
        rules = ", ".join(f"{name} {count:,}" for name, count in self.json()["rules"].items())
        told = [("accuracy", str(self.accuracy)), ("right", f"{self.right:,}"), ("wrong", f"{self.wrong:,}")]
        told += [("no answer", f"{self.no_answer:,}"), ("rows", f"{self.rows:,}")]
        if self.ungradable:
            told.append(
                ("ungradable", f"{self.ungradable:,} rows have a gold answer that cannot be graded: not counted")
            )
        return [f"  {name:<12} {value}" for name, value in [*told, ("found by", rules or "-")]]


def grade(task: Task) -> Summary:
    """Grade the table of `task`; with `out`, write it anew with the verdicts, whole or not at all.

    Raises InputError with every fault of the task at once, MachineError or StoreError when `out` cannot be written.
    """
    from solver.grade.opening import open_graded
    from solver.grade.writing import written

    table = open_graded(task)
    if task.out is None:
        return asyncio.run(_graded(table, task, None))
    return written(task.out, table.schema, lambda writer: asyncio.run(_graded(table, task, writer)))


async def _graded(table: "Table", task: Task, writer: "writing.Writer | None") -> Summary:
    """Batch by batch: judge, count, write."""
    from solver.answers import Grader
    from solver.problems.surveying import stop_at

    summary = Summary()
    async with Grader(task.workers) as grader:
        for _, batch in table.batches(stop_at):
            golds = table.passed_on(task.gold, batch.column(task.gold))
            predictions = table.passed_on(task.pred, batch.column(task.pred))
            verdicts = await judge(predictions, golds, task.kind, grader)
            for verdict in verdicts:
                summary.count(verdict)
            if writer is not None:
                writer.write({name: table.passed_on(name, batch.column(name)) for name in table.schema.names}, verdicts)
    return summary
