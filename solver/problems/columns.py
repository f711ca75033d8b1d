"""Which column is the problem, the answer, the id: by the job's word, else by the common names.

Between `tables.py`, which knows the schema, and the notes and faults that a user reads.
"""

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

import pyarrow as pa

from solver.errors import Fault
from solver.problems.files import InputSpec, name_list

COMMON = {
    "problem": ("problem", "question", "prompt"),
    "answer": ("answer", "expected_answer", "final_answer", "gold"),
    "id": ("id", "uuid", "problem_id"),
}
"""Names that are found by themselves, first come first served; upper and lower case are one."""


@dataclass(frozen=True, slots=True)
class Roles:
    """Column names; None where the input has none."""

    problem: str
    answer: str | None = None
    id: str | None = None


def choose_columns(
    spec: InputSpec, schema: pa.Schema, faults: list[Fault], notes: list[str], *, spelled: bool = False
) -> Roles | None:
    """The three roles. What is missing or unusable goes to `faults`, what nobody named but was found to `notes`.

    spelled: every value is text on disk (csv), so that a column the job names can be used whatever its type.
    """
    chosen = {
        role: _named(role, name, schema, faults, spelled) if name is not None else _common(role, schema, faults, notes)
        for role, name in (("problem", spec.problem), ("answer", spec.answer), ("id", spec.id))
        if role not in spec.without
    }
    problem = chosen["problem"]
    return None if problem is None else Roles(problem, chosen.get("answer"), chosen.get("id"))


def _named(role: str, name: str, schema: pa.Schema, faults: list[Fault], spelled: bool) -> str | None:
    """The column that the job names, if it is there and can be used."""
    where = f"input.columns.{role}"
    if name not in schema.names:
        what = f"no column `{name}`; found {name_list(schema.names)}"
        faults.append(Fault(where, what, _suggest(role, name, schema)))
    elif not (spelled or _USABLE[role](schema.field(name).type)):
        faults.append(Fault(where, _unusable(role, name, schema), "Name another column"))
    else:
        return name
    return None


def _common(role: str, schema: pa.Schema, faults: list[Fault], notes: list[str]) -> str | None:
    """The first column with a common name and a usable type; a fault only when there is no problem at all."""
    there: list[str] = [column for name in COMMON[role] for column in schema.names if column.lower() == name]
    usable = [column for column in there if _USABLE[role](schema.field(column).type)]
    if usable:
        rest = [column for column in there if column != usable[0]]
        also = f"; {name_list(rest)} {'is' if len(rest) == 1 else 'are'} there too, not used for it" if rest else ""
        notes.append(f"{role} = column `{usable[0]}` (found by its name{also})")
        return usable[0]
    if there and role != "problem":
        notes.append(f"{_unusable(role, there[0], schema)}: not used for it")
    elif there:
        faults.append(Fault("input.columns.problem", _unusable(role, there[0], schema), _suggest(role, "", schema)))
    elif role == "problem":
        known = name_list(COMMON[role][:-1]) + f" or `{COMMON[role][-1]}`"
        what = f"no column is named {known}; found {name_list(schema.names)}"
        faults.append(Fault("input.columns.problem", what, _suggest(role, "", schema)))
    return None


def _suggest(role: str, name: str, schema: pa.Schema) -> str:
    """What to write instead: a common name that is there, else the nearest one, else a column of text."""
    usable = [column for column in schema.names if _USABLE[role](schema.field(column).type)]
    common = [column for word in COMMON[role] for column in usable if column.lower() == word]
    near = get_close_matches(name, usable, n=1, cutoff=0.75)
    taken = {word for other, words in COMMON.items() if other != role for word in words}
    texts = [name for name in usable if name.lower() not in taken and pa.types.is_string(schema.field(name).type)]
    best = [*(near or common), *(texts if role == "problem" else [])]
    otherwise = f"Set input.columns.{role} to the right column" + ("" if role == "problem" else ", or leave it out")
    return f"Set input.columns.{role}: {best[0]}" if best else otherwise


def _unusable(role: str, name: str, schema: pa.Schema) -> str:
    wants = {
        "problem": "a problem is text or a list of chat messages with `role` and `content`",
        "answer": "an answer is text or a number",
        "id": "an id is text or a whole number",
    }
    return f"column `{name}` is {schema.field(name).type}, but {wants[role]}"


def _is_problem(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) and pa.types.is_struct(kind.value_type):
        parts = {part.name: part.type for part in kind.value_type}
        return all(_is_text(parts.get(name, pa.int64())) for name in ("role", "content"))
    return _is_text(kind)


def _is_answer(kind: pa.DataType) -> bool:
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return _is_text(kind) or number or pa.types.is_boolean(kind)


def _is_id(kind: pa.DataType) -> bool:
    return _is_text(kind) or pa.types.is_integer(kind)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_null(kind))


_USABLE: dict[str, Callable[[pa.DataType], bool]] = {"problem": _is_problem, "answer": _is_answer, "id": _is_id}
