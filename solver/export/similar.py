"""Texts that are in the data already: exact and near duplicates, and problems of a benchmark.

exact: a response that says what an earlier one of an equal problem says, spaces apart. near: a response like an earlier
one of its problem, by MinHash (Broder 1997) over words in fives. problems: a problem like an earlier one, by MinHash
and locality-sensitive hashing over words in threes. Signs are words there: "12 + 7" is not "12 - 7". A benchmark's
problem is recognized by n words in a row, whatever signs stand between them. A Chinese character is a word.

Memory: exact some 60 bytes a response, problems some 3 KB a problem; the others none to speak of.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from typing import Any

from solver.errors import ExportError, Fault, InputError, MachineError
from solver.export.asked import Asked
from solver.export.groups import Group, Response
from solver.problems import InputSpec

PERMUTATIONS = 128
_WORD = re.compile(r"[^\W\d_\u3400-\u9fff]+|\d+|[\u3400-\u9fff]")
_WORD_OR_SIGN = re.compile(rf"{_WORD.pattern}|[^\w\s]")
Keep = Callable[[Group], Sequence[Response]]


def duplicates(asked: Asked) -> Iterator[tuple[str, Keep]]:
    """The filters asked for. Raises ExportError for benchmarks that cannot be read, MachineError without datasketch."""
    if asked.benchmarks:
        grams = _benchmark_grams(asked)
        name = f"not in a benchmark ({asked.ngram} words in a row)"
        yield name, lambda group: () if grams.intersection(_grams(group.problem, asked.ngram)) else group.responses
    if "problems" in asked.dedupe:
        yield "no near-duplicate problems", _new_problems(asked.similarity)
    if "exact" in asked.dedupe:
        yield "no exact duplicates", _new_texts()
    if "near" in asked.dedupe:
        yield "no near-duplicates", _unlike(asked.similarity)


def _new_texts() -> Keep:
    seen: set[int] = set()

    def keep(group: Group) -> Sequence[Response]:
        kept = []
        for response in group.responses:
            digest = _hash(f"{group.problem}\0{' '.join(response.text.split())}")
            if digest not in seen:
                seen.add(digest)
                kept.append(response)
        return kept

    return keep


def _unlike(similarity: float) -> Keep:
    made = _minhash()

    def keep(group: Group) -> Sequence[Response]:
        kept: list[Response] = []
        marks: list[Any] = []
        for response in group.responses:
            mark = made(response.text, 5)
            if all(mark.jaccard(other) < similarity for other in marks):
                kept.append(response)
                marks.append(mark)
        return kept

    return keep


def _new_problems(similarity: float) -> Keep:
    made = _minhash()
    from datasketch import MinHashLSH

    # What it proposes is compared below, so it may propose too much, and must not overlook what is just similar enough.
    known = MinHashLSH(threshold=min(similarity, 0.9), num_perm=PERMUTATIONS, weights=(0.1, 0.9))
    marks: dict[str, Any] = {}

    def keep(group: Group) -> Sequence[Response]:
        mark = made(group.problem, 3)
        if any(mark.jaccard(marks[name]) >= similarity for name in known.query(mark)):
            return ()
        known.insert(group.row_id, mark)
        marks[group.row_id] = mark
        return group.responses

    return keep


def _minhash() -> Callable[[str, int], Any]:
    """Text and the number of words that go together -> its MinHash."""
    try:
        from datasketch import MinHash
    except ImportError as error:
        raise MachineError(
            "near-duplicates need the package `datasketch`: pip install 'cot-batch-solver[export]'"
        ) from error
    empty = MinHash(num_perm=PERMUTATIONS, hashfunc=zlib.crc32)

    def made(text: str, together: int) -> Any:
        words = _WORD_OR_SIGN.findall(text.lower()) or [text]
        pieces = {" ".join(words[at : at + together]) for at in range(max(1, len(words) - together + 1))}
        mark = empty.copy()
        mark.update_batch([piece.encode() for piece in pieces])
        return mark

    return made


def _grams(text: str, size: int) -> set[int]:
    """Hashes of every `size` words in a row; of all words where there are fewer."""
    words = _WORD.findall(text.lower())
    return {_hash(" ".join(words[at : at + size])) for at in range(max(1, len(words) - size + 1))} if words else set()


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def _benchmark_grams(asked: Asked) -> set[int]:
    """The grams of every benchmark; all faults of all of them at once."""
    grams: set[int] = set()
    faults: list[Fault] = []
    for path in asked.benchmarks:
        try:
            for text in _problems_of(path):
                grams |= _grams(text, asked.ngram)
        except InputError as error:
            faults += (Fault(f"--decontaminate {path}", fault.what, fault.fix) for fault in error.faults)
    if faults:
        raise ExportError(faults)
    return grams


def _problems_of(path: str) -> Iterator[str]:
    """The problem column of any table that `solver run` reads."""
    from solver.problems import open_table
    from solver.problems.surveying import stop_at

    table = open_table(InputSpec(path))
    for _, batch in table.batches(stop_at, [table.problem]):
        yield from (str(cell) for cell in batch.column(table.problem) if cell is not None)
