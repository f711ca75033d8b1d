"""Files that are small on disk and huge in memory: read within bounds, or refused before they are unpacked."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from solver.problems.pages import unpacked_pages

READER = """
import sys
from solver.errors import InputError
from solver.problems import InputSpec, open_table, survey
def grown():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024
def read(path):
    return survey(open_table(InputSpec(path)), ("problem",)).rows
read(sys.argv[1])
start = grown()
try:
    said = read(sys.argv[2])
except InputError as error:
    said = error
print(grown() - start, said)
"""


def bomb(path: Path, cells: pa.Array) -> Path:
    pq.write_table(
        pa.table({"problem": cells}), path, compression="zstd", write_statistics=False, dictionary_pagesize_limit=2**22
    )
    return path


def read_apart(folder: Path, path: Path) -> tuple[int, str]:
    """MB that a process grows by reading the file, and what it says: the rows, or why not."""
    plain = folder / "plain.jsonl"
    plain.write_text('{"problem": "p"}\n')
    command = [sys.executable, "-c", READER, str(plain), str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    grown, _, said = told.stdout.strip().partition(" ")
    return int(grown), said


def test_one_text_that_many_rows_repeat_is_unpacked_a_few_times_at_once(tmp_path: Path) -> None:
    """400 MB from half a kilobyte, under a footer that speaks of 1 MB; read in one piece it takes 1,200."""
    path = bomb(tmp_path / "x.parquet", pa.array(["y" * 2**20] * 400))
    assert path.stat().st_size < 2000
    assert pq.read_metadata(path).row_group(0).total_byte_size < 2**21
    grown, said = read_apart(tmp_path, path)
    assert said == "400" and grown < 900


def test_a_page_that_unpacks_to_more_than_any_row_may_take_is_not_unpacked(tmp_path: Path) -> None:
    """16 KB on disk took a gigabyte before the row in it was found too large."""
    path = bomb(tmp_path / "x.parquet", pa.array(["x" * (300 * 2**20)]))
    assert path.stat().st_size < 2**17
    grown, said = read_apart(tmp_path, path)
    assert grown < 100
    fix = "Write the file again with smaller pages; one row may take 64 MiB"
    assert said == f"{path}: a page unpacks to 300 MiB; 128 MiB may be. {fix}"


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_the_page_headers_of_ordinary_files_are_understood(tmp_path: Path, version: str, compression: str) -> None:
    text = [f"problem {number} " * 9 for number in range(20_000)]
    table = pa.table(
        {"t": text, "same": ["z" * 1000] * 20_000, "n": range(20_000), "l": [[i, None] for i in range(20_000)]}
    )
    path = tmp_path / "x.parquet"
    pq.write_table(
        table, path, compression=compression, data_page_version=version, write_page_index=True, row_group_size=7000,
        write_page_checksum=True, data_page_size=64 * 2**10,
    )  # fmt: skip
    found = unpacked_pages(path, pq.read_metadata(path))
    assert 2**19 < found.dictionary <= found.largest < 2**21, "pyarrow's dictionaries take a megabyte at most"
    pq.write_table(table, path, use_dictionary=False, compression=compression, data_page_size=64 * 2**10)
    found = unpacked_pages(path, pq.read_metadata(path))
    assert found.dictionary == 0 and 2**15 < found.largest < 2**21


def test_what_is_no_page_header_is_left_to_the_reader(tmp_path: Path) -> None:
    path = bomb(tmp_path / "x.parquet", pa.array(["p"] * 99))
    metadata = pq.read_metadata(path)
    for junk in (b"\xff" * 300, b"", b"\x15" * 300, b"\x1c" * 300, b"\x19\xfc\xff\xff\xff\xff\x7f" + b"\1" * 99):
        path.write_bytes(b"PAR1" + junk)
        assert unpacked_pages(path, metadata).largest < 2**31
