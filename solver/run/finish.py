"""Finish: the results table made exact, the manifest, and the numbers of the run. The owner alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from solver import engine
from solver.job import Job
from solver.progress import Counters, duration
from solver.redact import redact
from solver.statistics import COLUMNS, Stats, least_of, summarize, told
from solver.store import InputRows, Store


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run ended with.

    stats: over the whole results table; the other numbers are of this process alone: problems decided and
    samples generated, output tokens, seconds from the first admission to the last durable result.
    """

    directory: Path
    stats: Stats
    problems: int
    samples: int
    output_tokens: int
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 when every problem came to an end, 3 when some failed."""
        return 3 if self.stats.failed else 0

    def json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        own = {"problems": self.problems, "samples": self.samples, "output_tokens": self.output_tokens}
        own["seconds"] = round(self.seconds, 3)  # type: ignore[assignment]
        return {"directory": str(self.directory), "this_run": own, "stats": asdict(self.stats)}


def finish(store: Store, job: Job, counters: Counters, seconds: float, current: InputRows) -> Summary:
    """Settle the results table, write manifest and card, and count. Raises StoreError or MachineError."""
    store.finish(_facts(job, counters, seconds, store.summary), current)
    stats = summarize(store.result_batches(COLUMNS), least_of(store))
    return Summary(store.path, stats, counters.problems, counters.samples, counters.output_tokens, seconds)


def about(job: Job) -> Mapping[str, Any]:
    """What may be passed around of a job: `name` and `model`, for the dataset card."""
    return {"name": redact(job.unexpanded.get(("name",), job.name)), "model": redact(_model(job))}


def _facts(job: Job, counters: Counters, seconds: float, before: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What the manifest keeps of a run. before: the same as the last start left it.

    `total` adds up the starts that came to their end and generated something, and the most GPUs that one had.
    """
    past = (before or {}).get("total", {"seconds": 0.0, "gpus": 0})
    total = dict(past)
    if counters.samples:
        total = {"seconds": past["seconds"] + seconds, "gpus": max(past["gpus"], engine.gpus(job.engine))}
    return {
        **about(job),
        "problems": counters.total,
        "last_run": {"samples": counters.samples, "output_tokens": counters.output_tokens, "seconds": seconds},
        "total": total,
    }


def _model(job: Job) -> str:
    """Who answered, as it may be passed around: no path of this machine, nothing that the environment told."""
    if job.engine.get("kind", "vllm") not in engine.NEEDS_MODEL:
        return f"{job.engine['kind']} replies"
    source = job.unexpanded.get(("model", "source"), job.model.source)
    return Path(source).name if job.model.source.startswith("/") else source


def lines(summary: Summary) -> list[str]:
    """The summary for human eyes: what came out, how good it is, what it cost, where it lies."""
    rate = summary.output_tokens / summary.seconds if summary.seconds > 0 else 0.0
    rows = []
    if summary.samples:
        rows = [("this run", f"{summary.samples:,} samples, {summary.output_tokens:,} tokens, {rate:,.0f} tokens/s")]
    return told.aligned([*told.rows(summary.stats), *rows, ("wall time", duration(summary.seconds)), *_tables(summary)])


def _tables(summary: Summary) -> list[tuple[str, str]]:
    where = shown(summary.directory)
    return [("samples table", f"{where}/samples/"), ("results table", f"{where}/results/")]


def shown(path: Path) -> str:
    """A path relative to the current directory where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
