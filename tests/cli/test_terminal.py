"""What a terminal is sent: one live line, and never a control sequence that a model or an input wrote."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator

from desk import Desk, environment

EVIL = "\x1b]0;owned\x07\x1b[2J\x1b[31m\u202e\x9b2J\r"
OURS = re.compile(r"\x1b\[(?:0|31)m")  # click's own red of `error:`


def on_terminal(desk: Desk, *words: str) -> tuple[int, str]:
    """Exit code and everything the command sent to a terminal that is both its streams."""
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 200, 0, 0))
    command = [sys.executable, "-m", "solver", *words]
    with subprocess.Popen(command, cwd=desk.home, env=environment(), stdout=inner, stderr=inner) as process:
        os.close(inner)
        shown = b"".join(_read(outer, process)).decode()
    os.close(outer)
    return process.returncode, shown.replace("\r\n", "\n")


def _read(descriptor: int, process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    while True:
        ready, _, _ = select.select([descriptor], [], [], 0.1)
        if ready:
            try:
                yield os.read(descriptor, 65536)
            except OSError:
                return
        elif process.poll() is not None:
            return


def harmless(shown: str) -> bool:
    return not set(OURS.sub("", shown)) & set("\x1b\x07\x9b\u202e\r")


def test_one_live_line_is_written_over(desk: Desk) -> None:
    rows = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": str(i)} for i in range(40)]
    desk.lay(rows, ["\\boxed{1}"], engine={"seconds": 0.2, "slots": 16}, sampling={"n": 5})
    code, shown = on_terminal(desk, "run", "job.yaml")
    live = shown.split("\r\x1b[J")[1:]
    assert code == 0 and len(live) >= 3, "about two a second, for 2.6 s"
    assert all("\n" not in part for part in live[:-1]), "each is written over the one before"
    assert live[-1].startswith("40/40 problems · 200 samples"), "the last one stays"
    assert any("left" in part and " in flight" in part for part in live)


def test_show_shows_control_sequences_and_does_not_send_them(desk: Desk) -> None:
    rows = [{"id": f"evil{EVIL}", "problem": f"What{EVIL}?", "answer": f"2{EVIL}"}]
    said = [f"First{EVIL}\nsecond \\boxed{{2{EVIL}}}", f"none {EVIL}", "plain \\boxed{3}"]
    desk.lay(rows, said, sampling={"n": 12}).run()
    row = next(iter(desk.results().values()))
    code, shown = on_terminal(desk, "show", "out", row["row_id"], "--full")
    assert code == 0 and harmless(shown)
    assert "What\\x1b]0;owned\\x07" in shown and "First\\x1b" in shown and "second" in shown


def test_check_shows_the_prompt_without_obeying_it(desk: Desk) -> None:
    desk.lay([{"problem": f"What{EVIL}?", f"col{EVIL}": 1}], ["x"])
    code, shown = on_terminal(desk, "check", "job.yaml")
    assert code == 0 and harmless(shown) and "What\\x1b" in shown


def test_complaints_quote_the_input_without_obeying_it(desk: Desk) -> None:
    desk.lay([{f"text{EVIL}": "a"}], [])
    code, shown = on_terminal(desk, "run", "job.yaml")
    assert code == 2 and "input.columns.problem" in shown and harmless(shown)
