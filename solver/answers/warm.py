"""Imported only inside the process that forks grading workers: a respawned worker then starts in milliseconds.

Sets the environment before sympy is imported, which is why it must never be imported anywhere else: with gmpy2 under
it sympy computes huge integers in one C call that no signal interrupts.
"""

import os

os.environ["SYMPY_GROUND_TYPES"] = "python"
os.nice(10)  # grading never takes a core from the engine

import math_verify  # noqa: E402, F401

import solver.answers.residue  # noqa: E402, F401
