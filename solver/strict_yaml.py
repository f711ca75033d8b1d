"""Strict YAML: text and overrides in, one tree out that knows where each value was written.

The ground under `job.py`, which gives the tree its meaning; nothing here knows a key of a job file.

- Plain scalars follow YAML 1.2's core schema: `1e-5` is a number; `no`, `12:30:00` and dates are text.
  Two forms that readers of YAML disagree on stay text, to be refused where a number is wanted: `010` and `1_000`.
- Refused, each with line and column: duplicate keys, keys that are not text, tags beyond the core, a second
  document, surrogates and NUL, numbers beyond 64 bits, and more than 100 aliases, 32 levels or 10,000 values.
- `${VAR}` inside a text value (never a key) becomes the environment variable's text, is never read as YAML and
  is not expanded again; `$${VAR}` stands for a literal `${VAR}`. `Document.unexpanded` keeps what was written.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.reader import ReaderError

from solver.errors import Fault
from solver.redact import redact

KeyPath = tuple[str, ...]
"""Keys from the root down; an item of a list goes by its number as text."""

MAX_BYTES, MAX_ALIASES, MAX_DEPTH, MAX_VALUES = 1 << 20, 100, 32, 10_000

_TAG = "tag:yaml.org,2002:"
_CORE = [  # YAML 1.2 core schema, section 10.3.2, less leading zeros, `.inf` and `.nan`
    (_TAG + "null", re.compile(r"(?:~|null|Null|NULL|)\Z")),
    (_TAG + "bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")),
    (_TAG + "int", re.compile(r"(?:[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+)\Z")),
    (_TAG + "float", re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")),
]
_CONVERT: Mapping[str, Callable[[str], Any]] = {
    _TAG + "null": lambda text: None,
    _TAG + "bool": lambda text: text.lower() == "true",
    _TAG + "int": lambda text: int(text, 0),
    _TAG + "float": float,
    _TAG + "str": str,
}
_VARIABLE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DOLLAR = re.compile(r"\$(?=\{[A-Za-z_][A-Za-z0-9_]*\})")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Place(NamedTuple):
    """Where something was written. `source`: the file as the user named it, or `-o KEY=VALUE`, which has no lines."""

    source: str
    line: int = 0
    column: int = 0

    @property
    def override(self) -> bool:
        """Whether it came from the command line."""
        return self.line == 0

    def __str__(self) -> str:
        return self.source if self.override else f"{self.source}:{self.line}:{self.column}"


@dataclass(slots=True)
class Document:
    """A tree of plain values, the place of each, and what was found wrong on the way.

    value: None when the text could not be read at all; unexpanded: what was written where the environment
    had a part in a value; found: each fault and its place; wrong: the first keys that faults lie under.
    """

    value: Any = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    unexpanded: dict[KeyPath, str] = field(default_factory=dict)
    found: list[tuple[Place, Fault]] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)

    @property
    def faults(self) -> list[Fault]:
        """Everything found so far: the file's in the order of its lines, then the overrides'."""
        return [fault for _, fault in sorted(self.found, key=lambda pair: (pair[0].override, pair[0][1:]))]

    def place(self, path: KeyPath) -> Place:
        """Where the value at `path`, or else the nearest block around it, was written."""
        return next(self.places[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.places)

    def fault(self, path: KeyPath, what: str, fix: str = "") -> None:
        """Note that the value at `path` is wrong. An override speaks for itself; elsewhere the dotted key follows."""
        self.wrong.update(path[:1])
        place = self.place(path)
        bare = not path or (place.override and path in self.places)
        self.note(place, what, fix, key="" if bare else f": {'.'.join(path)}")

    def note(self, place: Place, what: str, fix: str = "", *, key: str = "") -> None:
        """Note that something is wrong at `place`; no control characters and no secrets leave here."""
        self.found.append((place, Fault(*(printable(redact(text)) for text in (f"{place}{key}", what, fix)))))

    def get(self, path: KeyPath) -> Any:
        """The value at `path`, or None where there is none."""
        value = self.value
        for key in path:
            if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                value = value[int(key)]
            else:
                value = value.get(key) if isinstance(value, dict) else None
        return value

    def given(self, path: KeyPath) -> str:
        """The value at `path` in words for a message, as it was written."""
        return f"`{self.unexpanded[path]}`" if path in self.unexpanded else shown(self.get(path))

    def graft(self, path: KeyPath, part: "Document") -> None:
        """Put the whole tree `part` at `path` in place of what was there; blocks on the way are made."""
        place, block = part.place(()), self.value
        self.found += part.found
        if part.found:
            self.wrong.update(path[:1])
        if not path or (part.found and part.value is None):  # it could not be read
            return
        for depth, key in enumerate(path[:-1], 1):
            self.places.setdefault(path[:depth], place)
            if block.get(key) is None:
                block[key] = {}
            block = block[key]
            if not isinstance(block, dict):
                self.wrong.add(path[0])
                return self.note(place, f"`{'.'.join(path[:depth])}` is not a block but {shown(block)}")
        block[path[-1]] = part.value
        self.places = {key: known for key, known in self.places.items() if key[: len(path)] != path} | {path: place}
        self.unexpanded = {key: text for key, text in self.unexpanded.items() if key[: len(path)] != path}
        self.unexpanded |= {path + below: text for below, text in part.unexpanded.items()}


def read_file(path: str | Path, environ: Mapping[str, str]) -> Document:
    """Read a YAML file of at most 1 MiB. Never raises for what is there: see `Document.found`."""
    whole, raw = Document(places={(): Place(str(path), 1, 1)}), b""
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) <= MAX_BYTES:
            return read(raw.decode("utf-8-sig"), str(path), environ)
        whole.note(Place(str(path)), f"is larger than {MAX_BYTES >> 20} MiB", "Is it a job file?")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        place = Place(str(path), before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        whole.note(place, f"the byte 0x{raw[error.start]:02x} is not UTF-8", "Save the file as UTF-8")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        whole.note(Place(str(path)), f"cannot be read: {getattr(error, 'strerror', None) or error}")
    return whole


def read(text: str, source: str, environ: Mapping[str, str], *, lines: bool = True) -> Document:
    """Read one YAML document. Never raises for what the text holds: see `Document.found`.

    source: what faults call the text; environ: for `${VAR}`; lines: whether faults name line and column.
    """
    document = Document(places={(): Place(source, int(lines), int(lines))})
    place, problem = document.place(()), ""
    try:
        node = _Loader(text).get_single_node()
        document.value = None if node is None else _Reading(document, environ, lines).value(node, ())
    except yaml.MarkedYAMLError as error:
        problem = " ".join(part for part in (error.context, error.problem) if part)
        if lines and (mark := error.problem_mark or error.context_mark):
            place = Place(source, mark.line + 1, mark.column + 1)
    except ReaderError as error:
        problem, before = f"the character U+{int(error.character):04X} cannot stand here", text[: error.position]
        if lines:
            place = Place(source, before.count("\n") + 1, error.position - before.rfind("\n"))
    except (ValueError, OverflowError):  # PyYAML converts "\UFFFFFFFF" and the version in %YAML unchecked
        problem = "an escape or a directive names an impossible number"
    if problem:
        document.value = None
        quote = "Inside { } and [ ], ${VAR} stands in quotes" if "${" in text and "flow" in problem else ""
        document.note(place, f"cannot be read as YAML: {problem}", quote)
    return document


def read_override(text: str, environ: Mapping[str, str]) -> tuple[KeyPath, Document]:
    """Read `KEY=VALUE` of the command line: a dotted key, and VALUE read as YAML. No key: see the faults."""
    key, equals, value = text.partition("=")
    path = tuple(word.strip() for word in key.split("."))
    if equals and all(path) and len(path) <= MAX_DEPTH:
        return path, read(value, f"-o {text}", environ, lines=False)
    unread = Document(places={(): Place(f"-o {text}")})
    unread.fault((), "is not of the form KEY=VALUE", "Write, for example, -o sampling.n=8")
    return (), unread


def write(value: Any) -> str:
    """YAML of plain values that `read` and YAML 1.1 readers take alike; keys keep their order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)
    return text


