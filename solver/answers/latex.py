"""Plain mathematical notation -> the LaTeX that math-verify's grammar reads as it is meant.

Used by `residue` alone, on normal text: `sqrt(2)`, `x^10`, `sin x`, `30°`, `C_5^2`, `2 1/2 x`.
"""

import re

_BARE_FUNCTION = re.compile(
    r"(?<![\\A-Za-z])(arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|lg|exp|sqrt|pi)(?![A-Za-z])"
)
_FLAT_SQRT = re.compile(r"\\sqrt\s*\(([^()]*)\)")
_POWER = re.compile(r"\^\s*(-?\d{2,}|-\d|\([^()]*\))")
_CHOOSE = re.compile(r"(?<![A-Za-z\\])[CA]_\s*\{?\s*(\w+)\s*\}?\s*\^\s*\{?\s*(\w+)\s*\}?")
_CHOOSE_BRACES = re.compile(r"\\(?:d|t)binom")
_MIXED = re.compile(r"(?<![\d.])(\d+)\s*\\frac\s*\{\s*(\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_SPACED_RATIO = re.compile(r"(?<![\d.}])(\d+)/(\d+)(?=\s+[A-Za-z\\(])")
_DEGREES = re.compile(r"(\d+(?:\.\d+)?)\s*°")


def latex(text: str) -> str:
    """Plain notation as LaTeX: `sqrt(2)`, `x^10`, `sin x`, `C_5^2`."""
    text = _BARE_FUNCTION.sub(r"\\\1 ", text.replace("**", "^").replace("<=", r"\le ").replace(">=", r"\ge "))
    text = _FLAT_SQRT.sub(r"\\sqrt{\1}", text).replace(r"\lg", r"\log_{10}")
    text = _SPACED_RATIO.sub(r"\\frac{\1}{\2}", text)
    text = _CHOOSE_BRACES.sub(r"\\binom", text)
    text = _CHOOSE.sub(_chosen, text)
    text = _POWER.sub(lambda power: "^{" + power[1].strip("()") + "}", text)
    text = _MIXED.sub(_mixed, _DEGREES.sub(r"(\1\\cdot\\frac{\\pi}{180})", text))
    return text.replace("*", r"\cdot ").replace("%", r"\%")


def _mixed(match: re.Match[str]) -> str:
    return rf"({match[1]}+\frac{{{match[2]}}}{{{match[3]}}})" if int(match[2]) < int(match[3]) else match[0]


def _chosen(match: re.Match[str]) -> str:
    below, above = match[1], match[2]
    ways = rf"\binom{{{below}}}{{{above}}}"
    return ways if match[0][0] == "C" else rf"{ways}\cdot {above}!"
