r"""Chemical formulas: `H_2O`, `H2O`, `\text{CO}_2` -> one text each; a letter with an index alone is a variable."""

import re

from solver.answers.keys import Key
from solver.answers.structures import Read

_ELEMENT = "(?:Na|Mg|Al|Si|Cl|Ca|Fe|Cu|Zn|Ag|Br|Ba|Mn|Pb|Hg|Cr|Li|Be|Ne|Ar|He|Ti|Sn|H|C|N|O|F|P|S|K|I)"
_COUNT = r"(?:\s*_\s*(?:\{\s*\d{1,2}\s*\}|\d)|\d{1,2})?"
_PART = rf"\s*{_ELEMENT}{_COUNT}"
_FORMULA = re.compile(rf"(?:{_PART}|\s*\((?:{_PART}){{2,4}}\s*\){_COUNT}){{2,8}}|(?:O|H|N|Cl)\s*_\s*\{{?\s*2\s*\}}?")
_NAMES = re.compile(_ELEMENT)
_MARKS = re.compile(r"[\s_{}]")


def compound_formula(text: str, read: Read) -> Key | None:
    """The key of a text that is one formula with a count in it."""
    if not any("0" <= mark <= "9" for mark in text) or _FORMULA.fullmatch(text) is None:
        return None
    names = _NAMES.findall(text)
    repeated = len(names) > 1 and len(set(names)) == 1  # P_1P_2 is a segment
    return None if repeated else Key("text", _MARKS.sub("", text))
