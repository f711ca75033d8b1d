"""`solver compact RUN NEW`: the same run in a new directory, with few large shards."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from solver.cli.plain import plain, tell
from solver.cli.run import json_option
from solver.cli.words import line


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.argument("new", type=click.Path())
@json_option
def compact(run: str, new: str, as_json: bool) -> int:
    """Write the run in RUN to the directory NEW with few large shards; RUN stays as it is.

    For runs of very many shards, which are slow to open. NEW must not exist, or be empty. It is a run directory like
    any other: `solver run NEW/job.yaml` goes on there. Nobody may be writing to RUN meanwhile (exit code 75).
    """
    from solver.run import read_job, shown
    from solver.store.compact import compact as compact_run

    job = Path(run, "job.yaml")
    made = compact_run(Path(run), Path(new), read_job(job) if job.exists() else None)
    if as_json:
        tell(json.dumps(asdict(made) | {"directory": str(made.directory)}))
        return 0
    where = shown(made.directory)
    rows = f"{made.samples:,} samples and {made.results:,} results"
    tell(plain(f"{where}: {rows} in {made.shards:,} shards, {made.shards_before:,} before"))
    tell(plain(f"\nnext: {line('show', where)}"))
    return 0
