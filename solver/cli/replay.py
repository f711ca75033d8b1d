"""`solver replay SOURCE`: what other strategies would have made of recorded samples."""

import json
from pathlib import Path
from typing import Any

import click

from solver.cli.plain import plain, tell
from solver.cli.run import json_option


@click.command()
@click.argument("run", type=click.Path(exists=True))
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    required=True,
    metavar="STRATEGY",
    help="A strategy as in a job: beta:0.95, esc, exact, or a block such as '{name: cascade, within: beta}'. Several.",
)
@click.option("--n", type=click.IntRange(1), help="Samples a problem at most. Default: as many as were recorded.")
@click.option(
    "--shuffles", type=click.IntRange(0), default=50, show_default=True, help="Orders of the samples; 0: as recorded."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the shuffles.")
@click.option("--id", "of_id", metavar="COLUMN", help="Of a table: the column that names the problem of a sample.")
@click.option("--answer", "of_answer", metavar="COLUMN", help="... that holds the sample's answer.")
@click.option("--text", "of_text", metavar="COLUMN", help="... or its whole response, whose answer is extracted.")
@click.option("--reference", "of_reference", metavar="COLUMN", help="... the reference answer.")
@click.option("--tokens", "of_tokens", metavar="COLUMN", help="... the number of output tokens.")
@json_option
def replay(
    run: str,
    *,
    strategies: tuple[str, ...],
    n: int | None,
    shuffles: int,
    seed: int,
    as_json: bool,
    **of: str | None,
) -> int:
    """Replay the samples of RUN, a run directory or a table with one row for each sample, under other strategies.

    Needs no engine. Prints accuracy, samples and tokens of each strategy beside those of taking all samples, over
    shuffled orders, the same for all. A strategy that would ask the model for something else says so.
    """
    from solver.replay import Columns, told
    from solver.replay import replay as replay_samples

    columns = Columns(**{name.removeprefix("of_"): value for name, value in of.items()})
    found = replay_samples(
        Path(run),
        {text: _block(text) for text in strategies},
        n=n,
        shuffles=shuffles,
        seed=seed,
        columns=columns if any(of.values()) or not Path(run, "job.yaml").is_file() else None,
    )
    tell(json.dumps(found.json()) if as_json else plain("\n".join(told(found))))
    return 0


def _block(text: str) -> dict[str, Any]:
    """The block that `-o strategy=TEXT` would set. Raises JobError."""
    from solver.errors import Fault, JobError
    from solver.schema import short_strategy
    from solver.strict_yaml import read_override

    _, part = read_override(f"strategy={text}", {})
    if part.faults or not isinstance(part.value, str | dict):
        raise JobError(part.faults or [Fault(f"--strategy {text}", "is no strategy", "Write it as in a job")])
    return short_strategy(part.value) if isinstance(part.value, str) else part.value
