"""`solver grade FILE`: the grader alone, over anybody's table of predictions and gold answers."""

import json
from pathlib import Path

import click

from solver.cli.plain import plain, say, tell
from solver.cli.run import json_option


@click.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--pred", required=True, metavar="COLUMN", help="The column with predictions.")
@click.option("--gold", required=True, metavar="COLUMN", help="The column with gold answers.")
@click.option(
    "--pred-is",
    "kind",
    type=click.Choice(("either", "response", "answer")),
    default="either",
    show_default=True,
    help="What a prediction is: a whole response, whose answer is extracted; a bare answer, taken as it is; or either: "
    "extracted, and where nothing is found a single line is taken as it is.",
)
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE", help="Write the table with its verdicts here.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes for hard answers.")
@json_option
def grade(file: str, *, pred: str, gold: str, kind: str, out: str | None, workers: int, as_json: bool) -> int:
    """Grade the column --pred of FILE (parquet, jsonl or csv) against its column --gold, by value.

    Gold answers may be bare, boxed, or stand after `####`. Rows whose gold answer is blank or cannot be read are
    counted apart. With --out FILE.parquet, .jsonl or .csv the table is written with three more columns: predicted,
    correct (empty where nothing is known) and rule, which says how the answer was found. In csv a text that a
    spreadsheet would compute gets an apostrophe in front.
    """
    from solver.grade import Task
    from solver.grade import grade as grade_table

    summary = grade_table(Task(Path(file), pred, gold, kind, None if out is None else Path(out), workers))
    tell(json.dumps(summary.json()) if as_json else plain("\n".join(summary.lines())))
    if out is not None:
        say(f"wrote {out}")
    return 0
