"""`solver check JOB`: everything that can be known about a run without a GPU, weights or the network."""

import json

import click

from solver.cli.plain import plain, tell
from solver.cli.run import json_option, override_option


@click.command()
@click.argument("job", type=click.Path(dir_okay=False))
@override_option
@json_option
def check(job: str, overrides: tuple[str, ...], as_json: bool) -> int:
    """Check the job file JOB: fields, columns, the first prompt and its token ids, references, disk, an estimate."""
    from solver.run import read_job
    from solver.run.preview import preview

    found = preview(read_job(job, overrides))
    tell(json.dumps(found.json()) if as_json else plain("\n".join(found.lines())))
    return 0
