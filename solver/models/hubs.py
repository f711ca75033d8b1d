"""The two hubs: a source -> the listing of its files, and a file -> its bytes from any offset on.

Endpoints, tokens, proxies and time limits are those of the hubs' own packages (`modelscope`, `huggingface_hub`), which
are asked for the listing, the addresses and the headers. What is downloaded is decided and verified in pull.py.
"""

import logging
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from solver.errors import Fault, MachineError, ModelError, SolverError, nearest
from solver.models.manifest import is_loaded
from solver.models.sources import HUBS, Source, as_folder, nearest_name

CONNECT_SECONDS, READ_SECONDS = 10, 60
HEXADECIMAL = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
UNKNOWN = ("404", "NotExist", "RepositoryNotFound", "RevisionNotFound", "EntryNotFound")
"""How the hubs' packages say that there is no such thing."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file as its hub lists it. sha256: of its bytes; blob: git's SHA-1 of it; None where the hub tells none."""

    path: str
    size: int
    sha256: str | None = None
    blob: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Every file of one revision. pinned: what the revision asked for stands for: a commit, or a hash of the listing
    where the hub tells no commit."""

    source: Source
    pinned: str
    files: Sequence[RemoteFile]


class Hub(Protocol):
    """Where models are downloaded from."""

    def listing(self) -> Listing:
        """The files of the revision. Raises ModelError where there is no such thing, MachineError without a network."""
        ...

    def open(self, file: RemoteFile, start: int) -> Any:
        """A streaming `requests.Response` that begins at byte `start` if the hub likes. Raises what requests does."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


def hub_of(source: Source) -> Hub:
    """The hub of a source. Raises MachineError where its package is not installed."""
    return ModelScope(source) if source.hub == "modelscope" else HuggingFace(source)


class ModelScope:
    """ModelScope, through the client library of the package modelscope."""

    def __init__(self, source: Source) -> None:
        try:
            from modelscope_hub import HubApi, HubConfig
        except ImportError as error:
            raise MachineError(f"the package modelscope cannot be imported: {error}") from error
        logging.getLogger("modelscope_hub").setLevel(logging.ERROR)  # it warns of every retry on standard error
        self._source, self._make = source, HubApi
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MODELSCOPE_DOMAIN is honoured, however old
            self._config = HubConfig()
        self._api = HubApi(config=self._config)

    def listing(self) -> Listing:
        """The files of the revision, by the address that the package settles on."""
        name, revision = self._source.name, self._source.revision
        try:
            endpoint = self._api.resolve_endpoint_for_read(name)
            self._api = self._make(config=self._config, endpoint=endpoint)
            found = self._api.legacy.list_repo_files(name, "model", revision=revision)
        except Exception as error:  # the package raises dozens of its own and requests' types
            raise refusal(self._source, error, self._revisions) from error
        files = tuple(_of_modelscope(entry) for entry in found if entry.get("Type") != "tree")
        return Listing(self._source, revision if HEXADECIMAL.fullmatch(revision) else _pin(revision, files), files)

    def open(self, file: RemoteFile, start: int) -> Any:
        """The bytes of a file, with the package's session, token and time limits."""
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        return self._api.legacy.download_stream(
            self._source.name, "model", file.path, self._source.revision, headers=headers
        )

    def close(self) -> None:
        """Hang up; the package closes its connections when it is collected."""

    def _revisions(self) -> list[str]:
        return [str(known.get("Revision")) for known in self._api.legacy.list_revisions(self._source.name, "model")]


def _of_modelscope(entry: Mapping[str, Any]) -> RemoteFile:
    sha = str(entry.get("Sha256") or "").lower()
    path = str(entry.get("Path") or entry.get("Name") or "")
    return RemoteFile(path, int(entry.get("Size") or 0), sha or None, None, entry.get("Revision"))


def _pin(revision: str, files: Iterable[RemoteFile]) -> str:
    """A name for what a branch holds now: ModelScope's listing tells no commit of the whole."""
    told = sorted(f"{file.path}\0{file.size}\0{file.sha256}\n" for file in files if is_loaded(file.path))
    return f"{as_folder(revision)}-{blake2b(''.join(told).encode(), digest_size=6).hexdigest()}"


class HuggingFace:
    """Hugging Face, through the package huggingface_hub (it comes with vLLM)."""

    def __init__(self, source: Source) -> None:
        try:
            import huggingface_hub
        except ImportError as error:
            fix = "it comes with vLLM; install an engine extra or use modelscope:"
            raise MachineError(f"hf: needs the package huggingface_hub ({fix})") from error
        import requests

        self._source, self._package = source, huggingface_hub
        self._endpoint = os.environ.get("HF_ENDPOINT") or None
        self._api, self._session = huggingface_hub.HfApi(endpoint=self._endpoint), requests.Session()
        self._commit = source.revision

    def listing(self) -> Listing:
        """The files of the commit that the revision stands for now."""
        try:
            found = self._api.model_info(self._source.name, revision=self._source.revision, files_metadata=True)
        except Exception as error:  # the package raises dozens of its own and its HTTP library's types
            raise refusal(self._source, error, self._revisions) from error
        self._commit = str(found.sha or self._source.revision)
        files = tuple(_of_huggingface(entry) for entry in found.siblings or ())
        return Listing(self._source, as_folder(self._commit), files)

    def open(self, file: RemoteFile, start: int) -> Any:
        """The bytes of a file at that commit; the token goes to the hub and to no other host it sends us to."""
        from huggingface_hub.utils import build_hf_headers

        url = self._package.hf_hub_url(self._source.name, file.path, revision=self._commit, endpoint=self._endpoint)
        headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        headers |= {"Range": f"bytes={start}-"} if start else {}
        response = self._session.get(url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS))
        try:
            response.raise_for_status()
        except Exception:
            response.close()
            raise
        return response

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def _revisions(self) -> list[str]:
        refs = self._api.list_repo_refs(self._source.name)
        return [ref.name for ref in (*refs.branches, *refs.tags)]


def _of_huggingface(entry: Any) -> RemoteFile:
    large = entry.lfs
    sha256 = None if large is None else getattr(large, "sha256", None) or large["sha256"]
    size = entry.size if large is None else getattr(large, "size", None) or entry.size
    return RemoteFile(entry.rfilename, int(size or 0), sha256, None if large else entry.blob_id)


def refusal(source: Source, error: Exception, revisions: Callable[[], list[str]]) -> SolverError:
    """What a hub's error means to the user: a wrong name, a wrong revision, no right to read, or no network."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    said = f"{type(error).__name__} {text}"
    if not any(sign in said for sign in UNKNOWN):
        fix = "Check the name, the network and the hub's access token, or give a local directory as model.source"
        return MachineError(f"{source} could not be downloaded: {text}. {fix}")
    try:
        known = [name for name in revisions() if name and name != "None"]
    except Exception:  # whatever it is: then not even the model's name is known there
        hint = nearest_name(source.plain) or "Check the spelling of OWNER/NAME, and the access token if it is private"
        return ModelError([Fault("model.source", f"{HUBS[source.hub][0]} has no model {source.name}", hint)])
    if source.revision in known:
        return MachineError(f"{source} could not be downloaded: {text}")
    what = f"{source.plain} has no revision `{source.revision}`"
    return ModelError([Fault("model.revision", what, nearest(source.revision, known) if known else "")])
