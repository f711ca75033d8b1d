"""Which files: an `InputSpec` in, a sorted list of files of one format out.

First station of the input room; looks at names only, never into a file.
A folder is read as Hugging Face reads it: a split is named by `test-00000-of-00003.parquet`, by a word
of the file's name (`test.jsonl`, `my_test.csv`) or by a folder (`test/part1.parquet`).
"""

import glob
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from solver.errors import Fault, InputError, nearest

ROW_CAP = 64 * 2**20
"""Bytes that one row may take; more is a fault, whatever the file claims."""

FORMATS = {".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv"}
_KNOWN = "`.parquet`, `.jsonl`, `.json` (one object a line), `.csv`, and `.gz` of the text ones"
_METADATA = frozenset({"dataset_info.json", "dataset_infos.json", "state.json", "manifest.json"})
_MOST_SHOWN = 50
_SHARD = re.compile(r"(\w+(?:\.\w+)*)-\d{5}-of-\d{5}")
_SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}


@dataclass(frozen=True, slots=True)
class InputSpec:
    """What the job says about its input.

    path: a file, a folder or a glob. problem, answer, id: column names; None finds one by the common
    names. limit: read only so many rows from the front. split: which split of a folder. without: those of `answer`
    and `id` that no column is to be used for. skip_bad: leave out files of a set that cannot be read, and say so.
    keep_bad: problems that cannot be asked are failed rows however many they are.
    """

    path: str
    problem: str | None = None
    answer: str | None = None
    id: str | None = None
    limit: int | None = None
    split: str | None = None
    without: frozenset[str] = frozenset()
    skip_bad: bool = False
    keep_bad: bool = False


class BadFileError(InputError):
    """One file of a set cannot be read; carries it, so that it can be left out where the job says so."""

    def __init__(self, file: Path, fault: Fault) -> None:
        self.file = file
        super().__init__([fault])


@dataclass(frozen=True, slots=True)
class Found:
    """The files to read, in order, their one format ("parquet", "jsonl", "csv"), and what to say about them."""

    files: tuple[Path, ...]
    format: str
    notes: tuple[str, ...] = ()


def find_files(spec: InputSpec) -> Found:
    """The files that `spec.path` means, sorted by path.

    Raises InputError: nothing there, an unknown or mixed format, several splits and none asked for.
    """
    path = Path(spec.path)
    try:
        files, root = _look(path)
        if not files:
            raise _fault(f"0 rows matched `{path}`: {_what_is_there(path)}")
    except OSError as error:
        raise _fault(f"`{path}` cannot be looked at: {error.strerror}") from error
    notes: list[str] = []
    if spec.split is not None or len(files) > 1:
        files = _choose_split(spec, files, root, ask=path.is_dir(), notes=notes)
    folders = sorted({str(file.parent.relative_to(root)) for file in files})
    if len(folders) > 1:
        shown = ", ".join(f"`{folder}`" for folder in folders[:5]) + (", ..." if len(folders) > 5 else "")
        notes.append(f"{len(files)} files of {len(folders)} folders are read as one table: {shown}")
    return Found(tuple(files), _one_format(files), tuple(notes))


def format_of(file: Path) -> str | None:
    """The format that a file's name promises, or None; `.gz` counts for text formats only."""
    name = file.name.lower()
    zipped = name.endswith(".gz")
    known = FORMATS.get(Path(name.removesuffix(".gz")).suffix)
    return None if zipped and known == "parquet" else known


def _look(path: Path) -> tuple[list[Path], Path]:
    """Data files under a path, and the folder that split names are read against."""
    if path.is_file():
        return [path], path.parent
    if path.is_dir():
        return _walk(path), path
    names = glob.glob(str(path), recursive=True) if glob.has_magic(str(path)) else []
    files = sorted(map(Path, names))
    return [file for file in files if file.is_file() and file.name not in _METADATA], _fixed_part(path)