def escape(text: str) -> str:
    """Text that `read` expands to `text` itself, whatever the environment holds."""
    return _DOLLAR.sub("$$", text)


def printable(text: str) -> str:
    """Text with line breaks, control characters and surrogates in their escaped spelling."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shown(value: Any) -> str:
    """A value in words for a message, cut to a readable length."""
    if isinstance(value, dict | list):
        return "a block of keys" if isinstance(value, dict) else f"a list of length {len(value)}"
    if value is None or isinstance(value, bool):
        return "nothing (null)" if value is None else f"`{str(value).lower()}`"
    text = str(value)
    return ("the text" if isinstance(value, str) else "the number") + f" `{text[:60]}{'...' if text[60:] else ''}`"


class _Loader(yaml.SafeLoader):
    """PyYAML's stages up to the node graph; its constructor is never called, so no tag can make an object."""

    yaml_implicit_resolvers = {None: _CORE}  # noqa: RUF012 - PyYAML's own attribute
    _aliases = _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self._aliases += isinstance(event, yaml.AliasEvent)
        if self._aliases > MAX_ALIASES:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_ALIASES} aliases", problem_mark=event.start_mark)
        if self._depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"deeper than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes whatever either YAML 1.1 or the core schema would read as something else than text."""

    yaml_implicit_resolvers = {**yaml.SafeDumper.yaml_implicit_resolvers, None: _CORE}  # noqa: RUF012

    def represent_scalar(self, tag: str, value: str, style: str | None = None) -> yaml.ScalarNode:
        escaped = '"' if not value.isprintable() else style  # the other styles fold U+0085 and line breaks
        return super().represent_scalar(tag, value, escaped)

    def ignore_aliases(self, data: Any) -> bool:
        return True


