"""A hub on the loopback: ModelScope's and Hugging Face's API shapes over one repository, with faults on demand.

The shapes are those that modelscope-hub 0.5 and huggingface_hub 2.4 ask for: a listing with sizes and hashes, a file
with `Range`, the branches; Hugging Face sends large files to another place by a redirect.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

NAME = "Owner/internlm3-tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = (".safetensors", ".model")


@dataclass
class FakeHub:
    """What is served, what goes wrong, and what was asked.

    cuts: file -> how many answers break off half way through what was asked; flips: file -> how many answers have one
    byte changed; gone: files that are listed and not there; hide: files left out of the listing; also: names listed
    besides; pause: seconds between pieces; ranges: whether `Range` is honoured; token: what is asked of everybody.
    """

    files: dict[str, bytes]
    name: str = NAME
    revisions: Mapping[str, str] = field(default_factory=lambda: {"master": COMMIT, "main": COMMIT, "v1.0": COMMIT})
    cuts: Counter[str] = field(default_factory=Counter)
    flips: Counter[str] = field(default_factory=Counter)
    gone: set[str] = field(default_factory=set)
    hide: set[str] = field(default_factory=set)
    also: set[str] = field(default_factory=set)
    pause: float = 0.0
    ranges: bool = True
    token: str = ""
    asked: list[str] = field(default_factory=list)
    sent: Counter[str] = field(default_factory=Counter)
    url: str = ""

    @property
    def downloads(self) -> list[str]:
        """The files that were asked for, once per request."""
        return [line.removeprefix("file ") for line in self.asked if line.startswith("file ")]

    def listed(self) -> dict[str, bytes]:
        """The listing's names and what they hold."""
        return {n: b for n, b in self.files.items() if n not in self.hide} | dict.fromkeys(self.also, b"{}")


