"""Imported only inside the process that forks grading workers: a respawned worker then starts in milliseconds.

Sets the environment before sympy is imported, which is why it must never be imported anywhere else: with gmpy2 under
it sympy computes huge integers in one C call that no signal interrupts. Workers run functions of this package alone, so
the script that asked is not run again in them: a plain script needs no `if __name__ == "__main__"`.
"""

import os
from multiprocessing import spawn

os.environ["SYMPY_GROUND_TYPES"] = "python"
os.environ["MPMATH_NOGMPY"] = "1"
os.nice(10)  # grading never takes a core from the engine


def _nothing(main: str) -> None:
    """In place of running the asking script once more."""


for _name in ("_fixup_main_from_path", "_fixup_main_from_name"):
    setattr(spawn, _name, _nothing)

import math_verify  # noqa: E402, F401

import solver.answers.residue  # noqa: E402, F401