@dataclass(slots=True)
class _Reading:
    """Node graph -> plain values; places, unexpanded text and faults go to `document`."""

    document: Document
    environ: Mapping[str, str]
    lines: bool
    values: int = 0

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.values += 1
        if self.values > MAX_VALUES or len(path) > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="too many values, or an alias of itself", problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return {key: self.value(below, (*path, key)) for key, below in self._entries(node, path)}
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            paths = [self._note((*path, str(index)), below) for index, below in enumerate(node.value)]
            return [self.value(below, known) for known, below in zip(paths, node.value, strict=True)]
        value = self._scalar(node, path)
        return self._expanded(value, path) if isinstance(value, str) else value

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        convert = _CONVERT.get(node.tag) if isinstance(node, yaml.ScalarNode) else None
        if convert is None:
            self.document.fault(path, f"the tag `{node.tag}` is not allowed")
            return None
        value, usable = None, False
        with suppress(ValueError):  # `!!int text`
            value = convert(node.value)
            usable = not _UNSTORABLE.search(value) if isinstance(value, str) else abs(value or 0) < 2**64
        if not usable:
            self.document.fault(path, f"{shown(node.value)} cannot be used as {node.tag.removeprefix(_TAG)}")
        return value if usable else None

    def _entries(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node]]:
        lines: dict[str, int] = {}
        for key_node, below in node.value:
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TAG + "str" or _UNSTORABLE.search(key):
                self._note((*path, "?"), key_node)
                self.document.fault((*path, "?"), "a key must be plain text", "Put it in quotes if it is meant as text")
                continue
            self._note((*path, key), key_node)
            if key in lines:
                self.document.fault((*path, key), f"the key is given twice, first in line {lines[key]}", "Keep one")
            lines.setdefault(key, key_node.start_mark.line + 1)
            yield key, below

    def _note(self, path: KeyPath, node: yaml.Node) -> KeyPath:
        if self.lines:
            place = Place(self.document.places[()].source, node.start_mark.line + 1, node.start_mark.column + 1)
            self.document.places[path] = place
        return path

    def _expanded(self, text: str, path: KeyPath) -> str:
        names = {name for dollar, name in _VARIABLE.findall(text) if not dollar}
        for name in sorted(names):
            if _UNSTORABLE.search(self.environ.get(name, "\0")):
                state = "does not hold plain text" if name in self.environ else "is not set"
                self.document.fault(path, f"the environment variable `{name}` {state}", f"Or escape it: $${{{name}}}")
        if names:
            self.document.unexpanded[path] = text
        return _VARIABLE.sub(lambda match: match[0][1:] if match[1] else self.environ.get(match[2], match[0]), text)
