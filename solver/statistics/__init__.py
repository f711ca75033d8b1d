"""The tables of a run -> honest numbers about it. Never needs an engine or a GPU.

intervals.py      estimates with 95% intervals; the unit is the problem
headline.py       the few numbers that every run ends with, one arrow batch at a time
estimators.py     pass@k and maj@k of one problem, unbiased, for every k
reading.py        a run directory -> arrays over problems and candidates
responses.py      the samples table -> whole responses, also of several samples
curves.py         accuracy over samples and tokens
measures.py       calibration, lengths, difficulty
overthinking.py   how much of a response comes after its first right answer
cost.py           GPU hours and money
whole.py          all of it: `stats(run)`
compare.py        two or more runs on the problems they share
"""

from solver.statistics.headline import COLUMNS, Stats, summarize
from solver.statistics.intervals import NOTHING, Estimate, Moments, Share, bootstrap, wilson
from solver.statistics.paired import Comparison, compare
from solver.statistics.whole import Statistics, least_of, stats

__all__ = [
    "COLUMNS",
    "NOTHING",
    "Comparison",
    "Estimate",
    "Moments",
    "Share",
    "Statistics",
    "Stats",
    "bootstrap",
    "compare",
    "least_of",
    "stats",
    "summarize",
    "wilson",
]
