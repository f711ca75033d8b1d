"""Text -> the same text without secrets. Stands under everything that is said or written down.

A secret is what looks like one (an access token of a hub or a cloud, the password inside a URL) and the value of every
environment variable whose name says so (`HF_TOKEN`, `OPENAI_API_KEY`, ...), also where it is quoted for JSON or a URL.
Values shorter than 8 characters are left: they would blot out ordinary words.

Messages, notes, our log, what is recorded about a run and the error of a failed sample pass through `redact`; the log
that the engine's own processes write is gone over by `redact_file`. Problems and responses are data and stay as they
are.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

REDACTED = "[redacted]"
SHORTEST = 8  # characters of an environment variable's value that count as a secret

_SAYS_SECRET = re.compile(r"TOKEN(?!IZER)|KEY|SECRET|PASSW(?:OR)?D|CREDENTIAL", re.IGNORECASE)
_NAMES_A_PLACE = re.compile(r"_(?:PATH|FILE|DIR|HOME|SOCK|URL)$", re.IGNORECASE)
_PATTERNS = (
    re.compile(r"(?<![A-Za-z0-9])(?P<secret>hf_[A-Za-z0-9]{16,})"),
    re.compile(r"(?<![A-Za-z0-9])(?P<secret>sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,})"),
    re.compile(r"(?<![A-Za-z0-9])(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Za-z0-9])"),
    re.compile(r"(?<![A-Za-z0-9])(?P<secret>gh[pousr]_[A-Za-z0-9]{30,})"),
    re.compile(r"(?P<before>\bBearer )(?P<secret>[A-Za-z0-9._~+/=-]{8,})"),
    re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://[^\s/@:\"'<>`]*:)(?P<secret>[^\s/\"'<>`]+)(?=@)"),
)
_IN_A_URL = _PATTERNS[-1]


def redact(text: str, names: Iterable[str] = ()) -> str:
    """The text with every secret replaced by `[redacted]`.

    names: environment variables whose values are secrets here, whatever they are called.
    """
    return _replace(text, _known(os.environ, names), lambda _: REDACTED)


def redact_file(path: Path, names: Iterable[str] = ()) -> int:
    """Overwrite every secret in a file by as many asterisks, and say how many lines held one.

    No byte moves, so that another process may go on appending to the file meanwhile. Raises OSError.
    """
    known, lines = _known(os.environ, names), 0
    with path.open("rb") as read, path.open("r+b", buffering=0) as write:
        start = 0
        for raw in read:
            text = raw.decode("utf-8", "surrogateescape")
            blotted = _replace(text, known, lambda secret: "*" * len(secret.encode("utf-8", "surrogateescape")))
            if blotted != text:
                os.pwrite(write.fileno(), blotted.encode("utf-8", "surrogateescape"), start)
                lines += 1
            start += len(raw)
    return lines


def _replace(text: str, known: Iterable[str], put: Callable[[str], str]) -> str:
    for value in known:
        if value in text:
            text = text.replace(value, put(value))
    for pattern in _PATTERNS:
        text = pattern.sub(lambda found: found.groupdict().get("before", "") + put(found["secret"]), text)
    return text


def _known(environ: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """Every spelling of the environment's secrets, the longest first, so that none is cut by a part of it."""
    named = set(names)
    spelled = {
        spelling
        for name, value in environ.items()
        for secret in _secrets(value, name in named or _is_secret(name))
        for spelling in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe=""))
    }
    return sorted(spelled, key=len, reverse=True)


def _is_secret(name: str) -> bool:
    return bool(_SAYS_SECRET.search(name)) and not _NAMES_A_PLACE.search(name)


def _secrets(value: str, whole: bool) -> Iterator[str]:
    """What of a variable's value is secret: all of it, line by line too, or the passwords of the URLs in it."""
    parts = [value, *value.splitlines()] if whole else []
    parts += [found["secret"] for found in _IN_A_URL.finditer(value)]
    yield from (part for part in map(str.strip, parts) if len(part) >= SHORTEST)
