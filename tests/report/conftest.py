"""What the report's tests stand on: `runs` of the statistics' tests, and a browser where there is one."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import BINARY, Chromium

sys.path.insert(0, str(Path(__file__).parents[1] / "statistics"))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One Chromium for all tests; where there is none they are skipped, unless SOLVER_REQUIRE_CHROMIUM forbids it."""
    if BINARY is None:
        assert not os.environ.get("SOLVER_REQUIRE_CHROMIUM"), "no Chromium: install Debian's package chromium"
        pytest.skip("no Chromium here")
    with Chromium(tmp_path_factory.mktemp("chromium")) as made:
        yield made
