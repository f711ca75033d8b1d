"""Parquet files -> record batches of a bounded size, checked: readable, real UTF-8, no giant rows.

Columns are streamed page by page through a small buffer; a row group is never in memory as a whole, and what a page
may unpack to is known before it is (pages.py).
Faults go through `report` as in `text.py`; a file's rows are counted from 0 within the file here.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from solver.errors import Fault
from solver.problems import files
from solver.problems.pages import Pages, unpacked_pages
from solver.problems.shapes import plain
from solver.problems.text import Report

_FEW_ROWS, _USUAL = 256, 5 * 2**18  # and of a table whose dictionaries are full as usual: 1 MiB and a text
_ROWS, _BYTES = 1024, 16 * 2**20  # of one batch: at most so many rows, and about so many bytes by the footer's word
_PAGE_CAP = 128 * 2**20  # bytes that one page may unpack to


def read_schema(path: Path, report: Report) -> tuple[pa.Schema, int] | None:
    """Schema (types made plain) and number of rows from a file's footer; None after a report."""
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        report(_unreadable(path, error))
        return None
    for twice in sorted({name for name in schema.names if schema.names.count(name) > 1}):
        report(Fault(str(path), f"column `{twice}` stands twice", "Rename one of them"))
    return pa.schema(list({field.name: pa.field(field.name, plain(field.type)) for field in schema}.values())), rows


def read_batches(
    path: Path, columns: Sequence[str] | None, report: Report, limit: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Record batches of the named columns (None: all), in order, `limit` rows at most; ends at the first thing it
    has to report."""
    row = 0
    try:
        with pq.ParquetFile(path, buffer_size=2**20, pre_buffer=False) as file:
            pages = unpacked_pages(path, file.metadata)
            if pages.largest > _PAGE_CAP:
                what = f"a page unpacks to {pages.largest >> 20:,} MiB; {_PAGE_CAP >> 20} MiB may be"
                report(Fault(str(path), what, "Write the file again with smaller pages; one row may take 64 MiB"))
                return
            for read in file.iter_batches(_batch_rows(file.metadata, pages), columns=columns, use_threads=False):
                batch = read if limit is None else read.slice(0, limit - row)
                if fault := _giant(path, batch, row) or _not_utf8(path, batch, row):
                    report(fault)
                    return
                if len(batch):
                    yield batch
                row += len(batch)
                if row == limit:
                    return
    except (pa.ArrowException, OSError) as error:
        report(_unreadable(path, error))


def _batch_rows(metadata: pq.FileMetaData, pages: Pages) -> int:
    """Rows of a batch: by the footer's word on the average, and such that rows which all repeat the largest value of
    a dictionary stay within the cap; or within 320 MiB where it has the size to which most writers let it grow."""
    size: int = sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
    rows: int = metadata.num_rows
    repeated = max(_FEW_ROWS if pages.dictionary <= _USUAL else 1, files.ROW_CAP // max(1, pages.dictionary))
    return max(1, min(_ROWS, _BYTES * rows // max(1, size), repeated))


def _giant(path: Path, batch: pa.RecordBatch, first: int) -> Fault | None:
    """A row beyond the cap. A footer can lie about sizes, so the decoded rows are measured."""
    if batch.nbytes <= files.ROW_CAP:
        return None
    for i in range(len(batch)):
        if batch.slice(i, 1).nbytes > files.ROW_CAP:
            return Fault(f"{path}, row {first + i}", f"the row is larger than {files.ROW_CAP / 2**20:g} MiB")
    return None


def _not_utf8(path: Path, batch: pa.RecordBatch, first: int) -> Fault | None:
    """The first text of a batch that is not UTF-8; parquet promises it and pyarrow does not look."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            return _locate(path, name, column, first) or Fault(str(path), f"column `{name}` is damaged: {error}")
    return None


def _locate(path: Path, name: str, column: pa.Array, first: int) -> Fault | None:
    for i, cell in enumerate(column):
        try:
            cell.as_py()
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            what = f"byte 0x{byte:02x} at offset {error.start} of the text is not UTF-8"
            fix = "Decode the column with its true encoding and write the file again"
            return Fault(f"{path}, row {first + i}, column `{name}`", what, fix)
    return None


def _unreadable(path: Path, error: Exception) -> Fault:
    return Fault(str(path), f"not a readable parquet file: {str(error).splitlines()[0]}", "Write or download it again")
