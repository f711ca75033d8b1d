"""Plain mathematical notation -> the LaTeX that math-verify's grammar reads as it is meant.

Used by `symbolic` alone, on normal text: `sqrt(2)`, `x^10`, `sin x`.
"""

import re

_BARE_FUNCTION = re.compile(
    r"(?<![\\A-Za-z])(arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|lg|exp|sqrt|pi)(?![A-Za-z])"
)
_FLAT_SQRT = re.compile(r"\\sqrt\s*\(([^()]*)\)")
_POWER = re.compile(r"\^\s*(-?\d{2,}|-\d|\([^()]*\))")


def latex(text: str) -> str:
    """Plain notation as LaTeX: `sqrt(2)`, `x^10`, `sin x`."""
    text = _BARE_FUNCTION.sub(r"\\\1 ", text.replace("**", "^"))
    text = _FLAT_SQRT.sub(r"\\sqrt{\1}", text).replace(r"\lg", r"\log_{10}")
    text = _POWER.sub(lambda power: "^{" + power[1].strip("()") + "}", text)
    return text.replace("*", r"\cdot ").replace("%", r"\%")
