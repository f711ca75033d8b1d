"""`solver check JOB`: everything that can be known about a run without a GPU, weights or the network."""

import json

import click

from solver.cli.plain import tell
from solver.cli.run import json_option, override_option
from solver.cli.words import words
from solver.errors import LockedError
from solver.redact import redact


@click.command()
@click.argument("job", type=click.Path(dir_okay=False))
@override_option
@json_option
def check(job: str, overrides: tuple[str, ...], as_json: bool) -> int:
    """Check the job file JOB: fields, columns, the first prompt and its token ids, references, disk, an estimate.

    Says what the run directory holds already and what changed since; ends with the exit code that a run would begin
    with.
    """
    from solver.answers.pool import prepare_workers

    prepare_workers()  # for references that only a worker can grade: it gets ready while the job is read
    from solver.run import read_job
    from solver.run.preview import preview

    found = preview(read_job(job, overrides), words("run", job, overrides))
    tell(redact(json.dumps(found.json()) if as_json else "\n".join(found.lines())))
    return LockedError.exit_code if found.held else 0
