"""What was taken away from a run is noticed, said, and made again; a table with gaps is never called whole."""

import errno
import json
import os
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from desk import Desk
from disks import call, tmpfs
from store_rows import DECISION, problems, put, result, row_id, sample, shards
from test_compact import bytes_of
from test_damage import flip

from solver.cli import main
from solver.errors import LockedError, NotARunError, StoreError
from solver.store import Store
from solver.store.compact import compact

ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": str(i)} for i in range(3)]
REPLIES = [f"so \\boxed{{{number}}}" for number in range(3)]
SIX = [(row_id(i), DECISION, i) for i in range(6)]


def finished(run: Path) -> Path:
    """Problems 0-2 and 3-5, a shard of each table for either half."""
    for first in (0, 3):
        problems(run, range(first, first + 3))
    with Store.create_or_open(run) as store:
        store.finish({}, SIX)
    return run


def owed(store: Store) -> list[int]:
    return [i for i in range(6) if not store.done(row_id(i), DECISION)]


def test_results_whose_samples_were_taken_away_are_owed_again(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    gone = shards(run, "samples")[1]
    gone.unlink()
    for read in (lambda store: list(store.results()), lambda store: list(store.samples()), lambda s: s.result("id1")):
        with pytest.raises(StoreError, match=r"part-0002-00-000000.parquet is gone, .*solver run .*job\.yaml"):
            read(Store.read(run))
    for _ in range(2):
        with Store.create_or_open(run) as store:
            assert owed(store) == [3, 4, 5] and store.samples_of(row_id(4)) == {}
            assert f"{gone}, which manifest.json lists, is gone" in store.notes[0]
            assert store.notes[1] == "3 finished problems rested on missing samples and are run again"
    with Store.create_or_open(run) as store:
        put(store, [sample(i, k, "again") for i in (3, 4, 5) for k in range(2)], [result(i) for i in (3, 4, 5)])
        store.finish({}, SIX)
    with Store.create_or_open(run) as store:
        assert not store.notes and owed(store) == []
    assert pq.read_table(run / "results").num_rows == 6


def test_results_that_were_taken_away_are_decided_anew(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    for path in shards(run, "results"):
        path.unlink()
    with pytest.raises(StoreError, match="and 1 more are gone"):
        list(Store.read(run).results())
    with Store.create_or_open(run) as store:
        assert len(store.notes) == 1 and store.notes[0].endswith(", and 1 more")
        assert owed(store) == [*range(6)] and len(store.samples_of(row_id(4))) == 2


def test_what_the_store_itself_set_aside_is_not_called_gone(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    shards(run, "samples")[1].write_bytes(b"")
    with Store.create_or_open(run) as store:
        assert "_solver/bad" in store.notes[0] and owed(store) == [3, 4, 5]
    assert len(list(Store.read(run).results())) == 3
    with Store.create_or_open(run) as store:
        assert not store.notes


def test_a_run_makes_again_what_was_taken_away(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES)
    desk.run()
    before = desk.results()
    for path in shards(desk.out, "samples"):
        path.unlink()
    assert desk.run().samples == len(before) * 4
    assert desk.results() == before and desk.run().samples == 0


def test_a_revote_puts_nothing_less_in_the_place_of_good_results(desk: Desk) -> None:
    desk.lay(ROWS, REPLIES)
    desk.run()
    whole = bytes_of(desk.out / "results")
    for harm in (lambda path: flip(path, "text"), lambda path: flip(path, "row_id"), lambda path: path.unlink()):
        kept = shutil.copytree(desk.out, desk.home / "kept")
        harm(shards(desk.out, "samples")[0])
        with pytest.raises(
            StoreError, match=r"would replace good results\. First: solver run .*out/job\.yaml --verify"
        ):
            desk.revote("sampling.n=2")
        assert bytes_of(desk.out / "results") == whole
        shutil.rmtree(desk.out)
        kept.rename(desk.out)
    assert desk.revote("sampling.n=2").samples == 0


def test_a_table_with_gaps_is_not_called_complete(tmp_path: Path) -> None:
    run = finished(tmp_path / "run")
    assert Store.read(run).finished
    with Store.create_or_open(run) as store:
        store.finish({}, [*SIX, (row_id(9), DECISION, 9)])
    store = Store.read(run)
    assert not store.finished and len(list(store.results())) == 6
    with Store.create_or_open(run) as store:
        assert not store.was_finished


@pytest.mark.parametrize("text", ["{}", "[" * 100_000, '{"summary": 3}', '{"summary": {}, "files": [{}]}', "\udcff"])
def test_a_spoiled_manifest_is_one_clear_error(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished(tmp_path / "run")
    (run / "manifest.json").write_text(text, errors="surrogateescape")
    with pytest.raises(SystemExit) as left:
        main(["show", str(run)])
    told = capsys.readouterr().err
    assert left.value.code == 1 and len(told.splitlines()) == 1 and told.startswith("error: ")
    assert "manifest.json" in told and "Restore it from a copy, or move it away" in told
    (run / "manifest.json").rename(tmp_path / "spoiled")
    with Store.create_or_open(run) as store:
        assert owed(store) == [], "nothing was lost with it"


@pytest.mark.parametrize("name", ["_solver/tmp/d", "job.yaml", "README.md", "_solver/owner.json", "manifest.json"])
def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    Store.create_or_open(run).close()
    (run / name).mkdir()
    with pytest.raises(NotARunError, match=f"{name} is a folder, where .*Take it away"):
        Store.create_or_open(run)
    (run / name).rmdir()
    Store.create_or_open(run).close()


def test_compact_writes_nothing_into_the_run_and_keeps_owners_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, real = finished(tmp_path / "run"), os.open

    def full(path: str, flags: int, *rest: int, **more: int) -> int:
        if flags & os.O_CREAT and str(path).startswith(f"{run}/"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", full)
    assert compact(run, tmp_path / "new").results == 6
    monkeypatch.undo()
    with Store.create_or_open(run), pytest.raises(LockedError, match="held by"):
        compact(run, tmp_path / "newer")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting read-only needs root")
def test_compact_reads_from_a_disk_that_nobody_can_write_to(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 2**22) as disk:
        finished(disk / "run")
        try:
            call("mount", "-o", "remount,ro", disk)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"not even root may mount here: {error.stderr.strip()}")
        assert compact(disk / "run", tmp_path / "new").results == 6
        assert json.loads((tmp_path / "new" / "manifest.json").read_text())["files"]
