"""A model's name in a job -> a local directory, and what in it decides the distribution of samples.

In: `modelscope:OWNER/NAME`, `hf:OWNER/NAME` or a path. Out: `LocalModel`. `find` never touches the
network (for `check`); `resolve` downloads what is missing (for `run`). The tokenizer is in
models/tokenizer.py, the hash of a model's content in models/content.py.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solver.errors import Fault, MachineError, ModelError

DOWNLOAD = ("*.json", "*.safetensors", "*.model", "*.py", "*.jinja", "*.txt")
"""What is fetched of a model: never pickled weights."""

UNKNOWN = ("404", "NotExist", "RepositoryNotFound", "RevisionNotFound")
"""How the hubs' packages say that there is no such model."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A model on this machine: its directory and its two configuration files."""

    source: str
    path: Path
    config: Mapping[str, Any]
    generation: Mapping[str, Any]

    @property
    def context(self) -> int | None:
        """Rows of the position table: `max_position_embeddings`, in tokens.

        Rope scaling is left out on purpose: engines multiply by its factor, but the table of a
        dynamic-NTK model (InternLM3) has only these rows.
        """
        length = self.config.get("max_position_embeddings")
        return int(length) if length else None

    @property
    def complete(self) -> bool:
        """Whether every shard that the index names is there, so that no hub need be asked."""
        return not self.missing

    @property
    def missing(self) -> str:
        """The weights that are not there, in words; "" when none is missing."""
        index = _json(self.path / "model.safetensors.index.json").get("weight_map", {})
        shards = sorted(set(map(str, index.values()))) if isinstance(index, dict) else []
        lost = [shard for shard in shards if not (self.path / shard).is_file()]
        if lost:
            return f"{len(lost)} of {len(shards)} files, {lost[0]} first"
        return "" if any(self.path.glob("*.safetensors")) else "no *.safetensors"

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Every end-of-sequence id that the generation config or the config names."""
        ids: list[int] = []
        for source in (self.generation, self.config):
            eos = source.get("eos_token_id")
            ids += eos if isinstance(eos, list) else [] if eos is None else [eos]
        return tuple(sorted(set(ids)))


def find(source: str, revision: str = "master") -> LocalModel | None:
    """The model if it already lies on this machine, else None. Reads no network.

    A path that is not a model directory raises ModelError: a path never falls through to a download.
    """
    hub, _, name = source.partition(":")
    if hub not in ("modelscope", "hf") or not name:
        return open_directory(source, Path(source))
    for directory in _cached(hub, name, revision):
        if (directory / "config.json").is_file():
            return open_directory(source, directory)
    return None


def resolve(source: str, revision: str = "master") -> LocalModel:
    """The model's local directory, downloading from its hub what is missing.

    Raises ModelError for an unknown name or a broken directory, MachineError when the hub cannot
    be reached or its package is not installed.
    """
    hub, _, name = source.partition(":")
    if hub not in ("modelscope", "hf") or not name:
        return open_directory(source, Path(source))
    download = _from_modelscope if hub == "modelscope" else _from_huggingface
    return open_directory(source, download(name, revision))


def open_directory(source: str, path: Path) -> LocalModel:
    """Read a model directory's configuration. Raises ModelError when it is not one."""
    if not (path / "config.json").is_file():
        what = ": that is a file" if path.is_file() else "" if path.is_dir() else ": there is no such directory"
        fix = "Give a directory that holds config.json, or modelscope:OWNER/NAME"
        raise ModelError([Fault("model.source", f"no config.json in {path}{what}", fix)])
    config, generation = (_json(path / name) for name in ("config.json", "generation_config.json"))
    return LocalModel(source, path.resolve(), config, generation)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        loaded = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError([Fault(str(path), f"cannot be read: {error}", "Download the model again")]) from error
    return loaded if isinstance(loaded, dict) else {}


def _cached(hub: str, name: str, revision: str) -> Iterator[Path]:
    """Where the hubs' own packages keep a model, newest layout first."""
    owner, _, short = name.partition("/")
    if hub == "hf":
        home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface")).expanduser()
        hub_dir = Path(os.environ.get("HF_HUB_CACHE", home / "hub")) / f"models--{owner}--{short}"
        ref = hub_dir / "refs" / ("main" if revision == "master" else revision)
        yield hub_dir / "snapshots" / (ref.read_text().strip() if ref.is_file() else revision)
        return
    cache = Path(os.environ.get("MODELSCOPE_CACHE", "~/.cache/modelscope")).expanduser()
    for root in (cache, cache / "hub"):
        yield root / "models" / f"{owner}--{short}" / "snapshots" / revision
        for spelled in (short, short.replace(".", "___")):
            yield root / "models" / owner / spelled
            yield root / owner / spelled


def _from_modelscope(name: str, revision: str) -> Path:
    try:
        from modelscope import snapshot_download
    except ImportError as error:
        raise MachineError(f"the package modelscope cannot be imported: {error}") from error
    return _download(f"modelscope:{name}", lambda: snapshot_download(name, revision=revision, allow_patterns=DOWNLOAD))


def _from_huggingface(name: str, revision: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        fix = "it comes with vLLM; install an engine extra or use modelscope:"
        raise MachineError(f"hf: needs the package huggingface_hub ({fix})") from error
    wanted = "main" if revision == "master" else revision
    return _download(f"hf:{name}", lambda: snapshot_download(name, revision=wanted, allow_patterns=list(DOWNLOAD)))


def _download(label: str, fetch: Any) -> Path:
    try:
        return Path(fetch())
    except Exception as error:  # the hubs' packages raise dozens of their own and requests' types
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        if any(sign in f"{type(error).__name__} {text}" for sign in UNKNOWN):
            fault = Fault("model.source", f"{label}: {text}", "Check the spelling of OWNER/NAME")
            raise ModelError([fault]) from error
        fix = "Check the name, the network and the hub's access token, or give a local directory as model.source"
        raise MachineError(f"{label} could not be downloaded: {text}. {fix}") from error
