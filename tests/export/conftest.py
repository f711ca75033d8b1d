"""The small runs of the statistics serve here too."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "statistics"))
from runs import Asked, Said, answers, make_run
from written import THOUGHT

from solver.records import Status


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Right and wrong, one cut, one helped, a tie, one without a reference."""
    cut = Said("1", text="So \\boxed{1} but", status=Status.TRUNCATED)
    helped = Said("1", marks=("hinted",))
    mixed = Asked(
        [Said("1", text=THOUGHT), Said("2"), Said("1"), cut, helped, Said(None, text="no idea")], text="mixed"
    )
    unknown = answers("5", "5", "5", "6", reference=None, text="unknown")
    return make_run(tmp_path / "run", [mixed, unknown, answers("1", "2", text="tied")], model="hf:some/model")
