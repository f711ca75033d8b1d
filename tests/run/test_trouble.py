"""What goes wrong beside the model: damage under way, no grading workers, a strategy's bug, odd references."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from desk import Desk

from solver.answers import pool
from solver.engine.vllm import BulkDecoder
from solver.errors import MachineError, StoreError
from solver.strategies import voting

ROWS = [{"id": f"p{i}", "problem": f"What is {i} less {i - 1}?", "answer": "1"} for i in range(20)]
REPLIES = ["So \\boxed{1}", "Or \\boxed{2}"]


def damage(shard: Path) -> None:
    """Flip one bit in a shard, in the page of its texts."""
    text = pq.ParquetFile(shard).metadata.row_group(0).column(5)
    assert text.path_in_schema == "text"
    content = bytearray(shard.read_bytes())
    content[text.data_page_offset + text.total_compressed_size // 2] ^= 1
    shard.write_bytes(content)


def test_damage_that_is_met_under_way_is_said_and_mended_by_the_next_run(desk: Desk) -> None:
    """It once ended as complete, exit 0, with results missing."""
    long = [f"{'long words ' * 400}{number} \\boxed{{1}}" for number in range(40)]
    desk.lay(ROWS, long, sampling={"max_tokens": 5000}).run()
    damage(next((desk.out / "samples").iterdir()))
    changed = [*ROWS[:-1], ROWS[-1] | {"answer": "7"}]  # its samples are read again, so the damage is met
    desk.table(changed)
    with pytest.raises(StoreError, match="have lost their results"):
        desk.run()
    desk.run()
    results = desk.results()
    assert len(results) == 20 and not results["p19"]["correct"] and results["p0"]["correct"]


def test_damage_that_is_met_while_samples_are_added_is_said_and_mended_at_once(desk: Desk) -> None:
    """It once was set aside and drawn again without a word."""
    long = [f"{'long words ' * 400}{number} \\boxed{{1}}" for number in range(40)]
    desk.lay(ROWS, long, sampling={"max_tokens": 5000}).run()
    damage(next((desk.out / "samples").iterdir()))
    assert desk.run("sampling.n=6").exit_code == 0
    said = "\n".join(desk.said)
    assert said.count("set aside in _solver/bad") == 1 and "--verify" not in said
    assert {row["n_samples"] for row in desk.results().values()} == {6}


def test_a_revote_that_meets_damage_names_what_mends_it(desk: Desk) -> None:
    long = [f"{'long words ' * 400}{number} \\boxed{{1}}" for number in range(40)]
    desk.lay(ROWS, long, sampling={"max_tokens": 5000}).run()
    damage(next((desk.out / "samples").iterdir()))
    with pytest.raises(StoreError, match=r"solver run \S*out/job\.yaml"):
        desk.revote("sampling.n=2")


def test_grading_workers_that_cannot_start_end_the_run_and_spoil_no_problem(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every problem with an answer for the workers once became a failed row, for good."""
    desk.lay(ROWS[:3], ["So \\boxed{2\\sqrt{3}}"])

    def refuse(workers: int, memory: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(pool, "_process_pool", refuse)
        with pytest.raises(MachineError, match="the workers that grade answers cannot start"):
            desk.run()
    summary = desk.run()
    assert (summary.stats.failed, summary.samples) == (0, 0), "the samples were kept, only the votes were owed"


def test_a_bug_in_a_strategy_fails_its_problems_until_the_program_is_mended(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.lay(ROWS[:3], REPLIES)
    with monkeypatch.context() as patched:
        patched.delattr(voting.Voting, "solve")
        assert desk.run().exit_code == 3
        assert {row["status"] for row in desk.results().values()} == {"failed"}
    assert desk.run().exit_code == 0
    assert {row["status"] for row in desk.results().values()} == {"ok"}


def test_a_reference_that_nobody_can_grade_is_counted_apart_and_never_as_wrong(desk: Desk) -> None:
    odd = {"id": "odd", "problem": "What is odd?", "answer": "\\frac{1}{"}
    stats = desk.lay([*ROWS[:3], odd], ["So \\boxed{1}"]).run().stats
    assert (stats.referenced, stats.ungradable, stats.majority.value) == (3, 1, 1.0)
    assert desk.results()["odd"]["correct"] is None


def test_one_response_that_cannot_be_decoded_costs_only_itself() -> None:
    """The decoder once never answered again."""
    import asyncio

    class Fragile:
        def decode(self, batch: list[list[int]]) -> list[str]:
            if any(13 in ids for ids in batch):
                raise ValueError("unlucky")
            return [str(ids) for ids in batch]

    async def decode() -> list[str | BaseException]:
        decoder = BulkDecoder(Fragile())  # type: ignore[arg-type]
        return await asyncio.gather(*(decoder.decode([n]) for n in (12, 13, 14)), return_exceptions=True)

    good, bad, other = asyncio.run(decode())
    assert (good, other) == ("[12]", "[14]") and isinstance(bad, ValueError)
