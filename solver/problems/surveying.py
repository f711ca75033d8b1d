"""The survey: the owner's one pass over every row, before anyone slices the input.

Third station of the input room: Table -> Survey. It reads all columns, so that what is damaged is found now and
not hours into a run; what it holds is 24 bytes a row.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from solver.errors import Fault, InputError, nearest
from solver.problems.asked import BLANK, Asked, all_told, read_problems
from solver.problems.files import BadFileError, name_list, refuse
from solver.problems.identity import Survey, carried_hashes, content_hashes, occurrences, repeat_id, standing_twice
from solver.problems.tables import Batch, Table

_FAULTY_SHARE = 0.05  # more rows than this that cannot be asked: the wrong column, most likely
_MOST_SUSPECTS = 1000


def survey(table: Table, reads: Sequence[str]) -> Survey:
    """One pass over every row and column: hash what `reads` names, count, look for what would fail later.

    reads: "problem" is the problem column, other names are columns as they are. Adds to `table.notes`: blank rows,
    repeated problems, missing ids. Raises InputError with all of: unknown names, damaged data, repeated ids, more
    than 5% of rows that cannot be asked. Memory: 24 bytes a row, 8 more while the pass runs if there are ids.
    """
    faults: list[Fault] = []
    seen = count(table, reads, faults)
    if faults or seen is None:
        raise refuse(faults)
    return seen


def count(table: Table, reads: Sequence[str], faults: list[Fault]) -> Survey | None:
    """`survey` for whoever collects: faults go to the list, and with any of its own there is no survey."""
    before = len(faults)
    columns = columns_read(table, reads, faults)
    while True:
        tally = _Tally(table, columns)
        try:
            for first, batch in table.batches(faults.append):
                tally.add(first, batch)
            break
        except BadFileError as bad:  # only where the job says to leave such files out
            table.leave_out(bad.file, bad.faults[0])
    faults += _repeated_ids(table, tally.id_hashes)
    tally.id_hashes = bytearray()  # frees 8 bytes a row before the sort below takes as much
    faults += _too_many(table, tally)
    if not tally.rows and len(faults) == before:
        unread = [fault for _, fault in table.left_out]
        faults += unread or [Fault("input.path", f"0 rows matched `{table.spec.path}`")]
    return _stamped(table, reads, tally) if len(faults) == before else None


def _stamped(table: Table, reads: Sequence[str], tally: "_Tally") -> Survey:
    """The identities of all rows, once nothing is wrong with them."""
    ids = np.frombuffer(tally.contents, dtype="S16")
    repeated, numbers = occurrences(ids)
    for row, number in zip(repeated.tolist(), numbers.tolist(), strict=True):
        ids[row] = repeat_id(bytes(ids[row]).ljust(16, b"\0"), number)
    _say(table, tally, repeated.tolist())
    carried = np.frombuffer(tally.carried, dtype=np.uint64)
    return Survey(tuple(reads), tally.rows, tally.faulty, carried, ids, repeated, numbers)


def columns_read(table: Table, reads: Sequence[str], faults: list[Fault]) -> dict[str, str]:
    """name in the template -> column of the table; unknown names go to `faults`."""
    known = {"problem": table.problem} | {name: name for name in table.schema.names if name != "problem"}
    for name in reads:
        if name not in known:
            what = f"the template reads `{name}`, which is no column; found {name_list(table.schema.names)}"
            faults.append(Fault("prompt.template", what, nearest(name, known)))
    return {name: known[name] for name in reads if name in known}


def columns_asked(table: Table, columns: Mapping[str, str], batch: Batch) -> tuple[list[Asked], dict[str, list[Any]]]:
    """For every row of a batch its problem, and the columns of values that the template reads."""
    asked = read_problems(batch.column(table.problem))
    read = {
        name: [cell.value for cell in asked] if column == table.problem else batch.column(column)
        for name, column in columns.items()
    }
    return asked, read


def references_of(table: Table, batch: Batch) -> list[str | None]:
    """The reference answer of every row of a batch."""
    from solver.answers import reference

    if not table.answer:
        return [None] * len(batch)
    gold = table.passed_on(table.answer, batch.column(table.answer))
    if not all_told(gold):
        gold = list(map(answer_text, gold))
    return [None if text is None else reference(text) for text in gold]


def others_of(table: Table, batch: Batch) -> dict[str, list[Any]]:
    """The columns of a batch that pass through to the results."""
    return {name: table.passed_on(name, batch.column(name)) for name in table.schema_other.names}


def ids_of(table: Table, batch: Batch) -> list[str]:
    """The user's id of every row of a batch, "" where there is none."""
    if not table.id:
        return [""] * len(batch)
    names = batch.column(table.id)
    return names if all_told(names) else list(map(id_text, names))


def answer_text(answer: Any) -> str | None:
    """A gold cell as text. pandas turns whole numbers beside nulls into 7.0 and nan: those are "7" and None."""
    if isinstance(answer, float):
        return None if math.isnan(answer) else str(int(answer)) if answer.is_integer() else str(answer)
    return None if answer is None else str(answer)


def id_text(name: Any) -> str:
    """The user's id as text, "" where there is none."""
    text = "" if name is None else str(name)
    return text if text.strip() else ""


