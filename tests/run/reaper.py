"""The reaper: one process that has imported everything, forks a life of a run per command, and kills those it must.

    with Reaper() as reaper:
        reaper.life("run", desk, "sampling.n=8")                        # to its end: what came of it
        reaper.life("run", desk, kill=("asked", 0.05))                  # SIGKILL 50 ms after its first request
        reaper.life("compact", desk, new=path, kill=("forked", 0.01))   # also "revote", "finish" as a mark

Every life is the real line (solver.run) with the scripted engine. What is asked of the engine is appended to the file
`asked` in the desk's folder before it is answered, a line each: epoch, row id, k, cap, problem. Replies are
reproducible: `said(problem, k)`. What is written outlives a killed process, so the file tells the truth.

Run as a script it is the process itself: commands come in and endings go out, a JSON object per line.
"""

import hashlib
import importlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from desk import Desk, environment

FLUSH_SECONDS = 0.02
MARKS = {"opened": b"o", "asked": b"a", "finish": b"f"}
NEVER = 3600.0


def said(problem: str, k: int) -> str:
    """Sample k of a problem: one in five is long; the answer is 1, 2 or 3 and comes last."""
    number = int.from_bytes(hashlib.blake2b(f"{problem} {k}".encode(), digest_size=8).digest(), "big")
    steps = 60 if number % 5 == 0 else 2 + number % 7
    return "step " * steps + f"\\boxed{{{1 + (number >> 16) % 3}}}"


def answer_of(text: str, cap: int) -> str | None:
    """The answer that a reply gives under a cap; None where it is cut before."""
    words = text.split(" ")
    return words[-1][7:-1] if len(words) <= cap else None


def agreed_at(answers: Sequence[str | None]) -> int:
    """The first index at which two answers are the same; the last one where none are."""
    seen: set[str] = set()
    for index, answer in enumerate(answers):
        if answer in seen:
            return index
        if answer is not None:
            seen.add(answer)
    return len(answers) - 1


@dataclass(frozen=True, slots=True)
class Ending:
    """How a life ended. killed: by the reaper; code: exit code of `solver`; error: class; said: its words."""

    killed: bool
    code: int | None = None
    error: str | None = None
    said: str = ""
    samples: int = 0
    problems: int = 0


class Reaper:
    """The test's side: starts the process and asks it for lives."""

    def __enter__(self) -> "Reaper":
        paths = os.pathsep.join([str(Path(__file__).parents[1]), environment()["PYTHONPATH"]])
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment() | {"PYTHONPATH": paths},
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def life(
        self, verb: str, desk: Desk, *overrides: str, kill: tuple[str, float] | None = None, **more: object
    ) -> Ending:
        """One life of a run, of its revote or of its compact (`new`: where to)."""
        return self.lives(1, verb, desk, *overrides, kill=kill, **more)[0]

    def lives(
        self, count: int, verb: str, desk: Desk, *overrides: str, kill: tuple[str, float] | None = None, **more: object
    ) -> list[Ending]:
        """So many at once."""
        command = {"verb": verb, "home": str(desk.home), "out": str(desk.out), "overrides": overrides, "kill": kill}
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command | {"count": count, **more}, default=str) + "\n")
        self._process.stdin.flush()
        endings = [Ending(**ending) for ending in json.loads(self._process.stdout.readline())]
        for ending in endings:
            assert ending.code != -1, ending.said
        return endings


def asked(desk: Desk) -> list[tuple[int, str, int]]:
    """(epoch, row id, k) of everything that was ever asked of the engine, in order."""
    path = desk.home / "asked"
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return [(int(epoch), row_id, int(k)) for epoch, row_id, k, *_ in (line.split(" ", 4) for line in lines)]


# The process


def _serve() -> None:
    _import_everything()
    for line in sys.stdin:
        command = json.loads(line)
        lives = [_begin(command) for _ in range(command["count"])]
        print(json.dumps([_end(*life, command["kill"]) for life in lives]), flush=True)


def _import_everything() -> None:
    """Whatever a whole life imports, as a first life tells; without running one here, which would start threads."""
    names, tell = os.pipe()
    if os.fork() == 0:
        with tempfile.TemporaryDirectory() as home:
            desk = Desk(Path(home)).lay([{"problem": "1?", "answer": "1"}], [""])
            command = {"verb": "run", "home": home, "out": str(desk.out), "overrides": []}
            ending = _live(command, os.open(os.devnull, os.O_WRONLY))
            assert ending["code"] == 0, ending
        with os.fdopen(tell, "w") as pipe:
            pipe.write(" ".join(sys.modules))
        os._exit(0)
    os.close(tell)
    with os.fdopen(names) as pipe:
        for module in pipe.read().split():
            with suppress(Exception):  # some names are no modules that can be asked for
                importlib.import_module(module)
    os.wait()
    from solver.strategies import STRATEGIES, self_consistency

    STRATEGIES["two-agree"] = _two_agree(self_consistency.SelfConsistency)


