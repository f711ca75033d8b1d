"""Values of text formats -> arrow types, conservatively: a type is taken only where no value changes by it.

JSON: a column of one kind keeps it (text, whole numbers, numbers, truth values, lists, objects with a
bounded set of keys). A column of several kinds (`7`, `"1/2"`, `[3]`) becomes text: strings as they are,
everything else as its JSON. Whole numbers beyond 64 bits, and mixes of fractions with whole numbers
beyond 2^53, become text too, digit for digit.

csv: a column is whole numbers or numbers only if every cell is spelled just as Python writes that number
(`7`, `-12`, `0.5`; not `007`, `1.50`, `1e3`, `+1`, a mix of `1` and `1.5`); `true` and dates stay text.
An empty cell is null.
"""

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

_MOST_KEYS = 200  # objects with more distinct keys are maps in disguise: their column is kept as JSON text


@dataclass(frozen=True, slots=True)
class Shape:
    """What the values of a JSON column have in common. kind: null, bool, int, wide (beyond 2^53), float,
    text, list (of `item`), struct (of `fields`), various (nothing: kept as text)."""

    kind: str
    item: "Shape | None" = None
    fields: dict[str, "Shape"] = field(default_factory=dict)


NULL, BOOL, INT, WIDE, FLOAT, TEXT, VARIOUS = map(Shape, ("null", "bool", "int", "wide", "float", "text", "various"))
_OF_TYPE = {str: TEXT, type(None): NULL, bool: BOOL, float: FLOAT}
_SCALARS = {
    "null": pa.string(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "wide": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
    "various": pa.string(),
}


def shape_of(value: Any) -> Shape:
    """The shape of one JSON value."""
    if isinstance(value, int) and not isinstance(value, bool):
        return INT if abs(value) <= 2**53 else WIDE if -(2**63) <= value < 2**63 else VARIOUS
    if isinstance(value, list):
        item = NULL
        for element in value:
            item = merge(item, shape_of(element))
        return VARIOUS if item is VARIOUS else Shape("list", item)
    if not isinstance(value, dict):
        return _OF_TYPE[type(value)]
    fields = {key: shape_of(element) for key, element in value.items()}
    return VARIOUS if VARIOUS in fields.values() or not fields else Shape("struct", fields=fields)


def merge(a: Shape, b: Shape) -> Shape:
    """The narrowest shape that both fit unchanged; `VARIOUS` when there is none, at any depth."""
    if a is b or NULL in (a, b):
        return b if a is NULL else a
    if {a.kind, b.kind} in ({"int", "float"}, {"int", "wide"}):
        return b if a is INT else a
    if a.item and b.item:
        item = merge(a.item, b.item)
        return VARIOUS if item is VARIOUS else Shape("list", item)
    if a.kind == b.kind == "struct":
        fields = a.fields | {key: merge(a.fields.get(key, NULL), shape) for key, shape in b.fields.items()}
        return VARIOUS if VARIOUS in fields.values() or len(fields) > _MOST_KEYS else Shape("struct", fields=fields)
    return VARIOUS


def arrow_type(shape: Shape) -> pa.DataType:
    """The arrow type of a column of this shape; a column of nulls is text."""
    if shape.item:
        return pa.list_(arrow_type(shape.item))
    if shape.kind == "struct":
        return pa.struct([(key, arrow_type(field)) for key, field in shape.fields.items()])
    return _SCALARS[shape.kind]


def as_text(value: Any) -> str | None:
    """A value of a column of several kinds: text as it is, null as null, all else as JSON."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


_WHOLE = re.compile(r"(?:0|-?[1-9]\d{0,17})\Z", re.ASCII)


def cell_kind(cell: str) -> str:
    """What one csv cell can be without changing its spelling: null, int, float or text."""
    if not cell:
        return "null"
    if _WHOLE.match(cell):
        return "int"
    try:
        number = float(cell)
    except ValueError:
        return "text"
    return "float" if math.isfinite(number) and repr(number) == cell else "text"


def merge_kinds(a: str, b: str) -> str:
    """The csv type that both kinds fit."""
    if a in ("null", b):
        return b
    return a if b == "null" else "text"


def read_cell(cell: str, kind: str) -> Any:
    """A csv cell as a Python value of its column's kind; empty is None."""
    if not cell:
        return None
    return int(cell) if kind == "int" else float(cell) if kind == "float" else cell


def kind_type(kind: str) -> pa.DataType:
    """The arrow type of a csv column of this kind."""
    return _SCALARS[kind]


_SHORT = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}


def plain(kind: pa.DataType) -> pa.DataType:
    """A parquet column's type without its encoding: text is `string`, dictionaries and extensions are what they
    hold. Shards that differ only in these are one table."""
    if isinstance(kind, pa.BaseExtensionType):
        return plain(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if kind in _SHORT:
        return _SHORT[kind]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(plain(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([(kind.field(i).name, plain(kind.field(i).type)) for i in range(kind.num_fields)])
    return kind
