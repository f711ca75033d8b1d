"""Multiple choice: a letter, a bracketed letter, a letter with its option text, several letters -> one key.

The option's text is no part of the value: within one problem the letter says it all.
"""

import re

from solver.answers.keys import Key
from solver.answers.normal import CIRCLED
from solver.answers.shapes import EVERYTHING

_CHOICE = re.compile(
    r"(?:(?:[Oo]ption|[Cc]hoice|[Aa]nswer|OPTION|选项|故选择?|应选|选择|选|答案)\s*:?\s*)?[(\[]?([A-Z])[)\]]?(?:\s*(?:选项|项))?|[(\[]([a-h])[)\]]"
    r"|[(\[]?([A-J])\s*[)\].:](?!\s*[A-Z]\s*=)\s*\S.*|[(\[]([A-J])[)\]]\s*\S.*",
    re.DOTALL,
)
_AND = r"\s*(?:[,;]\s*(?:and\b|&)?|and\b|&|和|与|以及)\s*"
_CHOICES = re.compile(rf"\(?[A-H]\)?(?:{_AND}\(?[A-H]\)?)+|[A-H]{{2,8}}|\([A-H]\)(?:\s*\([A-H]\))+")
_ROMAN = r"\(?(?:VIII|VII|VI|IV|IX|III|II|I|V|X)\)?"
_ROMANS = re.compile(rf"{_ROMAN}(?:{_AND}{_ROMAN})+|\(?(?:VIII|VII|VI|IV|IX|III|II)\)?")
_ONLY = re.compile(r"^(?:only|仅有?|只有)\s*(?=[(A-Z\ue001-\ue014])|(?<=[A-Z)\ue001-\ue014])\s+only$", re.IGNORECASE)
_RIGHT = re.compile(
    r"(?<=[A-H)\ue001-\ue014])\s*(?:(?:选项|项)?(?:是|都|均)?(?:正确的?|对的?)|(?:is|are)(?: the)?"
    r" (?:correct|right|true)(?: (?:answers?|options?|choices?|ones?|statements?))?)$"
)
_LABEL = re.compile(r"(?<![A-Za-z\\])[(\[]?([A-H])[)\].](?=\s*[^\s,;)]|$)")
_CIRCLES = re.compile(rf"[{CIRCLED}](?:\s*(?:,|;|and|和|与)?\s*[{CIRCLED}])*")
_LETTER = re.compile(r"[A-H]")
OTHERWISE = {"R": (EVERYTHING,), "T": (Key("text", "yes"),), "F": (Key("text", "no"),)}
"""Letters that also say something else: the real numbers, true, false."""


def choice(text: str) -> Key | None:
    """The key of a normal text that names options, else None."""
    if len(text) < 80:
        text = _RIGHT.sub("", _ONLY.sub("", text)) or text
    if (found := _several(text)) is not None:
        return found
    if text[0] in "([" or text[1:2] in ").]: ":  # a label with its option text, or several of them
        labels = _LABEL.findall(text)
        if len(labels) > 1 and _LABEL.match(text):
            return Key("choice", "".join(sorted(set(labels))))
    if match := _CHOICE.fullmatch(text):
        letter = next(group for group in match.groups() if group)
        return Key("choice", letter.upper(), alt=OTHERWISE.get(text, ()))
    if CIRCLED[0] <= text[0] <= CIRCLED[-1] and _CIRCLES.fullmatch(text):
        return Key("choice", "".join(sorted(set(text) & set(CIRCLED))))
    return None


def _several(text: str) -> Key | None:
    """Several letters, or Roman numerals of statements."""
    if _CHOICES.fullmatch(text):
        letters = _LETTER.findall(text.replace("and", ""))
        joined = "".join(letters)
        if len(joined) == len(text) and joined != "".join(sorted(set(joined))):
            return None  # BDAC is an order, or a name, not a set of letters
        return Key("choice", "".join(sorted(set(letters))))
    if text[0] in "(IVX" and _ROMANS.fullmatch(text):
        return Key("choice", ",".join(sorted(set(re.findall("[IVX]+", text)))))
    return None
