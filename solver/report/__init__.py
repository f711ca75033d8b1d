"""A run directory -> one HTML file that a person likes to read, self-contained. Never needs an engine or a GPU.

svg.py        scales, axes, lines and bars: drawing a chart, knowing nothing of what it shows
figures.py    the statistics -> the charts of the report, each with a sentence that says what is seen
words.py      the statistics -> headline numbers and small tables
samples.py    which samples are shown, and their texts, cut
listing.py    the results table -> rows of the browsable table, and what each opens to
packing.py    both -> blocks that fit the size budget
making.py     all of it: `write_report(run)`
report.html.jinja, report.css, report.js, mathematics.js: the page itself

The page asks nothing of a network: its content-security policy allows its own script and style by hash and nothing
else. Text of models and inputs stands in data blocks only, and the script puts it on the page as text, never as markup.
"""

from solver.report.making import Written, write_report

__all__ = ["Written", "write_report"]
