"""One bit of one shard is another: it is noticed where it matters, no vote is ever wrong, and `run --verify` mends it.

Parquet checks the payload of a page. The footer has its seal. What neither covers (the header of a page, the first
four bytes) may be noticed or not; if not, every reader still gets what was written.
"""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from desk import Desk
from store_rows import shards

from solver.errors import StoreError
from solver.store import CorruptShardError, Store

REPLIES = [f"{'because ' * (number % 9)}\\boxed{{{number % 4}}}" for number in range(60)]
ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": str(i % 4), "level": i} for i in range(16)]


class Thrift:
    """As much of the compact protocol as finds the end of a page's header and its field 3, the payload's size."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def struct(self) -> dict[int, int]:
        fields: dict[int, int] = {}
        name = 0
        while (head := self.data[self.at]) != 0:
            self.at += 1
            name = name + (head >> 4) if head >> 4 else self.number() // 2
            kind = head & 15
            if kind == 12:
                self.struct()
            elif kind == 8:
                length = self.number()
                self.at += length
            elif kind not in (1, 2):
                fields[name] = self.number() // 2
        self.at += 1
        return fields


def payloads(path: Path) -> list[tuple[int, int]]:
    """Where the payload of each page begins and ends."""
    data, found = path.read_bytes(), []
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    for chunk in [group.column(number) for group in groups for number in range(group.num_columns)]:
        at = chunk.dictionary_page_offset if chunk.has_dictionary_page else chunk.data_page_offset
        end = at + chunk.total_compressed_size
        while at < end:
            header = Thrift(data, at)
            size = header.struct()[3]
            found.append((header.at, header.at + size))
            at = header.at + size
        assert at == end
    return found


def must_notice(path: Path) -> list[tuple[int, int]]:
    """Where a changed bit may not pass: payloads, the seal and the footer."""
    data = path.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return [*payloads(path), (footer - 24, len(data))]


def tables(run: Path) -> tuple[list[Any], list[Any]]:
    store = Store.read(run)
    samples = sorted(store.samples(), key=lambda sample: sample.key)
    return samples, sorted(store.results(), key=lambda row: row["row"])


def tables_or_damage(run: Path) -> tuple[list[Any], list[Any]] | None:
    try:
        return tables(run)
    except CorruptShardError:
        return None


def flips(run: Path, count: int, chance: random.Random) -> Iterator[tuple[Path, int, int, bool]]:
    """(shard, offset, bit, whether it must be noticed)."""
    places = {path: must_notice(path) for name in ("samples", "results") for path in shards(run, name)}
    for _ in range(count):
        path = chance.choice(list(places))
        at = chance.randrange(path.stat().st_size)
        yield path, at, 1 << chance.randrange(8), any(begin <= at < end for begin, end in places[path])


def flip_and_mend(desk: Desk, pristine: Path, count: int, every: int, seed: int) -> Counter[str]:
    """Flip one bit after the other, each in a fresh copy; every so often let runs mend it."""
    whole, expected = tables(pristine), finished(desk, pristine)
    counts: Counter[str] = Counter()
    for number, (path, at, bit, must) in enumerate(flips(pristine, count, random.Random(seed))):
        shutil.rmtree(desk.out)
        shutil.copytree(pristine, desk.out)
        data = bytearray(path.read_bytes())
        data[at] ^= bit
        (desk.out / path.relative_to(pristine)).write_bytes(data)
        seen = tables_or_damage(desk.out)
        assert seen is None or (seen == whole and not must), f"{path.name}, byte {at}, bit {bit}: not noticed"
        counts.update({"flips": 1, "where it matters": must, "noticed": seen is None})
        if number % every == 0:
            mended(desk, expected)
            counts["mended"] += 1
    return counts


def mended(desk: Desk, expected: tuple[list[Any], list[Any]]) -> None:
    try:
        desk.run()
    except StoreError as told:
        assert "solver run" in str(told) or "To go on" in str(told)
    else:
        assert tables_or_damage(desk.out) in (None, expected)
    desk.run(verify=True)
    assert tables(desk.out) == expected and Store.read(desk.out).finished


def finished(desk: Desk, pristine: Path) -> tuple[list[Any], list[Any]]:
    """The tables as the next run would have left them without damage."""
    shutil.rmtree(desk.out, ignore_errors=True)
    shutil.copytree(pristine, desk.out)
    desk.run()
    return tables(desk.out)


def flip_everywhere(desk: Desk, count: int, every: int, seed: int) -> Counter[str]:
    """Half in a finished run, half in one that grew and has no manifest yet."""
    desk.lay(ROWS[:10], REPLIES)
    for rows, n in ((6, 3), (10, 4)):
        desk.table(ROWS[:rows])
        desk.run(f"sampling.n={n}")
    complete, begun = desk.home / "complete", desk.home / "begun"
    shutil.copytree(desk.out, complete)
    shutil.copytree(desk.out, begun)
    (begun / "manifest.json").unlink()
    counts = flip_and_mend(desk, complete, count // 2, every, seed)
    desk.table(ROWS)
    return counts + flip_and_mend(desk, begun, count - count // 2, every, seed + 1)


def test_fifty_flipped_bits(desk: Desk) -> None:
    counts = flip_everywhere(desk, 50, 10, 1)
    assert counts["flips"] == 50 and counts["noticed"] >= counts["where it matters"] > 30
    assert counts["mended"] == 6


@pytest.mark.soak
def test_five_hundred_flipped_bits(desk: Desk) -> None:
    counts = flip_everywhere(desk, 500, 5, 2)
    print(
        f"\nbit flips: {counts['flips']}, {counts['where it matters']} of them in pages and footers: all noticed "
        f"({counts['noticed']} in all), no wrong vote, {counts['mended']} mended"
    )


@pytest.mark.parametrize("table", ["samples", "results"])
def test_every_byte_of_a_footer_counts_before_there_is_a_manifest(desk: Desk, table: str) -> None:
    desk.lay(ROWS[:2], REPLIES).run()
    (desk.out / "manifest.json").unlink()
    path = shards(desk.out, table)[0]
    data = path.read_bytes()
    for at in range(must_notice(path)[-1][0], len(data), 23):
        path.write_bytes(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :])
        assert tables_or_damage(desk.out) is None, f"byte {at} of {len(data)}"


def test_shards_of_the_first_version_had_no_seal_and_are_read(desk: Desk) -> None:
    desk.lay(ROWS[:3], REPLIES).run()
    before = tables(desk.out)
    for name in ("samples", "results"):
        path = shards(desk.out, name)[0]
        rows = pq.read_table(path)
        kept = {k: v for k, v in (rows.schema.metadata or {}).items() if not k.startswith(b"solver")}
        pq.write_table(rows.replace_schema_metadata(kept or None), path, compression="zstd", write_page_checksum=True)
    (desk.out / "manifest.json").unlink()
    assert tables(desk.out) == before and desk.run().samples == 0
    assert not any("_solver/bad" in note for note in desk.said)
