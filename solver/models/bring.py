"""One file of a pull -> in its place, compared with the hub's listing: kept, linked from another place, or fetched."""

import os
import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from solver.errors import Fault, ModelError
from solver.models import manifest, places
from solver.models.fetch import Fetcher, differs, disk_trouble
from solver.models.hubs import Hub, Listing, RemoteFile
from solver.models.manifest import Entry
from solver.models.workers import Meter

COPIED = 2**20  # bytes; smaller files are copied, so that editing one edits no cache


@dataclass(slots=True)
class Bringing:
    """One pull under way. known: what an older manifest says of the directory; linked: how many files other places had,
    by whose they are; fetched: how many were downloaded."""

    hub: Hub
    listing: Listing
    directory: Path
    meter: Meter
    known: Mapping[str, Entry]
    stop: threading.Event = field(default_factory=threading.Event)
    linked: dict[str, int] = field(default_factory=dict)
    fetched: int = 0

    def bring(self, file: RemoteFile) -> Entry:
        """Put one file where it belongs, from here if it is here. Runs in many threads. Raises what Fetcher does."""
        target = self.directory / file.path
        try:
            entry = self._kept(file, target) or self._found(file, target)
            if entry is not None:
                return entry
            partial = self.partial(file)
            found = Fetcher(self.hub, self.meter.add, self.stop).fetch(file, partial)
            partial.replace(target)
            self.fetched += 1
            return manifest.entry_of(target, told(file), found)
        except OSError as error:
            raise disk_trouble(error, target) from error

    def partial(self, file: RemoteFile) -> Path:
        """Where a file arrives. Named by what is expected: another revision with the same file goes on from it too."""
        name = f"{file.path[-100:]} {(file.sha256 or file.blob or self.listing.pinned)[:24]} {file.size}"
        return self.directory.parent / ".partial" / quote(name, safe=" ").replace(" ", "_")

    def missing_bytes(self, file: RemoteFile) -> int:
        """How many bytes may have to be downloaded, by sizes alone."""
        at_hand = [self.directory / file.path, *self._copies(file)]
        if any(path.is_file() and path.stat().st_size == file.size for path in at_hand):
            return 0
        partial = self.partial(file)
        return file.size - min(file.size, partial.stat().st_size if partial.is_file() else 0)

    def _kept(self, file: RemoteFile, target: Path) -> Entry | None:
        """A file that is in its place already."""
        _make_room(target, self.directory)
        if not target.is_file() or (seen := target.stat()).st_size != file.size:
            return None
        known = self.known.get(file.path)
        if known is not None and seen.st_mtime_ns == known.mtime_ns and known.told == told(file):
            self.meter.have(file.size)
            return known
        found = manifest.digests(target)
        if differs(file, found):
            return None
        self.meter.have(file.size)
        return manifest.entry_of(target, told(file), found)

    def _found(self, file: RemoteFile, target: Path) -> Entry | None:
        """A copy elsewhere on this machine, linked once its bytes were compared."""
        for place in self._copies(file):
            if not place.is_file() or place.stat().st_size != file.size:
                continue
            found = manifest.digests(place)
            if differs(file, found):
                continue
            link(place, target)
            self.meter.have(file.size)
            whose = places.whose(place)
            self.linked[whose] = self.linked.get(whose, 0) + 1
            return manifest.entry_of(target, told(file), found)
        return None

    def _copies(self, file: RemoteFile) -> list[Path]:
        """Where else a file may be. None that the hub told no hash of: a size alone shows nothing."""
        hashes = (file.sha256, file.blob)
        return list(places.copies(self.listing.source, file.path, hashes)) if any(hashes) else []


def _make_room(target: Path, directory: Path) -> None:
    """The folder of a file, which must not lead out of the model's directory by a link."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(directory.resolve()):
        raise ModelError([Fault(str(target.parent), "leads out of the model's directory", "Remove that link")])


def told(file: RemoteFile) -> str:
    """What the hub said about a file, as the manifest keeps it."""
    return f"sha256:{file.sha256}" if file.sha256 else f"blob:{file.blob}" if file.blob else "size"


def link(place: Path, target: Path) -> None:
    """The same file in another place: a hard link, a symbolic one across file systems; a small one is copied."""
    real, temporary = place.resolve(), target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    if real.stat().st_size <= COPIED:
        shutil.copyfile(real, temporary)
    else:
        try:
            os.link(real, temporary)
        except OSError:  # another file system, or one without links of this kind
            temporary.symlink_to(real)
    temporary.replace(target)
