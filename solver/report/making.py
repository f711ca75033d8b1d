"""A run directory -> its report, published whole or not at all."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from jinja2 import Environment, PackageLoader, StrictUndefined

from solver import __version__
from solver.errors import StoreError
from solver.report import words
from solver.report.figures import figures
from solver.report.listing import FLAGS, listing
from solver.report.packing import PROBLEMS, Packed, in_script, pack
from solver.report.samples import texts
from solver.statistics import stats
from solver.statistics.reading import read
from solver.store import Store
from solver.store.publish import publish

MAX_MB, CUT = 30.0, 2000
_ROW_BYTES = 350  # of a row, about: how many are worth reading for a budget
_SHELL = 150_000  # bytes of the page without its data, at most
_RATIO = 8  # text that may be worth reading for each byte of the budget: compression and base64 never give more


@dataclass(frozen=True, slots=True)
class Written:
    """What was written. size: bytes; problems: of the run; listed: in the table; cut: characters of a sample or 0."""

    path: Path
    size: int
    problems: int
    listed: int
    samples: int
    cut: int
    asked_cut: int

    def lines(self) -> list[str]:
        """The same for human eyes, with what was dropped."""
        out = [f"{self.path}: {self.size / 1e6:.1f} MB, {self.listed:,} problems, {self.samples:,} samples"]
        return out + dropped(self.problems, self.listed, self.cut, self.asked_cut)


def dropped(problems: int, listed: int, cut: int, asked: int) -> list[str]:
    """What the size budget left out, a sentence each."""
    out = []
    if listed < problems:
        out.append(f"The table holds the first {listed:,} of {problems:,} problems, to keep within the size asked for.")
    if not cut:
        out.append("Samples are left out, to keep within the size asked for.")
    elif cut < asked:
        out.append(f"Samples are cut to {cut:,} characters instead of {asked:,}, to keep within the size asked for.")
    return out


def write_report(
    run: Store | str | Path,
    *,
    out: Path | None = None,
    price: float | None = None,
    max_mb: float = MAX_MB,
    cut: int = CUT,
) -> Written:
    """Write the report of a run directory, finished or not; the run itself is only read.

    out: the file, `report.html` in the run directory by default; price: of a GPU for an hour; max_mb: size of the
    file at most, in millions of bytes; cut: characters of a sample, at most.
    Raises StoreError where it is no run directory, is damaged, or `out` is in the way of its files; DiskFullError,
    MachineError. An older report stays whole until the new one is.
    """
    if isinstance(run, Store):
        return _write(run, out, price, max_mb, cut)
    with Store.read(Path(run)) as store:
        return _write(store, out, price, max_mb, cut)


def _write(store: Store, out: Path | None, price: float | None, max_mb: float, cut: int) -> Written:
    target, tmp = _place(store, out)
    budget = max(0, int(max_mb * 1e6) - _SHELL)
    listed = listing(store, budget // 2 // _ROW_BYTES)
    found = len(listed.wanted)
    length = min(cut, max(160, _RATIO * budget // max(found, 1)))
    shown = texts(store, listed.wanted, length)
    packed = pack(listed, shown, budget, length)
    page = _page(store, packed, listed.total, price, cut)
    size = publish(target, tmp, lambda file: _put(file, page), replace=True)
    kept = sum(part.sample in shown for one in listed.opened[: packed.listed] for part in one.parts)
    told = min(packed.length, cut)
    return Written(target, size, listed.total, packed.listed, kept if told else 0, told, cut)


def _place(store: Store, out: Path | None) -> tuple[Path, Path]:
    """The file, and where it is made: beside it, or among the run's own temporaries, which its next owner clears."""
    home = store.path.resolve()
    target = home / "report.html" if out is None else out.resolve()
    if target.is_dir():
        raise StoreError(f"{target} is a folder; name a file with --out")
    inside = target.is_relative_to(home)
    if inside and (target.parent != home or target.suffix not in (".html", ".htm")):
        raise StoreError(f"{target} is among the run's own files; write the report to a .html file beside them")
    return target, home / "_solver" / "tmp" if inside else target.parent


def _put(file: BinaryIO, page: Iterator[str]) -> int:
    return sum(file.write(piece.encode("utf-8", "replace")) for piece in page)


def _page(store: Store, packed: Packed, total: int, price: float | None, cut: int) -> Iterator[str]:
    loader = PackageLoader("solver", "report")
    room = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    style, script = _source("report.css"), _source("mathematics.js") + _source("report.js")
    told, summary = stats(store, price=price), store.summary
    facts = {"flags": FLAGS, "page": PROBLEMS, "run": store.path.name, "total": total}
    context: dict[str, Any] = {
        "name": told.name,
        "model": (summary or {}).get("model"),
        "finished": store.finished,
        "version": __version__,
        "numbers": words.numbers(told),
        "notes": words.notes(told),
        "figures": figures(told, read(store)),
        "engine": words.engine(told, summary),
        "lengths": words.lengths(told),
        "overthinking": words.overthinking(told),
        "dropped": dropped(total, packed.listed, min(packed.length, cut), cut),
        "cut": min(packed.length, cut),
        "rows": packed.rows,
        "facts": in_script(facts),
        "blocks": packed.blocks,
        "style": style,
        "script": script,
        "style_hash": _hash(style),
        "script_hash": _hash(script),
    }
    return room.get_template("report.html.jinja").generate(context)


def _source(name: str) -> str:
    return (Path(__file__).parent / name).read_text("utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
