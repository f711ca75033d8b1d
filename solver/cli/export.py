"""`solver export RUN FORMAT --out DIR`: training data, or a plain table, from a run."""

import json
from pathlib import Path
from typing import Any

import click

from solver.cli.plain import plain, tell
from solver.cli.run import json_option

FORMATS = ("sft", "dpo", "simpo", "kto", "trajectory", "openr1", "openmathreasoning", "table", "labels")
PAIRS = ("right-wrong", "shortest-longest", "fcs", "fcs-reflection", "gds")
_SHARE = click.FloatRange(0, 1)
_OPTIONS = [
    click.option("--out", required=True, type=click.Path(), metavar="DIR", help="A new directory for the data."),
    click.option("--as", "files", type=click.Choice(("parquet", "jsonl", "csv")), default="parquet", show_default=True),
    click.option(
        "--labels",
        type=click.Choice(("verified", "voted", "either")),
        default="verified",
        show_default=True,
        help="What is right: equal to the reference; in the class that won; the first where it can be told.",
    ),
    click.option("--min-agreement", type=_SHARE, default=0.5, show_default=True, help="Of a vote that labels."),
    click.option("--min-margin", type=_SHARE, default=0.0, show_default=True, help="Of a vote that labels."),
    click.option("--hinted", is_flag=True, help="Also responses that were helped, marked."),
    click.option("--keep-truncated", is_flag=True, help="Also responses that were cut short."),
    click.option("--per-problem", type=click.IntRange(min=1), help="Rows a problem gives at most."),
    click.option("--pass-rate", nargs=2, type=_SHARE, default=(0.0, 1.0), help="Only problems in this band."),
    click.option("--min-tokens", type=click.IntRange(min=0), default=0, help="Of a response."),
    click.option("--max-tokens", type=click.IntRange(min=1), help="Of a response."),
    click.option("--balance", type=click.Choice(("labels", "difficulty")), help="As many of each."),
    click.option("--dedupe", type=click.Choice(("exact", "near", "problems")), multiple=True, help="May be repeated."),
    click.option("--similarity", type=_SHARE, default=0.8, show_default=True, help="What is a near-duplicate."),
    click.option("--decontaminate", "benchmarks", multiple=True, metavar="PATH", help="A table of problems to avoid."),
    click.option("--ngram", type=click.IntRange(min=1), default=8, show_default=True, help="Words in a row."),
    click.option("--holdout", type=_SHARE, default=0.0, help="Share of problems that go to a split `test`."),
    click.option(
        "--shape", type=click.Choice(("messages", "sharegpt", "alpaca", "prompt-completion")), default="messages"
    ),
    click.option("--for", "trainer", type=click.Choice(("trl", "llamafactory")), default="trl", show_default=True),
    click.option("--pairs", type=click.Choice(PAIRS), default="right-wrong", show_default=True),
    click.option("--reasoning", type=click.Choice(("inline", "field", "none")), default="inline", show_default=True),
    click.option("--system", help="A system message for every conversation."),
    click.option("--reflection", help="The sentence that joins a wrong and a right response (trajectory)."),
    click.option("--license", help="For the dataset card."),
]


def _all_options(command: Any) -> Any:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.argument("format", type=click.Choice(FORMATS))
@_all_options
@json_option
def export(run: str, format: str, out: str, as_json: bool, **options: Any) -> int:
    """Write the responses of RUN as FORMAT to the new directory --out: data, a dataset card, and what trainers want.

    Says how many responses every filter left. Rows labelled by reference and by vote are never mixed unmarked.
    """
    from solver.export import Asked
    from solver.export import export as export_run

    tokens = (options.pop("min_tokens"), options.pop("max_tokens"))
    given = {name: value for name, value in options.items() if value is not None}
    done = export_run(Path(run), Asked(format, Path(out), tokens=tokens, **given))
    if as_json:
        tell(json.dumps(done.json()))
        return 0
    tell(plain("\n".join(done.lines())))
    tell(plain(f"\nwrote {out}: see its README.md"))
    return 0
