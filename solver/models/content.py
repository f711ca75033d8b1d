"""A model directory -> one hash per part that changes what it says.

The weights are hashed whole, once: the manifest of a pulled model has the result, for any other directory it is kept
under the user's cache directory by path, size and modification time. No second start reads 17 GB again.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from solver.models.manifest import known_hashes

CHUNK = 8 * 2**20
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)
CONFIG_FILES = ("config.json", "generation_config.json")


def model_facts(path: Path, *, at_most: int | None = None, trusted: bool = False) -> dict[str, str]:
    """`model.weights`, `model.config` and `model.tokenizer` -> hex digests of 128 bits.

    at_most: bytes of weights to read; `model.weights` is left out where more of them were never hashed; trusted: the
    model's own code runs too, so its *.py are `model.code`.
    """
    weights = sorted(path.glob("*.safetensors"))
    digest = hashlib.blake2b(digest_size=16)
    known = _remembered(weights, at_most)
    for file, value in (known or {}).items():
        digest.update(f"{file} {value}\n".encode())
    told = {} if known is None else {"model.weights": digest.hexdigest() if weights else "none"}
    code = {"model.code": _small(path, sorted(_code(path)))} if trusted else {}
    return (
        told
        | code
        | {
            "model.config": _small(path, CONFIG_FILES),
            "model.tokenizer": _small(path, TOKENIZER_FILES),
        }
    )


def _code(path: Path) -> Iterator[str]:
    """Every *.py of a model, in folders too, but for the views that were made in it."""
    for file in path.rglob("*.py"):
        name = file.relative_to(path)
        if name.parts[0] != "prepared" and not any(part.startswith(".") for part in name.parts):
            yield name.as_posix()


def _small(path: Path, names: Iterable[str]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in names:
        file = path / name
        if file.is_file():
            digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _hash(file: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _remembered(weights: list[Path], at_most: int | None) -> dict[str, str] | None:
    """File name -> digest, reading only files that are new or changed since they were last hashed.

    None where these are larger than `at_most` bytes together.
    """
    memory = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "solver" / "weights.json"
    try:
        read = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        read = None
    known = read if isinstance(read, dict) else {}
    found, fresh = {}, {}
    stats = {file: file.stat() for file in weights}
    tags = {file: f"{file.resolve()}:{s.st_size}:{s.st_mtime_ns}:{s.st_ino}" for file, s in stats.items()}
    known |= {tags[file]: value for file in weights if tags[file] not in known and (value := _in_manifest(file))}
    unread = sum(stat.st_size for file, stat in stats.items() if tags[file] not in known)
    if at_most is not None and unread > at_most:
        return None
    for file, tag in tags.items():
        found[file.name] = known.get(tag) or _hash(file)
        fresh[tag] = found[file.name]
    if fresh.items() - known.items():
        _remember(memory, {**known, **fresh})
    return found


def _in_manifest(file: Path) -> str | None:
    """The hash that was noted when the model was pulled, of a file or of what it is a link to."""
    while True:
        if value := known_hashes(file.parent, [file.name]).get(file.name):
            return value
        if not file.is_symlink():
            return None
        file = file.parent / file.readlink()


def _remember(memory: Path, known: dict[str, str]) -> None:
    """Best effort: a cache that cannot be written costs only the next start's hashing."""
    temporary = memory.with_name(f"{memory.name}.{os.getpid()}")
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(known), "utf-8")
        temporary.replace(memory)
    except OSError:
        return
