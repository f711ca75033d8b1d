"""A full disk holds a run up and ends nothing: rows wait in memory, and go on when somebody frees space."""

import asyncio
import errno
import json
import logging
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, environment, solver
from disks import fill, free_bytes, tmpfs
from store_rows import DECISION, EXTRA, problems, result, row_id, sample, shards, write

from solver.engine import child
from solver.errors import DiskFullError, MachineError, StoreError
from solver.run.log import LogFile
from solver.run.stop import GRACE, Stop
from solver.store import Store, Writer

# The writer


class Disk:
    """Lets every fsync fail while `broken` holds an errno; counts those that failed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.broken: int | None = None
        self.failed = 0
        self.said: list[str] = []
        real = os.fsync

        def fsync(descriptor: int) -> None:
            if self.broken is not None:
                self.failed += 1
                raise OSError(self.broken, os.strerror(self.broken))
            real(descriptor)

        patch.setattr(os, "fsync", fsync)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with monkeypatch.context() as patch:
        yield Disk(patch)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


def with_writer(run: Path, use: Callable[[Writer], Any], **options: Any) -> None:
    async def work() -> None:
        with Store.create_or_open(run) as store:
            await use(store.writer(extra=EXTRA, **{"flush_seconds": 0.01, "retry_seconds": 0.02, **options}))

    asyncio.run(work())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_rows_wait_in_order_and_are_written_when_there_is_space(tmp_path: Path, disk: Disk, code: int) -> None:
    async def use(writer: Writer) -> None:
        disk.broken = code
        for k in range(3):
            await writer.add(sample(1, k))
        await until(lambda: writer.full and disk.failed > 3)
        for k in range(3, 6):
            await writer.add(sample(1, k))  # goes on, raises nothing
        await writer.add_result(result(1, n=6))
        assert (writer.durable_samples, writer.durable_results) == (0, 0)
        disk.broken = None
        await writer.close()
        assert (writer.durable_samples, writer.durable_results, writer.full) == (6, 1, False)

    with_writer(tmp_path / "run", use, say=disk.said.append)
    stored = Store.read(tmp_path / "run")
    assert [one.key.k for one in stored.samples()] == list(range(6)) and stored.done(row_id(1), DECISION)
    assert not list((tmp_path / "run" / "_solver" / "tmp").iterdir())
    paused, again = disk.said
    assert os.strerror(code) in paused and "free space" in paused and "Holding 3 samples and 0 results" in paused
    assert "admitting no more problems, trying again every 0 s" in paused and "has space again" in again


def test_no_more_than_the_limit_is_held(tmp_path: Path, disk: Disk) -> None:
    async def use(writer: Writer) -> None:
        disk.broken = errno.ENOSPC
        added = 0

        async def produce() -> None:
            nonlocal added
            for k in range(100):
                await writer.add(sample(1, k, "x" * 1000))
                added += 1

        producer = asyncio.create_task(produce())
        await until(lambda: writer.full and disk.failed > 10)
        assert 30_000 < added * 2000 < 60_000, "it neither stopped early nor went on without end"
        before = added
        await until(lambda: disk.failed > 20)
        assert added == before
        disk.broken = None
        await producer
        await writer.close()
        assert writer.durable_samples == 100

    with_writer(tmp_path / "run", use, flush_bytes=10_000, hold_bytes=50_000)


def test_a_flush_waits_for_space_and_who_may_not_wait_is_told_what_is_not_written(tmp_path: Path, disk: Disk) -> None:
    async def use(writer: Writer) -> None:
        disk.broken = errno.ENOSPC
        await writer.add(sample(1))
        await writer.add_result(result(1, n=1))
        closing = asyncio.create_task(writer.close())
        await until(lambda: disk.failed > 5)
        assert not closing.done()
        patience.clear()
        with pytest.raises(DiskFullError, match=r"1 samples and 1 results are not written") as told:
            await closing
        assert told.value.exit_code == 4
        disk.broken = None
        await writer.close()  # nothing was thrown away
        assert (writer.durable_samples, writer.durable_results) == (1, 1)

    patience = [True]
    with_writer(tmp_path / "run", use, waits=lambda: bool(patience), retry_seconds=0.1)


def test_a_stop_is_noticed_between_two_attempts(tmp_path: Path, disk: Disk) -> None:
    async def use(writer: Writer) -> None:
        disk.broken = errno.ENOSPC
        await writer.add(sample(1))
        closing = asyncio.create_task(writer.close())
        await until(lambda: writer.full)
        patience.clear()
        with pytest.raises(DiskFullError):
            await asyncio.wait_for(closing, 60)

    patience = [True]
    with_writer(tmp_path / "run", use, waits=lambda: bool(patience), retry_seconds=1e9)


def test_another_failure_ends_the_pause_and_reaches_the_next_add(tmp_path: Path, disk: Disk) -> None:
    async def use(writer: Writer) -> None:
        disk.broken = errno.ENOSPC
        await writer.add(sample(1, 0))
        await until(lambda: writer.full)
        disk.broken = errno.EIO
        with pytest.raises(MachineError, match="Input/output error") as told:
            for _ in range(1000):
                await asyncio.sleep(0.01)
                await writer.add(sample(1, 1))
        assert not isinstance(told.value, DiskFullError) and not writer.full
        disk.broken = None
        await writer.close()

    with_writer(tmp_path / "run", use)
    assert [one.key.k for one in Store.read(tmp_path / "run").samples()] == [0, 1]


def test_what_is_in_flight_is_durable_after_the_rows_of_each_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "run" / "_solver" / "in_flight" / "0001-00.json"
    working = ["a", "b"]
    real = os.rename

    def no_samples(source: Any, target: Any) -> None:
        if "samples" in str(target):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    async def use(writer: Writer) -> None:
        await writer.flush()
        assert json.loads(note.read_text()) == ["a", "b"]
        working.remove("a")
        await writer.add(sample(1))
        monkeypatch.setattr(os, "rename", no_samples)
        flush = asyncio.create_task(writer.flush())
        await until(lambda: writer.full)
        assert json.loads(note.read_text()) == ["a", "b"], "it ran ahead of the rows"
        monkeypatch.setattr(os, "rename", real)
        await flush
        assert json.loads(note.read_text()) == ["b"] and writer.durable_samples == 1
        working.clear()
        await writer.close()
        assert json.loads(note.read_text()) == []

    with_writer(tmp_path / "run", use, in_flight=lambda: json.dumps(working), flush_seconds=3600)


# The run

ANSWERS = random.Random(0)
PATIENT = """
import sys
from solver.cli import main
from solver.store import Store
Store.writer.__kwdefaults__["retry_seconds"] = float(sys.argv.pop(1))
main()
"""


def long_runs(desk: Desk, out: Path, *, count: int, size: int, seconds: float) -> Desk:
    """So many problems, four responses of `size` random characters each, eight at a time."""
    rows = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": str(i)} for i in range(count)]
    replies = {
        row["problem"]: [f"{ANSWERS.randbytes(size // 2).hex()} \\boxed{{{i + k}}}" for k in range(3)]
        for i, row in enumerate(rows)
    }
    engine = {"seconds": seconds, "slots": 8}
    return desk.lay(rows, replies, engine=engine, output={"dir": str(out), "flush_seconds": 2})


@contextmanager
def filling_up(desk: Desk, retry_seconds: float) -> Iterator["subprocess.Popen[str]"]:
    """`solver run`, from the moment on where it says that the disk is full."""
    command = [sys.executable, "-c", PATIENT, str(retry_seconds), "run", "job.yaml"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=desk.home, env=environment(), text=True, **pipes) as process:
        try:
            assert process.stderr is not None
            told = ""
            for line in process.stderr:
                told += line
                if "the disk is full" in line:
                    break
            assert "Holding" in told and "Traceback" not in told, told
            yield process
        finally:
            process.kill()


def tables(run: Path) -> tuple[Any, Any]:
    store = Store.read(run)
    said = sorted((one.key, one.text, one.status, one.seed, one.output_tokens) for one in store.samples())
    return said, sorted(store.results(), key=lambda row: row["row"])


def undisturbed(desk: Desk) -> tuple[Any, Any]:
    elsewhere = desk.home / "undisturbed"
    desk.run("engine.seconds=0", f"output.dir={elsewhere}")
    return tables(elsewhere)


def same(one: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    """Compared piece by piece, so that a difference can be read."""
    assert [key for key, *_ in one[0]] == [key for key, *_ in other[0]]
    assert one[0] == other[0]
    for left, right in zip(one[1], other[1], strict=True):
        assert {name: (left[name], right[name]) for name in left if left[name] != right[name]} == {}


def fill_and_free(desk: Desk, disk: Path, leave: int, *, retry_seconds: float, **load: Any) -> int:
    """The whole story; returns how many samples were durable when the disk was full."""
    ballast = fill(disk, leave=leave)
    long_runs(desk, disk / "run", **load)
    with filling_up(desk, retry_seconds) as process:
        held = len(list(Store.read(disk / "run").samples()))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2.5 * min(1.0, retry_seconds))
        assert len(list(Store.read(disk / "run").samples())) == held
        ballast.unlink()
        _, err = process.communicate(timeout=300)
    assert process.returncode == 0 and "the disk has space again" in err and "Traceback" not in err, err
    same(tables(disk / "run"), undisturbed(desk))
    assert not list((disk / "run" / "_solver" / "tmp").iterdir())
    return held


def test_a_run_that_fills_its_disk_goes_on_when_somebody_frees_space(desk: Desk, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 6 * 2**20) as disk:
        load = {"count": 100, "size": 8000, "seconds": 0.05}
        assert 0 < fill_and_free(desk, disk, 2**20, retry_seconds=0.3, **load) < 400


@pytest.mark.soak
def test_sixty_megabytes_filled_and_freed(desk: Desk, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 60 * 2**20) as disk:
        load = {"count": 1000, "size": 20_000, "seconds": 0.02}
        held = fill_and_free(desk, disk, 20 * 2**20, retry_seconds=30, **load)
        print(f"\n60 MB tmpfs: full with {held:,} of 4,000 samples durable, went on, tables identical")


@pytest.mark.parametrize(("signals", "code"), [([signal.SIGTERM], 143), ([signal.SIGINT, signal.SIGINT], 130)])
def test_a_stop_on_a_full_disk_tells_what_is_not_written(
    desk: Desk, tmp_path: Path, signals: list[int], code: int
) -> None:
    with tmpfs(tmp_path / "disk", 6 * 2**20) as disk:
        ballast = fill(disk, leave=2**20)
        long_runs(desk, disk / "run", count=100, size=8000, seconds=0.05)
        with filling_up(desk, 1e9) as process:
            for number in signals:
                process.send_signal(number)
                with pytest.raises(subprocess.TimeoutExpired):  # two signals that are pending together arrive as one
                    process.wait(0.1)
            _, err = process.communicate(timeout=60)
        assert process.returncode == code and "Traceback" not in err, err
        last = err.splitlines()[-1]
        assert "No space left" in last and "are not written and will be made again. To go on: " in last
        durable = {(one.key, one.text) for one in Store.read(disk / "run").samples()}
        assert f"stopped: {len(durable)} samples and " in last
        ballast.unlink()
        assert shlex.split(last.split("To go on: ")[1]) == ["solver", "run", "job.yaml"]
        assert desk.run("engine.seconds=0").samples == 400 - len(durable)
        same(tables(disk / "run"), undisturbed(desk))


def test_one_interrupt_leaves_a_full_disk_as_long_as_running_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    once, twice, pressed = Stop(), Stop(), Stop()
    assert once.patient()
    for stop in (once, twice):
        stop.ask(130)
    pressed.ask(143, at_once=True)
    clock[0] += GRACE - 1
    assert once.patient() and twice.patient() and not pressed.patient()
    twice.ask(130)
    assert not twice.patient()
    clock[0] += 2
    assert not once.patient()


def test_a_run_that_cannot_even_start_says_how_to_go_on(desk: Desk, tmp_path: Path) -> None:
    with tmpfs(tmp_path / "disk", 2**20) as disk:
        long_runs(desk, disk / "run", count=3, size=10, seconds=0)
        ballast = fill(disk)
        told = solver(desk, "run", "job.yaml")
        assert told.returncode == 4 and "Traceback" not in told.stderr
        assert (
            "No space left on device: the disk is full; free space on it. To go on: solver run job.yaml" in told.stderr
        )
        ballast.unlink()
        assert desk.run().exit_code == 0


def test_a_disk_that_is_full_at_the_finish_ends_with_the_command_that_goes_on(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tmpfs(tmp_path / "disk", 2**20) as disk:
        long_runs(desk, disk / "run", count=3, size=10, seconds=0)
        finish = Store.finish
        with monkeypatch.context() as patch:
            patch.setattr(Store, "finish", lambda *given: (fill(disk), finish(*given)))
            with pytest.raises(DiskFullError, match=r"README.md: .*free space on it\. To go on: solver run job.yaml$"):
                desk.run()
        (disk / "ballast").unlink()
        summary = desk.run()
        assert (summary.samples, summary.stats.problems) == (0, 3) and Store.read(disk / "run").finished


def test_whatever_else_meets_a_full_disk_is_told_the_same_way(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/cache/kernel")

    long_runs(desk, desk.out, count=3, size=10, seconds=0)
    monkeypatch.setattr("solver.engine.scripted.ScriptedEngine.start", start)
    with pytest.raises(DiskFullError, match=r"^No space left on device at /cache/kernel: .*\. To go on: "):
        desk.run()


def test_however_much_is_left_a_finish_leaves_the_old_table_or_the_new_one(tmp_path: Path) -> None:
    def numbers(store: Store) -> list[tuple[str, int]]:
        return sorted((row["id"], row["decision"]) for row in store.results())

    old, new = [("id0", DECISION), ("id1", 5), ("id2", DECISION)], [("id1", 5), ("id2", DECISION)]
    current = [(row_id(1), 5, 1), (row_id(2), DECISION, 2)]
    problems(tmp_path / "first", range(3))
    write(tmp_path / "first", [], [result(1, decision=5)])
    outcomes = []
    with tmpfs(tmp_path / "disk", 2**20) as disk:
        page = os.statvfs(disk).f_frsize
        for left in range(100):
            run = shutil.copytree(tmp_path / "first", disk / "run")
            with Store.create_or_open(run) as store:
                ballast = fill(disk, leave=left * page)
                assert free_bytes(disk) == left * page or left == 0
                try:
                    store.finish({"name": "x"}, current)
                except DiskFullError:
                    assert numbers(Store.read(run)) == old
                else:
                    assert numbers(Store.read(run)) == new
                outcomes.append(Store.read(run).finished)
            ballast.unlink()
            with Store.create_or_open(run) as store:
                assert len(list(store.samples())) == 6
                store.finish({"name": "x"}, current)
            assert numbers(Store.read(run)) == new and Store.read(run).finished
            shutil.rmtree(run)
            if outcomes[-1]:
                break
    assert len(outcomes) > 3 and outcomes == [*[False] * (len(outcomes) - 1), True]


def test_a_log_on_a_full_disk_is_dropped_without_a_word(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for place in (Path("/dev/full"), tmp_path / "no" / "directory"):
        handler = LogFile(place)
        logger = logging.Logger("solver.test")
        logger.addHandler(handler)
        for _ in range(3):
            logger.error("lost")
        handler.close()
    assert capsys.readouterr() == ("", "")


def test_the_engine_s_log_is_dropped_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.Logger("vllm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "getLogger", lambda *_: logger)
        for _ in range(2):  # an engine that is started again
            child._log_to(Path("/dev/full"))
            logger.error("lost")
    assert len(logger.handlers) == 1
    logger.handlers[0].close()
    assert capsys.readouterr() == ("", "")


def test_messages_that_go_to_a_full_disk_end_no_run(desk: Desk) -> None:
    long_runs(desk, desk.out, count=3, size=10, seconds=0)
    command = [sys.executable, "-m", "solver", "run", "job.yaml"]
    with open("/dev/full", "w") as full:
        told = subprocess.run(
            command, cwd=desk.home, env=environment(), stdout=subprocess.PIPE, stderr=full, timeout=120, check=False
        )
    assert told.returncode == 0 and len(desk.results()) == 3


def test_an_error_that_is_no_system_call_s_is_told_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solver.store.writer.write_shard", lambda *_: 1 / 0)

    async def use(writer: Writer) -> None:
        await writer.add(sample(1))
        with pytest.raises(StoreError, match="ZeroDivisionError"):
            await writer.flush()
        monkeypatch.undo()
        await writer.close()

    with_writer(tmp_path / "run", use)
    assert len(shards(tmp_path / "run", "samples")) == 1
