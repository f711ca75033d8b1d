"""The door of a strict document. In: pydantic holds it to a dataclass, and its complaints become faults in our words.
Out: plain values as they were written.

Between `strict_yaml.py`, which knows where every value stands, and `job.py`, which brings the dataclass.
"""

import json
import os
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from solver.errors import nearest
from solver.redact import redact
from solver.strict_yaml import Document, KeyPath, escape

Schema = TypeVar("Schema")

_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]*[0-9](?:[eE][-+]?[0-9]{1,2})?")


def hold(document: Document, schema: type[Schema]) -> Schema | None:
    """The document as the dataclass `schema` (its `__pydantic_config__` strict), or None: see `Document.found`."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(schema).validate_json(json.dumps(document.value))
    except ValidationError as error:
        for wrong in error.errors(include_url=False, include_input=False):
            path = tuple(map(str, wrong["loc"]))
            if wrong["type"] == "unexpected_keyword_argument":
                document.fault(path, "unknown key", _known(path, schema))
            elif wrong["type"] == "missing":
                document.fault(path, "is missing")
            else:
                limits = {
                    name: f"{limit:g}" if isinstance(limit, float) else limit
                    for name, limit in wrong.get("ctx", {}).items()
                    if name in _LIMITS
                }
                wanted = _WANTED.get(wrong["type"], "something else").format(**limits)
                fix = "" if path in document.unexpanded else _plainly(wrong["type"], document.get(path))
                document.fault(path, f"must be {wanted}, not {document.given(path)}", fix)
    return None


_LIMITS = ("ge", "gt", "le", "max_length", "expected")
_WANTED: Mapping[str, str] = {  # pydantic's error types in our words
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "dataclass_type": "a block of keys",
    "dict_type": "a block of keys",
    "tuple_type": "a list",
    "greater_than_equal": "at least {ge}",
    "greater_than": "above {gt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "text that is not empty",
    "literal_error": "{expected}",
    "too_long": "a list of at most {max_length} items",
}


def _known(path: KeyPath, schema: Any) -> str:
    """The known key nearest to the last of `path`, or the block where that very key is known."""
    for key in path[:-1]:
        schema = get_type_hints(schema)[key]
    blocks = {name: kind for name, kind in get_type_hints(schema).items() if is_dataclass(kind)}
    home = [name for name, kind in blocks.items() if path[-1] in get_type_hints(kind)]
    return f"It belongs in `{home[0]}`" if home else nearest(path[-1], (known.name for known in fields(schema)))


def _plainly(kind: str, value: Any) -> str:
    """How to write what was probably meant, or nothing."""
    if kind == "string_type" and isinstance(value, int | float):
        return f'Write "{str(value).lower() if isinstance(value, bool) else value}" in quotes'
    if isinstance(value, bool) or not _NUMBER.fullmatch(text := str(value).replace("_", "")):
        return ""
    if kind == "float_type":
        return f"Write {float(text):g}"
    return f"Write {float(text):.0f}" if kind == "int_type" and float(text).is_integer() else ""


def refuse_secrets(document: Document, paths: Container[KeyPath]) -> None:
    """Fault every secret that is written out, but for paths: a document is kept beside what it led to."""
    for keys, text in scalars(document.value, ()):
        if not isinstance(text, str) or keys in paths or keys in document.unexpanded:
            continue
        if redact(text) != text:
            fix = "Put it into an environment variable and write ${NAME} here"
            document.fault(keys, "holds a secret, which would be written into the run directory", fix)


def as_written(value: Any, keys: KeyPath, unexpanded: Mapping[KeyPath, str]) -> Any:
    """Plain values as a job file holds them: text that came from the environment is unexpanded again."""
    if keys in unexpanded:
        return unexpanded[keys]
    if isinstance(value, Mapping):
        return {key: as_written(below, (*keys, key), unexpanded) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [as_written(below, (*keys, str(index)), unexpanded) for index, below in enumerate(value)]
    return escape(value) if isinstance(value, str) else value


def relative(text: str, directory: str) -> str:
    """An absolute path from `directory`; what holds a `${VAR}` moves as it stands, anything else is left."""
    if not text.startswith("/"):
        return text
    cut = text.rfind("/", 0, text.index("${")) if "${" in text else len(text)
    path = os.path.relpath(text[:cut] or "/", directory) + text[cut:]
    return path if path in (".", "..") or path.startswith("../") else f"./{path}"


def scalars(value: Any, keys: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    """Every value that is no block and no list with the keys that lead to it; empty ones as `{}` and `[]`."""
    items = (
        value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list | tuple) else None
    )
    if items is None:
        yield keys, value
    elif not value:
        yield keys, "{}" if isinstance(value, Mapping) else "[]"
    else:
        for key, below in items:
            yield from scalars(below, (*keys, str(key)))


SELF_CONSISTENCY = "self-consistency"
_SHORT_RULE = re.compile(r"(fixed|beta|esc|exact)|([A-Za-z][A-Za-z0-9_-]*):([0-9]*\.?[0-9]+)")
_WHOLE = {"esc": "window"}  # rules whose number is not a threshold


def short_strategy(short: str) -> dict[str, Any]:
    """The long form of a strategy in one word, or in a word and a number: `esc`, `beta:0.95`, `refine`."""
    rule = _SHORT_RULE.fullmatch(short)
    if rule is None:
        return {"name": short}
    if rule[1]:
        return {"name": SELF_CONSISTENCY, "stop": {"rule": rule[1]}}
    number = float(rule[3])
    value = int(number) if rule[2] in _WHOLE and number.is_integer() else number
    return {"name": SELF_CONSISTENCY, "stop": {"rule": rule[2], _WHOLE.get(rule[2], "threshold"): value}}
