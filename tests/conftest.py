"""Fixtures of many tests."""

from pathlib import Path

import pytest
from desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A folder with a table of problems, scripted replies and a job file."""
    return Desk(tmp_path)
