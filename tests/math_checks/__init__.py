"""Independent computations of the answers in `scripts/math_problems.jsonl`, one function for each problem.

Importing the package fills `registry.CHECKS`; `tests/test_math_data.py` runs every check against the reference answer.
"""

from math_checks import algebra, calculus, combinatorics, geometry, number_theory, probability, sequences

__all__ = ["algebra", "calculus", "combinatorics", "geometry", "number_theory", "probability", "sequences"]
