"""Text of models, inputs and errors -> text that cannot drive a terminal. Every verb prints through it.

What is said about a run carries no secret; what is told (tables, samples) is data, and left as it is.
"""

import os
import sys
from contextlib import suppress

import click

from solver.redact import redact


def plain(text: str) -> str:
    """The text with control characters shown instead of sent; newlines and tabs stay."""
    return "".join(c if c in "\n\t" or c.isprintable() or c == "\u3000" else f"\\x{ord(c):02x}" for c in text)


def say(text: str) -> None:
    """A note to standard error; one that cannot be written (a log on a full disk) is dropped, the run goes on."""
    with suppress(OSError):
        click.echo(plain(redact(text)), err=True)


def tell(text: str) -> None:
    """A line or more to standard output; a reader that hangs up (`| head`) changes no exit code."""
    try:
        click.echo(plain(text))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
