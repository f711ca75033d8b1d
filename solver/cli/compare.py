"""`solver compare RUN RUN ...`: runs side by side on the problems that they share."""

import json

import click

from solver.cli.plain import tell
from solver.cli.run import json_option


@click.command()
@click.argument("run", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False))
@json_option
def compare(run: tuple[str, ...], as_json: bool) -> int:
    """Compare runs on the problems that all of them hold: paired differences to the first RUN, with 95% intervals."""
    from solver.statistics import compare as compare_runs

    if len(run) < 2:
        raise click.UsageError("give two run directories or more")
    told = compare_runs(run)
    tell(json.dumps(told.json()) if as_json else "\n".join(told.lines()))
    return 0
