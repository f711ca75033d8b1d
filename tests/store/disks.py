"""Small disks for tests: a tmpfs that fills up, an ext4 on a loop device whose power can be cut. Gone when left."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SHUTDOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
NO_LOG_FLUSH = 2  # what is in memory and in the journal's buffers is gone, as when the power fails


def call(*words: str | Path) -> str:
    """Runs a command of the system and returns what it printed. Raises CalledProcessError."""
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


@contextmanager
def tmpfs(where: Path, size: int) -> Iterator[Path]:
    """An empty disk of so many bytes: by root, or in a user namespace of its own; skips where neither may be."""
    where.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(where)]
    if os.geteuid() == 0:
        with_root = subprocess.run(["mount", *options], check=False, capture_output=True, text=True)
        if with_root.returncode == 0:
            try:
                yield where
            finally:
                call("umount", "--lazy", where)
            return
    if shutil.which("unshare") is None:
        pytest.skip("mounting a tmpfs needs root or `unshare`")
    inside = 'mount "$@" && echo ready && exec sleep 3600'
    command = ["unshare", "-rm", "sh", "-c", inside, "sh", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as keeper:
        try:
            assert keeper.stdout is not None and keeper.stderr is not None
            if keeper.stdout.readline() != "ready\n":
                pytest.skip(f"mounting a tmpfs needs root or user namespaces: {keeper.stderr.read().strip()}")
            yield Path(f"/proc/{keeper.pid}/root{where}")
        finally:
            keeper.kill()


def free_bytes(disk: Path) -> int:
    """What is left for an ordinary user."""
    left = os.statvfs(disk)
    return left.f_bavail * left.f_frsize


def fill(disk: Path, leave: int = 0) -> Path:
    """Takes all of a disk but `leave` bytes; returns the file that does it."""
    ballast = disk / "ballast"
    take = free_bytes(disk) - leave
    with open(ballast, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, take))
    return ballast


class Ext4:
    """An ext4 file system on a loop device. `cut` is a power failure; `mount` after it replays the journal."""

    def __init__(self, home: Path, megabytes: int = 64) -> None:
        self.where = home / "mounted"
        self.where.mkdir()
        image = home / "image"
        with open(image, "wb") as file:
            file.truncate(megabytes * 2**20)
        call("mkfs.ext4", "-q", "-F", "-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1", image)
        self.device = call("losetup", "--find", "--show", image).strip()
        self._root: int | None = None

    def mount(self) -> None:
        """Bring it back, with whatever reached the disk."""
        call("mount", "-t", "ext4", self.device, self.where)
        self._root = os.open(self.where, os.O_RDONLY | os.O_DIRECTORY)

    def cut(self) -> None:
        """The power fails now: nothing reaches the disk any more. Unmount before the next `mount`."""
        assert self._root is not None
        try:
            fcntl.ioctl(self._root, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        except OSError as error:
            pytest.skip(f"this kernel cuts no power: {error}")

    def unmount(self) -> None:
        """Take it away; whoever still has files open there keeps nobody waiting."""
        if self._root is not None:
            os.close(self._root)
            self._root = None
            call("umount", self.where)

    def close(self) -> None:
        """Leave nothing behind in the system."""
        if self._root is not None:
            os.close(self._root)
            subprocess.run(["umount", "--lazy", self.where], check=False, capture_output=True)
        call("losetup", "--detach", self.device)


@contextmanager
def ext4(home: Path, megabytes: int = 64) -> Iterator[Ext4]:
    """A mounted ext4; skips without root or without the means."""
    if os.geteuid() != 0:
        pytest.skip("cutting the power of a file system needs root")
    for program in ("mkfs.ext4", "losetup", "mount"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} here")
    try:
        disk = Ext4(home, megabytes)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop device: {error.stderr.strip()}")
    try:
        try:
            disk.mount()
        except subprocess.CalledProcessError as error:
            pytest.skip(f"not even root may mount here: {error.stderr.strip()}")
        yield disk
    finally:
        disk.close()
