"""`solver run JOB`: sample, vote, write; run again to go on."""

import json
import sys

import click

from solver.cli.plain import say, tell
from solver.cli.words import line, words

override_option = click.option(
    "-o", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one field of the job, such as sampling.n=8."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


@click.command()
@click.argument("job", type=click.Path(dir_okay=False))
@override_option
@click.option("--quiet", is_flag=True, help="Show no progress and no notes.")
@click.option("--verify", is_flag=True, help="First read every byte that the run holds; what is damaged is redone.")
@json_option
def run(job: str, overrides: tuple[str, ...], quiet: bool, verify: bool, as_json: bool) -> int:
    """Run the job file JOB. Run again to go on from what the run directory holds.

    Ctrl-C lets running samples finish (30 s), a second one stops at once; what is durable is kept.
    """
    from solver.run import lines, read_job, shown
    from solver.run import run as run_job

    checked = read_job(job, overrides)
    summary = run_job(
        checked, words("run", job, overrides), say=(lambda _: None) if quiet else say, quiet=quiet, verify=verify
    )
    if as_json:
        tell(json.dumps(summary.json()))
        return summary.exit_code
    tell("\n".join(lines(summary)))
    tell("\n" + "\n".join(_next(shown(summary.directory))))
    sys.stdout.flush()
    return summary.exit_code


def _next(where: str) -> list[str]:
    """What may be typed after a run, a line each."""
    look = line("show", where)
    typed = {
        look: "the summary",
        f"{look} ID": "one problem: its classes and samples",
        line("report", where): "one HTML file to look at",
        line("revote", where): "decide anew, without an engine",
    }
    width = max(map(len, typed))
    rows = [f"{command:<{width}}  {does}" for command, does in typed.items()]
    return [f"{'' if number else 'next:':5} {row}" for number, row in enumerate(rows)]
