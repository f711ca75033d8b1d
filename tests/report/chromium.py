"""A headless Chromium driven over a pipe by the DevTools protocol: pages, what they ask for, what they complain of."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from select import select
from types import TracebackType
from typing import Any

BINARY = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-extensions"),
    *("--hide-scrollbars", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
]
WIRED = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, end in enumerate(ends, 3):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""  # the protocol's pipe is numbers 3 and 4
PATIENCE = 120.0  # seconds for one answer, on a busy machine


class Chromium:
    """A browser with one page; a context manager. `complaints`: errors and warnings of the console and exceptions;
    `requests`: addresses that the page asked for, beside its own."""

    def __init__(self, folder: Path) -> None:
        assert BINARY is not None
        folder.mkdir(parents=True, exist_ok=True)
        read_theirs, self._write = os.pipe()
        self._read, write_theirs = os.pipe()

        self._process = subprocess.Popen(
            [
                *(sys.executable, "-S", "-c", WIRED, str(read_theirs), str(write_theirs)),
                *(BINARY, *FLAGS, f"--user-data-dir={folder}", "about:blank"),
            ],
            pass_fds=(read_theirs, write_theirs),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read_theirs)
        os.close(write_theirs)
        self._buffer, self._number, self._session = b"", 0, None
        self._events: deque[dict[str, Any]] = deque()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._send("Browser.close", {}, None)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)

    def __call__(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command and its answer."""
        number = self._send(method, parameters, self._session)
        for message in self._messages():
            if message.get("id") == number:
                assert "error" not in message, message
                return dict(message["result"])
        raise AssertionError("unreachable")

    def open(self, path: Path) -> float:
        """Open a file; seconds until the report says that it is ready."""
        began = time.monotonic()
        self("Page.navigate", url=path.as_uri())
        while self.run("document.documentElement?.dataset.ready") != "yes":
            assert time.monotonic() < began + PATIENCE, self.complaints
            time.sleep(0.01)
        return time.monotonic() - began

    def run(self, code: str) -> Any:
        """The value of a script in the page; promises are waited for."""
        said = self("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"]
        return said["result"].get("value")

    def until(self, code: str) -> None:
        """Wait until a script is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(code):
            assert time.monotonic() < end, f"never true: {code}"
            time.sleep(0.02)

    def look(self, *, width: int = 1200, height: int = 900, dark: bool = False, phone: bool = False) -> None:
        """Size of the window, and which colours are preferred."""
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self("Emulation.setEmulatedMedia", media="screen", features=[scheme])

    def picture(self, path: Path, *, whole: bool = True) -> None:
        """A PNG of the page."""
        path.write_bytes(base64.b64decode(self("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))

    def _send(self, method: str, parameters: Mapping[str, Any], session: str | None) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._number

    def _messages(self) -> Iterator[dict[str, Any]]:
        while True:
            while b"\0" in self._buffer:
                text, self._buffer = self._buffer.split(b"\0", 1)
                message = json.loads(text)
                self._note(message)
                yield message
            assert select([self._read], [], [], PATIENCE)[0], "Chromium says nothing"
            data = os.read(self._read, 1 << 20)
            assert data, "Chromium has ended"
            self._buffer += data

    def _note(self, message: Mapping[str, Any]) -> None:
        method, said = message.get("method"), message.get("params", {})
        if method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(said["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif method == "Log.entryAdded" and said["entry"]["level"] in ("error", "warning"):
            self.complaints.append(said["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
