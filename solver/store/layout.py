"""Where everything lies in a run directory; the only place that spells these names."""

import os
from dataclasses import dataclass
from pathlib import Path

from solver.errors import NotARunError
from solver.store.publish import disk_errors, make_directory, place_errors


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths of one run directory. `samples/` and `results/` are the user's; `_solver/` is ours."""

    run: Path

    @property
    def samples(self) -> Path:
        """One shard per flush: what the engine said."""
        return self.run / "samples"

    @property
    def results(self) -> Path:
        """One shard per flush: one row per problem."""
        return self.run / "results"

    @property
    def manifest(self) -> Path:
        """Written last by finish."""
        return self.run / "manifest.json"

    @property
    def state(self) -> Path:
        """Everything that is ours."""
        return self.run / "_solver"

    @property
    def tmp(self) -> Path:
        """Files being written."""
        return self.state / "tmp"

    @property
    def epochs(self) -> Path:
        """One file per start of an owner."""
        return self.state / "epochs"

    @property
    def in_flight(self) -> Path:
        """What each writer's process was working on at its last flush, a file per epoch and worker."""
        return self.state / "in_flight"

    @property
    def voids(self) -> Path:
        """Which old results lost their samples to damage."""
        return self.state / "void"

    @property
    def swap(self) -> Path:
        """Present while results are being exchanged."""
        return self.state / "swap.json"

    @property
    def fingerprint(self) -> Path:
        """What the samples here were drawn from."""
        return self.state / "fingerprint.json"

    def aside(self, reason: str, table: str) -> Path:
        """Where a shard of `table` goes that no longer counts; reason: `bad` or `superseded`."""
        return self.state / reason / table

    @property
    def shard_directories(self) -> tuple[Path, ...]:
        """Every directory that may hold a shard's name."""
        asides = (self.aside(reason, table) for reason in ("bad", "superseded") for table in ("samples", "results"))
        return (self.samples, self.results, *asides)

    def make(self) -> None:
        """Create what is missing, durably.

        Raises NotARunError for a directory that holds something else or cannot be, MachineError.
        """
        with disk_errors("open", self.run), place_errors(self.run):
            if self.run.exists() and not self.state.is_dir() and any(self.run.iterdir()):
                raise NotARunError(
                    f"{self.run} is not empty and not a run directory; nothing was touched. Set another `output.dir`"
                )
        self._confine()
        self._refuse_folders()
        for directory in (self.state, self.tmp, self.epochs, self.in_flight, self.voids, *self.shard_directories):
            make_directory(directory)

    def check(self) -> None:
        """Raises NotARunError unless this is a run directory."""
        with disk_errors("open", self.run):
            missing = [path.name for path in (self.state, self.samples, self.results) if not path.is_dir()]
            exists = self.run.exists()
        self._confine()
        if missing:
            what = f"is not a run directory (no {', '.join(missing)})" if exists else "does not exist"
            raise NotARunError(f"{self.run} {what}. A run directory is what `solver run` names as its `output.dir`")

    def _refuse_folders(self) -> None:
        """Raises NotARunError where a folder stands in the place of a file of ours."""
        ours = [self.manifest, self.run / "job.yaml", self.run / "README.md", self.swap, self.fingerprint]
        with disk_errors("look into", self.run):
            ours += [self.state / "lock", self.state / "owner.json", *(self.tmp.iterdir() if self.tmp.is_dir() else ())]
            for path in ours:
                if path.is_dir():
                    raise NotARunError(
                        f"{path} is a folder, where a run directory has a file; nothing was touched. Take it away"
                    )

    def _confine(self) -> None:
        """Raises NotARunError where something of ours is a symbolic link: it would lead reading and writing elsewhere.

        The directory itself may be reached by one.
        """
        ours = [self.state, self.samples, self.results, self.manifest, self.run / "job.yaml", self.run / "README.md"]
        with disk_errors("look into", self.run):
            for path in ours:
                if link := str(path) if path.is_symlink() else _link_below(path):
                    raise NotARunError(
                        f"{link} is a symbolic link; a run directory holds its own files, and nothing was touched. "
                        "Put what it points to in its place, or take it away"
                    )


def _link_below(folder: Path) -> str | None:
    """A symbolic link somewhere under a folder, or None; what is no folder holds none."""
    folders = [str(folder)] if folder.is_dir() else []
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_symlink():
                    return entry.path
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
    return None
