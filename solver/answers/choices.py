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
_CHOICES = re.compile(r"\(?[A-H]\)?(?:\s*(?:,|;|and|&|和|与)\s*\(?[A-H]\)?)+|[A-H]{2,8}")
_LABEL = re.compile(r"(?<![A-Za-z\\])[(\[]?([A-H])[)\].](?=\s*[^\s,;)]|$)")
_CIRCLES = re.compile(rf"[{CIRCLED}](?:\s*(?:,|;|and|和|与)?\s*[{CIRCLED}])*")
_LETTER = re.compile(r"[A-H]")


def choice(text: str) -> Key | None:
    """The key of a normal text that names options, else None."""
    if text[0] in "([" or text[1:2] in ").]: ":  # a label with its option text, or several of them
        labels = _LABEL.findall(text)
        if len(labels) > 1 and _LABEL.match(text):
            return Key("choice", "".join(sorted(set(labels))))
    if match := _CHOICE.fullmatch(text):
        letter = next(group for group in match.groups() if group)
        return Key("choice", letter.upper(), alt=(EVERYTHING,) if text == "R" else ())
    if CIRCLED[0] <= text[0] <= CIRCLED[-1] and _CIRCLES.fullmatch(text):
        return Key("choice", "".join(sorted(set(text) & set(CIRCLED))))
    if _CHOICES.fullmatch(text):
        letters = _LETTER.findall(text)
        joined = "".join(letters)
        if joined.isupper() and len(joined) == len(text) and joined != "".join(sorted(set(joined))):
            return None  # BDAC is an order, or a name, not a set of letters
        return Key("choice", "".join(sorted(set(letters))))
    return None
