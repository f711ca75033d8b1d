"""`solver revote RUN`: decide anew from the samples of a run, without an engine."""

import json
from pathlib import Path

import click

from solver.cli.plain import say, tell
from solver.cli.run import json_option, override_option
from solver.cli.words import line, words


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@override_option
@json_option
def revote(run: str, overrides: tuple[str, ...], as_json: bool) -> int:
    """Extract, group and vote again over the samples of RUN; never generates.

    With -o strategy=..., -o sampling.n=... or -o input....: under changed rules. The new results replace the
    old ones at once; the old ones are kept under RUN/_solver/superseded/.
    """
    from solver.run import lines
    from solver.run import revote as revote_run

    summary = revote_run(Path(run).resolve(), overrides, command=words("revote", run, overrides), say=say)
    tell(json.dumps(summary.json()) if as_json else "\n".join(lines(summary)))
    if summary.stats.wants_more and not as_json:
        tell(f"\nnext: {line('run', f'{run}/job.yaml')}  draws the samples that are wanted")
    return summary.exit_code
