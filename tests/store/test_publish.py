"""A file counts only after write, fsync, rename, fsync of the directory; in this order, or not at all."""

import asyncio
import builtins
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from store_rows import EXTRA, problems, result, row_id, sample, shards

from solver.errors import DiskFullError, MachineError, NotARunError, StoreError
from solver.store import Store
from solver.store.publish import claim, make_directory, publish, publish_text


class Recorder:
    """Stands in for the calls that make things durable; notes them, and fails where it is told to."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.events: list[tuple[str, Path]] = []
        self.fail: dict[str, int] = {}
        for name in ("fsync", "rename"):
            patch.setattr(os, name, self._recorded(name, getattr(os, name)))

    def _recorded(self, name: str, real: Any) -> Any:
        def call(first: Any, *rest: Any) -> Any:
            path = Path(os.readlink(f"/proc/self/fd/{first}")) if name == "fsync" else Path(rest[0])
            if name in self.fail:
                raise OSError(self.fail[name], os.strerror(self.fail[name]), str(path))
            self.events.append((name, path))
            return real(first, *rest)

        return call


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    with monkeypatch.context() as patch:
        yield Recorder(patch)


def test_fsync_then_rename_then_fsync_of_the_directory(tmp_path: Path, recorder: Recorder) -> None:
    (tmp_path / "tmp").mkdir()
    publish(tmp_path / "final", tmp_path / "tmp", lambda file: file.write(b"whole"))
    (first, temporary), *rest = recorder.events
    assert first == "fsync" and temporary.parent == tmp_path / "tmp"
    assert rest == [("rename", tmp_path / "final"), ("fsync", tmp_path)]
    assert (tmp_path / "final").read_bytes() == b"whole" and not any((tmp_path / "tmp").iterdir())


def test_all_bytes_are_written_before_the_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (sizes.append(os.fstat(fd).st_size), real(fd)))
    publish(tmp_path / "final", tmp_path, lambda file: file.write(b"x" * 100))
    assert sizes[0] == 100


def test_a_flush_publishes_samples_then_results_and_counts_last(tmp_path: Path, recorder: Recorder) -> None:
    run = tmp_path / "run"

    async def flush_once() -> None:
        with Store.create_or_open(run) as store:
            async with store.writer(extra=EXTRA) as writer:
                await writer.add(sample(1))
                await writer.add_result(result(1, n=1))
                recorder.events.clear()
                await writer.flush()
                assert (writer.durable_samples, writer.durable_results) == (1, 1)

    asyncio.run(flush_once())
    tmp, name = run / "_solver" / "tmp", "part-0001-00-000000.parquet"
    steps = [(event, path.parent if path.parent == tmp else path) for event, path in recorder.events[:6]]
    assert steps == [
        ("fsync", tmp), ("rename", run / "samples" / name), ("fsync", run / "samples"),
        ("fsync", tmp), ("rename", run / "results" / name), ("fsync", run / "results"),
    ]  # fmt: skip


def test_directories_are_durable_in_their_parents(tmp_path: Path, recorder: Recorder) -> None:
    make_directory(tmp_path / "a" / "b")
    assert recorder.events == [("fsync", tmp_path), ("fsync", tmp_path / "a")]


KINDS = {
    errno.ENOSPC: (DiskFullError, "the disk is full; free space"),
    errno.EDQUOT: (DiskFullError, "the quota is used up; free space"),
    errno.EROFS: (MachineError, "the file system is read-only; mount it writable"),
    errno.EACCES: (MachineError, "lacks the right; change the permissions, or choose another directory"),
    errno.EPERM: (MachineError, "lacks the right"),
    errno.EIO: (MachineError, "the disk fails; look at the system's log"),
    errno.EFBIG: (MachineError, "`ulimit -f`"),
    errno.EMFILE: (MachineError, "`ulimit -n`"),
    errno.EINVAL: (StoreError, ""),
}


@pytest.mark.parametrize("step", ["fsync", "rename"])
@pytest.mark.parametrize("code", KINDS)
def test_a_failing_step_leaves_nothing_and_says_what_where_and_how_to_mend_it(
    tmp_path: Path, recorder: Recorder, step: str, code: int
) -> None:
    kind, mend = KINDS[code]
    (tmp_path / "tmp").mkdir()
    recorder.fail[step] = code
    with pytest.raises(kind, match=f"cannot write .*final: {os.strerror(code)}.*{mend}") as failed:
        publish(tmp_path / "final", tmp_path / "tmp", lambda file: file.write(b"half"))
    assert type(failed.value) is kind and failed.value.exit_code == (1 if kind is StoreError else 4)
    assert [path.name for path in tmp_path.rglob("*")] == ["tmp"]


def test_an_output_directory_that_cannot_be_is_the_fault_of_the_job(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a thesis")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "at all")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for place in ("file", "file/run", "file/a/run", "link", "link/run", "loop/run", "x" * 300, "new/" + "y" * 300):
        with pytest.raises(NotARunError, match=r"no directory at .*Set another `output\.dir`") as refused:
            Store.create_or_open(tmp_path / place)
        assert refused.value.exit_code == 2
    with pytest.raises(NotARunError):
        make_directory(Path("/proc/no/such/place"))
    assert (tmp_path / "file").read_text() == "a thesis"


def test_a_shard_never_takes_a_name_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "final").write_text("first")
    with pytest.raises(StoreError, match="never replaced"):
        publish(tmp_path / "final", tmp_path, lambda file: file.write(b"second"))
    assert (tmp_path / "final").read_text() == "first"
    publish_text(tmp_path / "final", tmp_path, "second")
    assert [path.name for path in tmp_path.iterdir()] == ["final"] and (tmp_path / "final").read_text() == "second"


def test_a_claim_is_taken_once(tmp_path: Path, recorder: Recorder) -> None:
    assert claim(tmp_path / "0001", "mine")
    assert recorder.events == [("fsync", tmp_path / "0001"), ("fsync", tmp_path)]
    assert not claim(tmp_path / "0001", "theirs") and (tmp_path / "0001").read_text() == "mine"


def test_a_full_disk_keeps_the_rows_and_a_later_flush_writes_them(tmp_path: Path, recorder: Recorder) -> None:
    async def fill_and_free() -> None:
        with Store.create_or_open(tmp_path / "run") as store:
            async with store.writer(extra=EXTRA, waits=lambda: False) as writer:
                await writer.add(sample(1, 0))
                await writer.add_result(result(1, n=1))
                recorder.fail["fsync"] = errno.ENOSPC
                with pytest.raises(DiskFullError, match=r"free space .*\. 1 samples and 1 results are not written"):
                    await writer.flush()
                assert (writer.durable_samples, writer.durable_results) == (0, 0)
                assert not shards(tmp_path / "run", "samples") and not shards(tmp_path / "run", "results")
                recorder.fail.clear()
                await writer.add(sample(1, 1))
                await writer.flush()
                assert (writer.durable_samples, writer.durable_results) == (2, 1)

    asyncio.run(fill_and_free())
    assert [one.key.k for one in Store.read(tmp_path / "run").samples()] == [0, 1]
    assert shards(tmp_path / "run", "samples")[0].name == "part-0001-00-000001.parquet"  # the first name is spent


def test_an_error_inside_the_parquet_writer_is_told_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """A file on a full disk."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def __enter__(self) -> "Full":
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def write(self, data: bytes) -> int:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    real = builtins.open
    with Store.create_or_open(tmp_path / "run") as store:
        monkeypatch.setattr(
            builtins,
            "open",
            lambda path, mode="r", **kw: Full(real(path, mode, **kw)) if mode == "xb" else real(path, mode, **kw),
        )

        async def write() -> None:
            writer = store.writer(waits=lambda: False)
            await writer.add(sample(1))
            with pytest.raises(DiskFullError, match=r"cannot write .*part-0001-00-000000.parquet: No space left"):
                await writer.flush()
            monkeypatch.undo()
            await writer.close()

        asyncio.run(write())
    assert len(list(Store.read(tmp_path / "run").samples())) == 1


