"""An export directory -> a dataset on Hugging Face or ModelScope, through their own packages; private unless asked.

The token comes from the environment alone (HF_TOKEN; MODELSCOPE_API_TOKEN) and is never said or written.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from solver.errors import ExportError, Fault, MachineError, SolverError
from solver.redact import redact

_NOTES = ".ms_upload_cache*"  # modelscope's own, left in the directory, to go on from
HUBS = {"hf": "HF_TOKEN", "modelscope": "MODELSCOPE_API_TOKEN"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: hub `hf` or `modelscope`, and OWNER/NAME."""

    hub: str
    name: str

    @classmethod
    def read(cls, text: str) -> "Target":
        """From `hf:OWNER/NAME` or `modelscope:OWNER/NAME`. Raises ExportError."""
        hub, _, name = text.partition(":")
        owner, slash, rest = name.partition("/")
        if hub not in HUBS or not (owner and slash and rest) or "/" in rest:
            raise ExportError(
                [Fault("TARGET", f"`{text}` names no dataset", "Write hf:OWNER/NAME or modelscope:OWNER/NAME")]
            )
        return cls(hub, name)


def push(directory: Path, target: Target, *, public: bool = False) -> str:
    """Upload a whole export; the address of the dataset.

    Raises ExportError for a directory that is no export or a token that is not set (both at once), MachineError
    without the hub's package, SolverError with what the hub said.
    """
    faults = []
    if not (directory / "export.json").is_file():
        faults.append(Fault("DIR", f"{directory} is no export", "Name a directory that `solver export` made"))
    token = os.environ.get(HUBS[target.hub], "")
    if not token:
        faults.append(Fault("environment", f"{HUBS[target.hub]} is not set", "Set it to a token that may write"))
    if faults:
        raise ExportError(faults)
    send = _to_hugging_face if target.hub == "hf" else _to_modelscope
    try:
        return send(directory, target.name, token, public)
    except SolverError:
        raise
    except Exception as error:  # a client raises whatever its transport does; the hub's own words are what helps
        said = redact(str(error).replace(token, "***")) or type(error).__name__
        raise SolverError(f"{target.hub}:{target.name} was not uploaded: {said}") from None


def _to_hugging_face(directory: Path, name: str, token: str, public: bool) -> str:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise MachineError("this needs the package `huggingface_hub`: pip install huggingface_hub") from error
    api = HfApi(token=token)
    address = api.create_repo(name, repo_type="dataset", private=not public, exist_ok=True)
    sent = {"repo_type": "dataset", "folder_path": str(directory), "commit_message": "solver export"}
    api.upload_folder(repo_id=name, **sent, ignore_patterns=[_NOTES])
    return str(address)


def _to_modelscope(directory: Path, name: str, token: str, public: bool) -> str:
    from modelscope.hub.api import HubApi

    api = HubApi(token=token)
    how = {"visibility": "public" if public else "private", "license": _license(directory)}
    api.create_repo(name, token=token, repo_type="dataset", exist_ok=True, **how)
    api.upload_folder(
        repo_id=name, folder_path=str(directory), repo_type="dataset", token=token, commit_message="solver export"
    )
    return f"modelscope:{name}"


def _license(directory: Path) -> str:
    """What the export was given; modelscope would say Apache-2.0 of data that nobody has licensed."""
    return str(json.loads((directory / "export.json").read_text("utf-8")).get("license") or "other")
