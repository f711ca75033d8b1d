"""Text files -> rows: jsonl and csv, plain or gzip, one line in memory at a time.

A reader yields `(bytes read, row)` and says what is wrong through `report(fault)`: whoever scans collects
the faults and reads on, whoever streams raises at the first. Bytes that are not UTF-8 are never
replaced silently, and one row never takes more than `ROW_CAP` bytes.
"""

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Any

from solver.errors import Fault
from solver.problems import files

Report = Callable[[Fault], None]
Row = dict[str, Any]


def lines(path: Path, report: Report) -> Iterator[tuple[int, str]]:
    """Lines of a UTF-8 file with their numbers, from 1; a byte order mark is dropped.

    Reports: unreadable file, broken gzip, a line beyond `ROW_CAP`, bytes that are not UTF-8.
    """
    offset = number = 0
    try:
        with _open(path) as file:
            while raw := file.readline(files.ROW_CAP + 1):
                number += 1
                if len(raw) > files.ROW_CAP:
                    report(_fault(path, number, f"the line is longer than {_cap()}", "Is this one row a line?"))
                    return
                yield number, _decode(path, number, offset, raw, report)
                offset += len(raw)
    except (OSError, EOFError, zlib.error) as error:
        report(Fault(str(path), f"cannot be read: {error}"))


def json_rows(path: Path, report: Report) -> Iterator[tuple[int, Row]]:
    """Rows of a file with one JSON object a line; blank lines are passed over.

    Reports what `lines` does, and lines that are not one JSON object, or hold half a surrogate pair.
    """
    for number, line in lines(path, report):
        if not (stripped := line.strip()):
            continue
        try:
            row = json.loads(stripped)
        except (ValueError, RecursionError) as error:
            report(_bad_line(path, number, line, error))
            if number == 1 and stripped in ("[", "{"):
                return
            continue
        if not isinstance(row, dict):
            report(_bad_line(path, number, line, None))
        elif ("\\ud" in line or "\\uD" in line) and _half_pair(row):
            report(_fault(path, number, "a string holds half of a surrogate pair (\\ud800 to \\udfff alone)"))
        else:
            yield len(line), row


def csv_rows(path: Path, report: Report) -> Iterator[tuple[int, list[str]]]:
    """The column names, then the cells of every record as they are spelled; nothing from an empty file.

    Reports what `lines` does, open quotes, a name that stands twice, and records of another width than the header.
    """
    width = None
    for number, cells in _records(path, report):
        if width is None:
            width = len(cells)
            yield 0, _names(path, cells, report)
        elif len(cells) != width:
            report(_fault(path, number, f"{len(cells)} cells, but the header has {width}", "Is a comma not quoted?"))
        else:
            yield sum(map(len, cells)), cells


def _records(path: Path, report: Report) -> Iterator[tuple[int, list[str]]]:
    """csv records with the line each ends on, blank ones left out."""
    reader = csv.reader((line for _, line in lines(path, report)), strict=True)
    while True:
        usual = csv.field_size_limit(files.ROW_CAP)  # process-wide, so only held while this record is read
        try:
            cells = next(reader, None)
        except csv.Error as error:
            what = f"a cell is longer than {_cap()}" if "field limit" in str(error) else str(error)
            report(_fault(path, reader.line_num, f"not valid csv: {what}", "Is a quote left open before it?"))
            return
        finally:
            csv.field_size_limit(usual)
        if cells is None:
            return
        if cells:
            yield reader.line_num, cells


def _names(path: Path, cells: list[str], report: Report) -> list[str]:
    """Column names as pandas gives them: a nameless column is named by its place."""
    names = [cell or f"Unnamed: {place}" for place, cell in enumerate(cells)]
    for twice in sorted({name for name in names if names.count(name) > 1}):
        report(_fault(path, 1, f"column `{twice}` stands twice in the header", "Rename one of them"))
    return names


def _open(path: Path) -> gzip.GzipFile | BufferedReader:
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")


def _decode(path: Path, number: int, offset: int, raw: bytes, report: Report) -> str:
    """A line as text. After a report the line goes on with replacements, so that a scan finds the next fault."""
    if number == 1:
        raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        what = f"byte 0x{raw[error.start]:02x} at offset {offset + error.start} of the file is not UTF-8"
        report(_fault(path, number, what, "Convert the file: iconv -f ENCODING -t UTF-8"))
        return raw.decode(errors="replace")


def _bad_line(path: Path, number: int, line: str, error: Exception | None) -> Fault:
    start = line.lstrip()[:1]
    if number == 1 and (start == "[" or line.strip() == "{"):
        fix = f"Write one object a line: jq -c '.[]' {path.name} > {path.name.split('.')[0]}.jsonl"
        return _fault(path, number, "not JSON lines: the file is one JSON document", fix)
    if error is None:
        return _fault(path, number, "not a JSON object", 'A row is {"problem": "...", ...}')
    if isinstance(error, json.JSONDecodeError):
        return _fault(path, number, f"not valid JSON: {error.msg} at column {error.colno}")
    return _fault(path, number, f"not readable JSON: {error}")


def _half_pair(row: Row) -> bool:
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _cap() -> str:
    return f"{files.ROW_CAP / 2**20:g} MiB"


def _fault(path: Path, number: int, what: str, fix: str = "") -> Fault:
    return Fault(f"{path}, line {number}", what, fix)