def _walk(folder: Path) -> list[Path]:
    """Data files under a folder; hidden ones, `_private` ones and dataset metadata are passed over."""
    files = []
    for file in sorted(folder.rglob("*")):
        inside = file.relative_to(folder).parts
        if any(part.startswith((".", "_")) for part in inside) or file.name in _METADATA:
            continue
        if format_of(file) and file.is_file():
            files.append(file)
    return files


def _fixed_part(pattern: Path) -> Path:
    """The folder in front of a glob's first wildcard."""
    fixed = Path()
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed /= part
    return fixed


def _what_is_there(path: Path) -> str:
    if path.is_dir():
        others = sorted({file.suffix or file.name for file in path.rglob("*") if file.is_file()})[:5]
        return "the folder holds " + (f"only {', '.join(others)}" if others else "nothing") + f". Readable: {_KNOWN}"
    return "no file matches the pattern" if glob.has_magic(str(path)) else "no such file or folder"


def _one_format(files: list[Path]) -> str:
    """The single format of all files; raises InputError naming a file of each when they differ."""
    kinds: dict[str | None, list[Path]] = {}
    for file in files:
        kinds.setdefault(format_of(file), []).append(file)
    if None in kinds:
        raise _fault(f"`{kinds[None][0]}` is of no format that can be read", f"Readable: {_KNOWN}")
    if len(kinds) > 1:
        shown = ", ".join(f"{len(found)} {kind} (`{found[0]}`)" for kind, found in sorted(kinds.items(), key=str))
        raise _fault(f"files of several formats: {shown}", "Set input.path to a glob that matches one format")
    return str(next(iter(kinds)))


def _choose_split(spec: InputSpec, files: list[Path], root: Path, *, ask: bool, notes: list[str]) -> list[Path]:
    """The files of the wanted split. With none wanted: all of them, unless `ask` and there are several."""
    splits: dict[str, list[Path]] = {}
    for file in files:
        splits.setdefault(split_of(file.relative_to(root)) or "", []).append(file)
    named = sorted(filter(None, splits))
    if spec.split is not None:
        wanted = _split_name(spec.split)
        if wanted not in named:
            fix = nearest(wanted, named) if named else "No file names a split: leave input.split out"
            raise InputError([Fault("input.split", f"no split `{spec.split}` in `{spec.path}`", fix)])
        return splits[wanted]
    if len(splits) > 1:
        shown = ", ".join(f"`{name}` ({_files(len(splits[name]))})" for name in named)
        shown += f", and {_files(len(splits['']))} of no split" if "" in splits else ""
        if ask:
            fix = f"Set input.split: {'test' if 'test' in named else named[0]}"
            raise InputError([Fault("input.split", f"`{spec.path}` holds several splits: {shown}", fix)])
        notes.append(f"files of several splits are read as one table: {shown}")
    return files


def split_of(inside: Path) -> str | None:
    """The split that a path (relative to the dataset's folder) names, or None: file name first, then folders."""
    if shard := _SHARD.match(inside.name):
        return _split_name(shard[1])
    for part in reversed(inside.parts):
        for word in re.split(r"[-._ \d]+", part.lower()):
            if any(word in words for words in _SPLITS.values()):
                return _split_name(word)
    return None


def _split_name(word: str) -> str:
    """`dev` -> `validation`: the usual spellings of the three usual splits are one."""
    return next((name for name, words in _SPLITS.items() if word.lower() in words), word)


def _files(count: int) -> str:
    return f"{count} file" + ("s" if count != 1 else "")


def _fault(what: str, fix: str = "") -> InputError:
    return InputError([Fault("input.path", what, fix)])


def refuse(faults: Sequence[Fault]) -> InputError:
    """The error that carries these faults, or the first of very many."""
    more = [Fault("input", f"and {len(faults) - _MOST_SHOWN} more faults")] if len(faults) > _MOST_SHOWN else []
    return InputError([*faults[:_MOST_SHOWN], *more])


def name_list(names: Iterable[str], most: int = 30) -> str:
    """Names for a message: `a`, `b`, ..."""
    every = list(names)
    return (
        "nothing"
        if not every
        else ", ".join(f"`{name}`" for name in every[:most]) + (", ..." if len(every) > most else "")
    )