def _id_hash(name: str) -> int:
    """64 bits that hold within this process alone, like the search for what stands twice."""
    return hash(name) % 2**64


@dataclass(slots=True)
class _Tally:
    """What the survey's pass has counted so far."""

    table: Table
    columns: Mapping[str, str]
    contents: bytearray = field(default_factory=bytearray)
    carried: bytearray = field(default_factory=bytearray)
    id_hashes: bytearray = field(default_factory=bytearray)
    rows: int = 0
    nameless: int = 0
    faulty: int = 0
    kinds: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def add(self, first: int, batch: Batch) -> None:
        """Hash and count one batch."""
        asked, read = columns_asked(self.table, self.columns, batch)
        self.contents += content_hashes(read, len(batch))
        for row, cell in enumerate(asked, first):
            if cell.fault:
                self._fault(row, cell.fault)
        names, others = ids_of(self.table, batch), others_of(self.table, batch)
        self.carried += carried_hashes(names, references_of(self.table, batch), others, len(batch))
        if self.table.id:
            named = list(filter(None, names))
            self.id_hashes += np.fromiter(map(_id_hash, named), np.uint64, len(named)).tobytes()
            self.nameless += len(names) - len(named)
        self.rows += len(batch)

    def _fault(self, row: int, fault: str) -> None:
        """Count a row that cannot be asked; keep the first five of each of two sorts, blank and malformed."""
        self.faulty += 1
        blank = fault == BLANK
        count, shown = self.kinds.get("blank" if blank else "malformed", (0, []))
        if len(shown) < 5:
            shown.append(str(row) if blank else f"{row} ({fault})")
        self.kinds["blank" if blank else "malformed"] = (count + 1, shown)


def stop_at(fault: Fault) -> None:
    """A report that raises: for passes over what was already found good."""
    raise InputError([fault])


def _repeated_ids(table: Table, id_hashes: bytearray) -> list[Fault]:
    """A fault that lists five of the user's ids that stand more than once, from a second pass if hashes do."""
    suspects = set(standing_twice(np.frombuffer(id_hashes, dtype=np.uint64))[:_MOST_SUSPECTS].tolist())
    if not suspects or not table.id:
        return []
    found: dict[str, list[int]] = {}
    for first, batch in table.batches(stop_at, [table.id]):
        for row, name in enumerate(map(id_text, batch.column(table.id)), first):
            if name and _id_hash(name) in suspects:
                found.setdefault(name, []).append(row)
    twice = {name: rows for name, rows in found.items() if len(rows) > 1}
    if not twice:
        return []
    shown = "; ".join(f"`{name}` in rows {_some(rows)}" for name, rows in list(twice.items())[:5])
    most = "at least " if len(suspects) == _MOST_SUSPECTS else ""
    fix = "Make them unique, set input.columns.id to a column that is, or to null: ids are made then"
    ids, stand = ("1 id", "stands") if len(twice) == 1 else (f"{len(twice)} ids", "stand")
    what = f"{most}{ids} of column `{table.id}` {stand} more than once: {shown}"
    return [Fault("input.columns.id", what, fix)]


def _some(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows[:3])) + (", ..." if len(rows) > 3 else "")


def _too_many(table: Table, tally: _Tally) -> list[Fault]:
    """A fault when more rows than allowed cannot be asked."""
    if table.spec.keep_bad or tally.faulty <= _FAULTY_SHARE * tally.rows:
        return []
    shown = "; ".join(_rows_note(kind, *told) for kind, told in tally.kinds.items())
    what = f"{tally.faulty} of {tally.rows} problems in column `{table.problem}` cannot be asked (5% may): {shown}"
    return [Fault("input", what, "Is it the right column? If so, take these rows out, or set input.on_bad_row: keep")]


def _say(table: Table, tally: _Tally, repeated: Sequence[int]) -> None:
    """What the survey found that does not stop a run."""
    if table.left_out:
        files = "1 file is" if len(table.left_out) == 1 else f"{len(table.left_out)} files are"
        shown = "; ".join(str(fault) for _, fault in table.left_out[:5]) + ("; ..." if table.left_out[5:] else "")
        table.say(f"{files} left out, as input.on_bad_file says: {shown}")
    for kind, told in tally.kinds.items():
        table.say(f"{_rows_note(kind, *told)} (written as failed rows)")
    if repeated:
        rows = "1 row repeats" if len(repeated) == 1 else f"{len(repeated)} rows repeat"
        shown = ", ".join(map(str, repeated[:5])) + (", ..." if repeated[5:] else "")
        table.say(f"{rows} an earlier problem: row{'s'[: len(repeated) - 1]} {shown} (each is asked as its own)")
    if tally.nameless:
        rows = "1 row has" if tally.nameless == 1 else f"{tally.nameless} rows have"
        table.say(f"{rows} no id in column `{table.id}`: one is made")


def _rows_note(kind: str, count: int, shown: Sequence[str]) -> str:
    more = ", ..." if count > len(shown) else ""
    one = count == 1
    return f"{count} {kind} problem{'' if one else 's'}: row{'' if one else 's'} {', '.join(shown)}{more}"