@contextmanager
def serving(files: Mapping[str, bytes]) -> Iterator[FakeHub]:
    """A hub that answers on a port of its own until the block ends."""
    hub = FakeHub(dict(files))

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    served: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub, url = self.served, urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if hub.token and parts[0] != "cdn" and self.headers.get("Authorization") != f"Bearer {hub.token}":
            hub.asked.append("without a token")
            self.say(401, {"Code": 401, "Message": "log in", "error": "log in"})
        elif parts[0] == "cdn":
            assert not self.headers.get("Authorization"), "a token was sent to another place than the hub"
            self.file("/".join(parts[1:]))
        elif parts[:3] == ["api", "v1", "models"]:
            self.modelscope(parts[3:], query)
        else:
            self.huggingface(parts)

    def modelscope(self, parts: list[str], query: Mapping[str, str]) -> None:
        hub = self.served
        if "/".join(parts[:2]) != hub.name:
            hub.asked.append("unknown model")
            self.say(404, {"Code": 10010205001, "Message": "model not exists", "Success": False})
        elif parts[2:] == ["revisions"]:
            hub.asked.append("revisions")
            known = {"Branches": [{"Revision": "master"}], "Tags": [{"Revision": "v1.0"}]}
            self.say(200, {"Code": 200, "Data": {"RevisionMap": known}, "Success": True})
        elif query.get("Revision") not in hub.revisions:
            hub.asked.append("unknown revision")
            self.say(404, {"Code": 10010205002, "Message": "revision not exists", "Success": False})
        elif parts[2:] == ["repo", "files"]:
            hub.asked.append("listing")
            entries = [self.entry(name, content) for name, content in hub.listed().items()]
            tree = {"Name": "folder", "Path": "folder", "Type": "tree", "Size": 0}
            self.say(200, {"Code": 200, "Data": {"Files": [tree, *entries]}, "Success": True})
        else:
            self.file(query["FilePath"])

    @staticmethod
    def entry(name: str, content: bytes) -> dict[str, Any]:
        sha, large = hashlib.sha256(content).hexdigest(), name.endswith(LARGE)
        told = {"Name": Path(name).name, "Path": name, "Size": len(content), "Sha256": sha, "Type": "blob"}
        return told | {"IsLFS": large, "Revision": COMMIT, "Mode": "33188", "CommittedDate": 1_736_900_000}

    def huggingface(self, parts: list[str]) -> None:
        hub = self.served
        if parts[:2] == ["api", "models"]:
            name, rest = "/".join(parts[2:4]), parts[4:]
            if name != hub.name:
                hub.asked.append("unknown model")
                self.say(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            elif rest[:1] == ["refs"]:
                hub.asked.append("revisions")
                refs = [{"name": n, "ref": f"refs/heads/{n}", "targetCommit": c} for n, c in hub.revisions.items()]
                self.say(200, {"branches": refs, "converts": [], "tags": []})
            elif rest[:1] == ["revision"] and rest[1] not in {*hub.revisions, *hub.revisions.values()}:
                hub.asked.append("unknown revision")
                self.say(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
            else:
                hub.asked.append("listing")
                siblings = [self.sibling(path, content) for path, content in hub.listed().items()]
                commit = hub.revisions.get(rest[1] if rest else "main", COMMIT)
                self.say(200, {"id": hub.name, "sha": commit, "siblings": siblings})
        elif parts[2] == "resolve" and "/".join(parts[:2]) == hub.name:
            name = "/".join(parts[4:])
            if name.endswith(LARGE) and name not in hub.gone:  # to a host of another name, as the hub does
                port = self.server.server_address[1]
                self.say(302, {}, {"Location": f"http://localhost:{port}/cdn/{name}"})
            else:
                self.file(name)

    @staticmethod
    def sibling(name: str, content: bytes) -> dict[str, Any]:
        blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        told: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob}
        if name.endswith(LARGE):
            sha = hashlib.sha256(content).hexdigest()
            told |= {"lfs": {"sha256": sha, "size": len(content), "pointerSize": 130}, "blobId": "0" * 40}
        return told

    def file(self, name: str) -> None:
        hub = self.served
        hub.asked.append(f"file {name}")
        if name in hub.gone or name not in hub.listed():
            self.say(404, {"Code": 404, "Message": "no such file"}, {"X-Error-Code": "EntryNotFound"})
            return
        content, start = hub.listed()[name], 0
        if hub.ranges and (wanted := self.headers.get("Range")):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        body = bytearray(content[start:])
        if hub.flips[name] > 0:
            hub.flips[name] -= 1
            body[len(body) // 2] ^= 1
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if hub.cuts[name] > 0:
            hub.cuts[name] -= 1
            self.pieces(name, body[: len(body) // 2])
            self.close_connection = True
            return
        self.pieces(name, body)

    def pieces(self, name: str, body: bytearray) -> None:
        try:
            for at in range(0, len(body), 64 * 2**10):
                piece = bytes(body[at : at + 64 * 2**10])
                self.wfile.write(piece)
                self.served.sent[name] += len(piece)
                time.sleep(self.served.pause)
        except OSError:  # the other side hung up
            self.close_connection = True

    def say(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)


def shard(tensors: Mapping[str, int], seed: int) -> bytes:
    """A safetensors file with tensors of so many bytes each."""
    header, at, body = {}, 0, b""
    for name, size in tensors.items():
        header[name] = {"dtype": "U8", "shape": [size], "data_offsets": [at, at + size]}
        at += size
        body += hashlib.shake_128(f"{seed} {name}".encode()).digest(size)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def repository(abacus: Path) -> dict[str, bytes]:
    """Shaped like InternLM3's: remote code, three shards and an index whose total is wrong, a sentencepiece model,
    pickled weights and pictures that nobody needs. The tokenizer is that of the demo model, so that prompts render."""
    sizes = {f"model-0000{n}-of-00003.safetensors": 400_000 + 10_000 * n for n in (1, 2, 3)}
    shards = {name: shard({f"layers.{n}.weight": size}, n) for n, (name, size) in enumerate(sizes.items())}
    index = {"metadata": {"total_size": 35_200_000_000}, "weight_map": {}}
    index["weight_map"] = {f"layers.{n}.weight": name for n, name in enumerate(sizes)}
    code = ("configuration_internlm3.py", "modeling_internlm3.py", "tokenization_internlm3.py")
    kept = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")
    files = {name: (abacus / name).read_bytes() for name in kept}
    if (abacus / "chat_template.jinja").is_file():
        files["chat_template.jinja"] = (abacus / "chat_template.jinja").read_bytes()
    return {
        **files,
        **shards,
        **{name: f"raise SystemExit('remote code ran: {name}')\n".encode() for name in code},
        "model.safetensors.index.json": json.dumps(index).encode(),
        "tokenizer.model": hashlib.shake_128(b"sentencepiece").digest(150_000),
        "pytorch_model.bin": b"pickle",
        "training_args.bin": b"pickle",
        "consolidated.safetensors": shard({"all": 1000}, 9),
        "README.md": b"# tiny\n",
        "assets/picture.png": b"\x89PNG",
        ".gitattributes": b"*.safetensors filter=lfs\n",
    }
