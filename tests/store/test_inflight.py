"""Notes of what was in flight: what the next owner reads of them, and what it does not."""

from pathlib import Path

from solver.records import SampleKey
from solver.store.inflight import left_behind, note
from solver.store.layout import Layout

KEYS = [SampleKey(bytes([i]) * 16, "answer", 2**63 + i, i) for i in range(4)]


def left(run: Path, name: str, text: str) -> None:
    (Layout(run).in_flight / name).write_text(text)


def test_deaths_are_read_back_and_being_in_flight_alone_counts_for_nothing(tmp_path: Path) -> None:
    Layout(tmp_path).make()
    assert left_behind(tmp_path, 5) == {}
    left(tmp_path, "0003-00.json", note([(KEYS[0], (2, 1)), (KEYS[1], (0, 0))]))
    left(tmp_path, "0003-01.json", note([(KEYS[2], (1, 0))]))
    assert left_behind(tmp_path, 4) == {KEYS[0]: (2, 1), KEYS[2]: (1, 0)}, "every worker of that owner counts"


def test_only_the_latest_earlier_owner_speaks(tmp_path: Path) -> None:
    Layout(tmp_path).make()
    left(tmp_path, "0003-00.json", note([(KEYS[0], (2, 1))]))
    left(tmp_path, "0010-00.json", note([(KEYS[1], (4, 0))]))
    left(tmp_path, "0012-00.json", note([(KEYS[2], (9, 9))]))
    assert left_behind(tmp_path, 12) == {KEYS[1]: (4, 0)}, "not an older one, and not this one"
    left(tmp_path, "0011-00.json", note([]))
    assert left_behind(tmp_path, 12) == {}, "a run that came to its end misleads nobody"


def test_a_note_that_cannot_be_read_is_no_note(tmp_path: Path) -> None:
    Layout(tmp_path).make()
    for text in (
        "",
        "{",
        "[]",
        '{"in_flight": [[1, 2, 3, 4, 5, 6]]}',
        '{"in_flight": [["zz", "a", 1, 2, 3, 4]]}',
        "\0",
    ):
        left(tmp_path, "0001-00.json", text)
        assert left_behind(tmp_path, 2) == {}
