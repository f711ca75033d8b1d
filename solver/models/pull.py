"""Pull: a source -> a verified directory on this machine, with our manifest.

    list -> keep or link what is here already -> fetch the rest -> check index and shards -> manifest, last

Every file is compared with the hub's listing: size, and SHA-256 or git's hash. Files that the hubs' own packages
downloaded before are linked and not fetched again. One process pulls a model at a time; a second one waits and finds
it done. Without a network a whole copy in such a cache is taken over as it is, and said so.
"""

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from solver.errors import DiskFullError, Fault, MachineError, ModelError
from solver.models import manifest, places, weights
from solver.models.bring import Bringing
from solver.models.fetch import StoppedError, disk_trouble
from solver.models.hubs import Hub, Listing, RemoteFile, hub_of
from solver.models.manifest import Entry, Manifest
from solver.models.publish import publish, without_hub
from solver.models.sources import HUBS, Source
from solver.models.workers import Meter, in_parallel, readable

Say = Callable[[str], None]


def pull(source: Source, say: Say = lambda _: None, *, live: bool = False, anew: bool = True) -> Path:
    """The model's directory, after everything in it was compared with the hub's listing.

    live: show a line of progress on a terminal; anew: ask the hub whether the revision stands for something else now,
    also where another process pulled it meanwhile. Raises ModelError for what the hub does not have, MachineError for
    network, disk and missing packages.
    """
    with _alone(source, say):
        if not anew and (directory := places.pulled(source)) is not None:
            return directory
        try:
            hub = hub_of(source)
            listing = hub.listing()
        except MachineError as error:
            return without_hub(source, error, say)
        with closing(hub):
            return _bring(hub, listing, Meter(say, live=live))


@contextmanager
def _alone(source: Source, say: Say) -> Iterator[None]:
    """Hold the model's lock. Raises MachineError where nothing can be written."""
    from filelock import FileLock, Timeout

    place = places.folder(source)
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place / ".lock")
        try:
            lock.acquire(timeout=0.1)
        except Timeout:
            say(f"another process is pulling {source}: waiting for it")
            lock.acquire()
    except NotImplementedError as error:
        raise MachineError(f"{place}: its file system has no locks. Set SOLVER_HOME to another directory") from error
    except OSError as error:
        raise disk_trouble(error, place) from error
    try:
        yield
    finally:
        lock.release()


def _bring(hub: Hub, listing: Listing, meter: Meter) -> Path:
    """Everything of a listing, in its directory, and the manifest."""
    source, directory = listing.source, places.folder(listing.source) / listing.pinned
    files = wanted(listing)
    small = [file for file in files if not file.path.endswith(".safetensors")]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        work = Bringing(hub, listing, directory, meter, _known(directory))
        entries = _all(work, small)
        large = _shards(directory, source, [file for file in files if file not in small])
        _enough_room(work, large)
        entries |= _all(work, large)
        if shard := weights.torn(directory, (file.path for file in large)):
            what = f"{source}: {shard}, as its hub has it"
            raise ModelError([Fault("model.source", what, "Ask its owner to mend it, or choose another revision")])
        origin = f"compared with the listing of {HUBS[source.hub][0]}"
        publish(source, directory, Manifest(str(source), listing.pinned, origin, entries), meter.say)
    except OSError as error:
        raise disk_trouble(error, directory) from error
    meter.say(_summary(work, entries))
    return directory


def _known(directory: Path) -> Mapping[str, Entry]:
    """What an older manifest says; one that cannot be read says nothing, and everything is compared anew."""
    try:
        known = manifest.read(directory)
    except ModelError:
        known = None
    return known.files if known else {}


def _all(work: Bringing, files: Sequence[RemoteFile]) -> dict[str, Entry]:
    """Every file, several at a time."""
    work.meter.total += sum(file.size for file in files)
    found = in_parallel(work.bring, files, work.stop, work.meter.show, StoppedError)
    return {file.path: entry for file, entry in zip(files, found, strict=True)}


