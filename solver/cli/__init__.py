"""The command line: words and exit codes over the Python API, a file per verb.

Data goes to standard output, everything else to standard error. Nothing heavy is imported before a verb
runs, so that `solver --help` is instant.
"""

import shlex
import signal
import sys
import traceback
from collections.abc import Sequence

import click

from solver import __version__
from solver.cli.check import check
from solver.cli.compact import compact
from solver.cli.compare import compare
from solver.cli.export import export
from solver.cli.grade import grade
from solver.cli.models import models
from solver.cli.plain import say
from solver.cli.push import push
from solver.cli.replay import replay
from solver.cli.report import report
from solver.cli.revote import revote
from solver.cli.run import run
from solver.cli.show import show
from solver.cli.words import program
from solver.errors import FaultsError, SolverError

EXIT_CODES = """\b
Exit codes:
  0    complete
  1    the run failed
  2    bad usage, job or input
  3    complete, with failed problems
  4    the machine: memory, disk, driver, a missing package
  75   another process owns the run directory
  130  interrupted (143 by SIGTERM); the same command goes on from there
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.version_option(__version__, prog_name="solver")
def cli() -> None:
    """Ask a reasoning model N times for each problem of a table, vote, and write samples and results to parquet."""


for verb in (run, check, show, report, compare, revote, replay, export, push, grade, compact, models):
    cli.add_command(verb)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of `solver`: runs a verb and ends the process with its exit code."""
    try:
        code = cli.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.exceptions.Abort:  # how click tells Ctrl-C
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an impatient second one must not hit what is left to say
        say(f"interrupted. To go on: {shlex.join([program(), *(sys.argv[1:] if arguments is None else arguments)])}")
        code = 130
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx is not None:
            say(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n")
        say(f"Error: {error.format_message()}")
        code = error.exit_code
    except SolverError as error:
        complain(error)
        code = error.exit_code
    except Exception:  # a bug of ours: what it says may hold what the job or the environment holds
        say(f"{traceback.format_exc()}error: this is a bug in solver, not in what you gave it; please report it")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def complain(error: SolverError) -> None:
    """Say what is wrong: each fault on a line of its own."""
    if isinstance(error, FaultsError):
        for fault in error.faults:
            click.secho("error: ", fg="red", nl=False, err=True)
            say(str(fault))
        return
    stopped = error.exit_code in (130, 143)
    click.secho("" if stopped else "error: ", fg="red", nl=False, err=True)
    say(str(error))