def _two_agree(like: Any) -> Any:
    class TwoAgree(like):
        """One sample after the other, two ahead, until two of them say the same."""

        def __init__(self, block: Mapping[str, Any], n: int) -> None:
            self.n = n
            self.parameters: Mapping[str, Any] = {"name": "two-agree", "n": n}

        async def solve(self, problem: Any, ctx: Any) -> Any:
            """Sample until two agree, vote."""
            candidates = []
            async for sample in ctx.stream(self.n, ahead=2, path="answer"):
                candidates.append(ctx.candidate(sample))
                answers = [candidate.answer for candidate in candidates]
                if answers[-1] is not None and answers[-1] in answers[:-1]:
                    break
            classed = await ctx.classes(candidates)
            return ctx.result(classed, await ctx.vote(classed))

    return TwoAgree


def _begin(command: Mapping[str, Any]) -> tuple[int, int, int]:
    """Fork a life: its pid, the pipe of its marks, the pipe of its ending."""
    marks, mark = os.pipe()
    words, word = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(marks)
        os.close(words)
        os.write(word, json.dumps(_live(command, mark)).encode())
        os._exit(0)
    os.close(mark)
    os.close(word)
    return pid, marks, words


def _end(pid: int, marks: int, words: int, kill: Sequence[Any] | None) -> Mapping[str, Any]:
    if kill is not None and (kill[0] == "forked" or _reached(marks, MARKS[kill[0]])):
        _pause(marks, kill[1])
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(words, "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    os.close(marks)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, f"died of signal {os.WTERMSIG(status)}"
        return {"killed": True}
    return {"killed": False, **json.loads(text)}


def _reached(marks: int, wanted: bytes) -> bool:
    """Wait for a mark; False when the life ends without it."""
    while seen := os.read(marks, 1):
        if seen == wanted:
            return True
    return False


def _pause(marks: int, seconds: float) -> None:
    """So long, or until the life has ended by itself."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select([marks], [], [], left)
        if readable and not os.read(marks, 1):
            return


# A life


def _live(command: Mapping[str, Any], mark: int) -> Mapping[str, Any]:
    from solver.errors import SolverError

    home, out = Path(command["home"]), Path(command["out"])
    try:
        _arrange(home, out, mark)
        return _verb(command, home, out)
    except SolverError as error:
        return {"code": error.exit_code, "error": type(error).__name__, "said": str(error)}
    except BaseException:
        return {"code": -1, "said": traceback.format_exc()}


def _verb(command: Mapping[str, Any], home: Path, out: Path) -> Mapping[str, Any]:
    from solver.run import read_job, revote, run
    from solver.store.compact import compact

    notes: list[str] = []
    if command["verb"] == "compact":
        compact(out, Path(command["new"]), read_job(out / "job.yaml"))
        return {"code": 0}
    if command["verb"] == "revote":
        summary = revote(out, command["overrides"], say=notes.append)
    else:
        job = read_job(command.get("job", home / "job.yaml"), command["overrides"])
        verify = command.get("verify", False)
        summary = run(job, ["solver", "run"], say=notes.append, quiet=True, verify=verify)
    return {
        "code": summary.exit_code,
        "samples": summary.samples,
        "problems": summary.problems,
        "said": "\n".join(notes),
    }


def _arrange(home: Path, out: Path, mark: int) -> None:
    """In this life: the engine that notes what it is asked, flushes in quick succession, marks along the way."""
    import solver.engine
    import solver.run.owner
    from solver.store import Store

    finish, writer = solver.run.owner.finish, Store.writer

    def engine(setting: Any) -> Any:
        os.write(mark, MARKS["opened"])
        return _engine(setting.block, home, out, mark)

    def finishing(*given: Any, **named: Any) -> Any:
        os.write(mark, MARKS["finish"])
        return finish(*given, **named)

    solver.engine.ENGINES = {"scripted": engine}
    solver.run.owner.finish = finishing
    Store.writer = lambda self, **named: writer(self, **(named | {"flush_seconds": FLUSH_SECONDS}))  # type: ignore[method-assign]


def _engine(block: Mapping[str, Any], home: Path, out: Path, mark: int) -> Any:
    from solver.engine.scripted import Reply, ScriptedEngine

    asked = os.open(home / "asked", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    epoch = max(int(path.name) for path in (out / "_solver" / "epochs").iterdir())
    first = [True]
    stops = "two-agree" in (out / "job.yaml").read_text("utf-8")
    seconds, chance = block.get("seconds", 0.0), random.Random(epoch)

    def script(request: Any) -> Any:
        problem, k, cap = request.messages[-1]["content"], request.key.k, request.sampling.max_tokens
        os.write(asked, f"{epoch} {request.key.row_id.hex()} {k} {cap} {problem}\n".encode())
        if first:
            os.write(mark, MARKS["asked"])
            first.clear()
        reply = Reply(said(problem, k), seconds=seconds * chance.uniform(0.5, 1.5))
        late = stops and k > agreed_at([answer_of(said(problem, i), cap) for i in range(k + 1)])
        return replace(reply, seconds=NEVER) if late else reply

    return ScriptedEngine(script, slots=block.get("slots", 64))


if __name__ == "__main__":
    _serve()
