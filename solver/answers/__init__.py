"""Text -> answer -> class: what a response answers, and which answers are the same.

    extract(text) -> Extracted | None     the final answer a response states, and the rule that found it
    reference(text) -> str | None         the final answer of a gold column
    key(answer) -> Key | None             typed exact meaning, in microseconds; None needs a worker
    Grader().classify(answers)            class of each answer; only residue reaches killable workers
    Grader().standings(answers)           the same, and what of it no further answer can change
    equivalent(a, b) -> bool              the same for two answers, synchronously
    classified(answers) -> classes        the same for one bag of answers, synchronously

Model text never reaches `eval`, `sympify` or `parse_expr`. Importing this costs milliseconds: sympy, math-verify and
pebble are only imported when the first residue appears, in worker processes.
"""

from solver.answers.extract import DEFAULT_REASONING, Extracted, Tags, extract, reference, solution
from solver.answers.grader import Grader, Standing, classified, equivalent
from solver.answers.keys import Key
from solver.answers.reading import key

VERSION = 3
"""Version of the extraction and equality rules; results decided under another version are decided anew."""

__all__ = [
    "DEFAULT_REASONING",
    "VERSION",
    "Extracted",
    "Grader",
    "Key",
    "Standing",
    "Tags",
    "classified",
    "equivalent",
    "extract",
    "key",
    "reference",
    "solution",
]
