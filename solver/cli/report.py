"""`solver report RUN`: one HTML file that shows what came out."""

from pathlib import Path

import click

from solver.cli.plain import tell


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.option("--price", type=click.FloatRange(min=0), help="Price of one GPU for an hour: tells what the run cost.")
@click.option("--out", type=click.Path(dir_okay=False), help="The file to write; RUN/report.html by default.")
@click.option("--max-mb", type=click.FloatRange(min=1), default=30.0, show_default=True, help="Size of it at most.")
@click.option(
    "--cut", type=click.IntRange(min=160), default=2000, show_default=True, help="Characters of a sample at most."
)
def report(run: str, price: float | None, out: str | None, max_mb: float, cut: int) -> int:
    """Write the report of RUN: one HTML file with charts and a table of problems, which asks nothing of a network."""
    from solver.report import write_report

    written = write_report(run, out=None if out is None else Path(out), price=price, max_mb=max_mb, cut=cut)
    tell("\n".join(written.lines()))
    return 0