def test_flushes_happen_by_time_and_by_size(tmp_path: Path) -> None:
    async def wait_for(condition: Any) -> None:
        for _ in range(200):
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError("nothing was flushed")

    async def write() -> None:
        with Store.create_or_open(tmp_path / "run") as store:
            timed = store.writer(worker=0, flush_seconds=0.05)
            await timed.add(sample(1))
            await wait_for(lambda: timed.durable_samples == 1)
            await timed.add(sample(2))
            await wait_for(lambda: timed.durable_samples == 2)
            sized = store.writer(worker=1, flush_seconds=3600, flush_bytes=10_000)
            for k in range(30):
                await sized.add(sample(3, k, "x" * 1000))
            await wait_for(lambda: sized.durable_samples >= 8)
            await timed.close()
            await sized.close()
            assert sized.durable_samples == 30

    asyncio.run(write())


def test_a_failed_timed_flush_reaches_the_next_add(tmp_path: Path, recorder: Recorder) -> None:
    async def write() -> None:
        with Store.create_or_open(tmp_path / "run") as store:
            writer = store.writer(flush_seconds=0.02)
            recorder.fail["rename"] = errno.EIO
            await writer.add(sample(1, 0))
            with pytest.raises(MachineError, match="Input/output error"):
                for _ in range(100):
                    await asyncio.sleep(0.02)
                    await writer.add(sample(1, 1))
            recorder.fail.clear()
            await writer.close()
            assert writer.durable_samples >= 2

    asyncio.run(write())
    assert set(Store.read(tmp_path / "run").samples_of(row_id(1))) == {sample(1, 0).key, sample(1, 1).key}


def test_results_do_not_overtake_samples_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.rename

    def refuse_samples(source: Any, target: Any) -> None:
        if "samples" in str(target):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(source, target)

    with Store.create_or_open(tmp_path / "run") as store:
        monkeypatch.setattr(os, "rename", refuse_samples)

        async def write() -> None:
            writer = store.writer(extra=EXTRA)
            await writer.add(sample(1))
            await writer.add_result(result(1, n=1))
            for _ in range(2):
                with pytest.raises(MachineError):
                    await writer.flush()
                assert not shards(tmp_path / "run", "results")
            monkeypatch.undo()
            await writer.close()

        asyncio.run(write())
    assert Store.read(tmp_path / "run").done(row_id(1), result(1).decision)


def test_a_reader_never_writes(tmp_path: Path, recorder: Recorder) -> None:
    problems(tmp_path / "run", [1])
    before = sorted(tmp_path.rglob("*"))
    recorder.events.clear()
    store = Store.read(tmp_path / "run")
    assert store.done(row_id(1), result(1).decision) and len(store.samples_of(row_id(1))) == 2 and store.result("id1")
    assert not recorder.events and sorted(tmp_path.rglob("*")) == before
    for forbidden in (lambda: store.write_job("x"), lambda: store.finish({}), store.writer):
        with pytest.raises(StoreError, match="opened to read"):
            forbidden()
