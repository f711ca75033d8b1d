"""What an export has written."""

from typing import Any

import pyarrow.parquet as pq

from solver.export import Exported

THOUGHT = "<think>first I try</think>So \\boxed{1}"
"""A response with its reasoning apart."""


def out(done: Exported, split: str = "train") -> list[dict[str, Any]]:
    """The rows that were written."""
    return pq.read_table(done.directory / split).to_pylist()  # type: ignore[no-any-return]