def wanted(listing: Listing) -> list[RemoteFile]:
    """The files of a listing that are part of a model. Raises ModelError where there is none, or a name leads out."""
    source = listing.source
    outside = [file.path for file in listing.files if not manifest.is_inside(file.path)]
    if outside:
        what = f"{source} lists a file outside of its directory: {outside[0]!r}"
        raise ModelError([Fault("model.source", what, "Nothing was downloaded; do not use this repository")])
    files = [file for file in listing.files if manifest.is_loaded(file.path)]
    names = {file.path for file in files}
    if "config.json" not in names:
        raise ModelError([Fault("model.source", f"{source} has no config.json", "It is no model that vLLM can load")])
    if not any(name.endswith(".safetensors") for name in names):
        fix = "Pickled weights (*.bin, *.pt) are never loaded: they can run code"
        raise ModelError([Fault("model.source", f"{source} has no *.safetensors", fix)])
    return files


def _shards(directory: Path, source: Source, listed: Sequence[RemoteFile]) -> Sequence[RemoteFile]:
    """The weights that the index names: repositories hold further copies that no engine would load."""
    if not (directory / weights.INDEX).is_file():
        return listed
    try:
        named = weights.shards(directory)
    except (ValueError, OSError) as error:
        raise ModelError([Fault("model.source", f"{source}: {weights.INDEX} cannot be read: {error}")]) from error
    lost = sorted(set(named) - {file.path for file in listed})
    if lost:
        what = f"{source} lacks {len(lost)} of the {len(named)} shards that its index names, {lost[0]} first"
        raise ModelError([Fault("model.source", what, "Ask its owner to mend it, or choose another revision")])
    return [file for file in listed if file.path in named]


def _enough_room(work: Bringing, files: Sequence[RemoteFile]) -> None:
    """Raise DiskFullError before the first byte of weights where they cannot fit."""
    need, free = sum(map(work.missing_bytes, files)), shutil.disk_usage(work.directory).free
    if need > free:
        what = f"{work.directory} has {readable(free)} free, {readable(need)} are still to be downloaded"
        raise DiskFullError(f"{what}. Make room, or set SOLVER_HOME to a directory on another disk")


def _summary(work: Bringing, entries: Mapping[str, Entry]) -> str:
    linked = (f"{number} from {whose}" for whose, number in sorted(work.linked.items()))
    kept = len(entries) - work.fetched - sum(work.linked.values())
    parts = [f"{work.fetched} downloaded", *linked, *([f"{kept} here already"] if kept else [])]
    size = readable(sum(entry.size for entry in entries.values()))
    told = f"{len(entries)} files, {size}, verified: {', '.join(parts)}"
    return f"{work.listing.source}: {told}; revision {work.listing.pinned}"


def verify(directory: Path, say: Say = lambda _: None, *, live: bool = False) -> list[str]:
    """What differs after reading every byte of a directory with a manifest.

    Where nothing does, the files' times are noted anew, so that a copied directory can be used; what differs is noted
    too, so that no run starts from it and `pull` mends it. Raises ModelError without a manifest, MachineError.
    """
    known = manifest.read(directory)
    if known is None:
        what = "holds no manifest of solver, so nothing is known about its bytes"
        raise ModelError([Fault(str(directory), what, "Only what `solver models pull` brought can be verified")])
    meter = Meter(say, live=live, verb="read")
    meter.total = sum(entry.size for entry in known.files.values())

    def read(name: str) -> str:
        return manifest.differs(directory / name, known.files[name], meter.add)

    found = in_parallel(read, list(known.files), threading.Event(), meter.show, StoppedError)
    wrong = {name: why for name, why in zip(known.files, found, strict=True) if why}
    noted = manifest.noted(directory, known, wrong)
    if noted != known:
        try:
            manifest.write(directory, replace(noted))
        except OSError as error:
            raise disk_trouble(error, directory) from error
    return [*(f"{name} {why}" for name, why in wrong.items()), *manifest.added_told(directory, known)]
