"""Canaries: secrets of the environment and of the job, and not a byte of them anywhere afterwards."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from desk import Desk, solver

from solver.cli import main
from solver.engine import scripted
from solver.engine.scripted import Reply, ScriptedEngine
from solver.errors import EngineDeadError, EngineError, MachineError, SolverError
from solver.records import Request, Status
from solver.run import run as run_job
from solver.run.examine import read_job

ROOT = Path(__file__).parents[2] / "solver"
CANARIES = {
    "HF_TOKEN": "hf_" + "CanaryHubCanaryHub0123",
    "OPENAI_API_KEY": "sk-" + "proj-canaryOpen0123456789",
    "AWS_ACCESS_KEY_ID": "AKIA" + "CANARYCANARY1234",
    "AWS_SECRET_ACCESS_KEY": "canary/Amazon+0123456789/abcdefghijklmno",
    "HTTPS_PROXY": "http://me:canary-proxy-word@proxy.example:3128",
    "PLAINLY": "canary-of-an-innocent-name",
}
WORDS = [*(value for name, value in CANARIES.items() if name != "HTTPS_PROXY"), "canary-proxy-word"]
ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": "1"} for i in range(30)]


def leaks(desk: Desk, *said: str) -> set[str]:
    """Canaries that stand in something that was said, or in any byte of the run directory."""
    texts = [path.read_bytes() for path in desk.out.rglob("*") if path.is_file()] + [text.encode() for text in said]
    return {word for word in WORDS for text in texts if word.encode() in text}


@pytest.fixture
def canaries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)


def with_secrets(desk: Desk) -> Desk:
    every = " ".join(f"${{{name}}}" for name in CANARIES if name != "PLAINLY")
    return desk.lay(ROWS, ["It is \\boxed{1}"], prompt={"system": f"Use {every}", "chat": {"a": "${PLAINLY}"}})


def test_no_command_shows_or_keeps_a_secret(desk: Desk) -> None:
    """Through the real command, as a user with secrets in the shell has it."""
    with_secrets(desk)
    told = [solver(desk, verb, "job.yaml", **CANARIES) for verb in ("check", "run")]
    assert [one.returncode for one in told] == [0, 0]
    assert not leaks(desk, *(one.stdout + one.stderr for one in told))
    assert "[redacted]" in told[0].stdout, "check shows the prompt that is sent, but for its secrets"
    assert "${HF_TOKEN}" in (desk.out / "job.yaml").read_text(), "the job stays runnable"


@pytest.mark.usefixtures("canaries")
def test_no_verb_and_no_complaint_shows_a_secret(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_secrets(desk)
    monkeypatch.chdir(desk.home)
    model = str(ROOT.parent / "jobs/abacus")
    calls = [
        (["run", "job.yaml"], 0),
        (["check", "job.yaml", "--json"], 0),
        (["run", "job.yaml", "-o", "sampling.n=6", "-o", "sampling.temperature=0.1"], 2),
        (["run", "job.yaml", "-o", "prompt.system=other ${OPENAI_API_KEY}"], 2),
        (["run", "job.yaml", "-o", "sampling.n=6"], 0),
        (["show", "out"], 0),
        (["run", "job.yaml", "-o", f"prompt.system={CANARIES['HF_TOKEN']}"], 2),
        (["run", "job.yaml", "-o", f"input.path={CANARIES['HTTPS_PROXY']}"], 2),
        (["run", "job.yaml", CANARIES["OPENAI_API_KEY"]], 2),
        (["show", "out", CANARIES["AWS_SECRET_ACCESS_KEY"]], 2),
        (["run", f"{CANARIES['AWS_ACCESS_KEY_ID']}.yaml"], 2),
        (["check", "job.yaml", "-o", f"model.source={model}", "-o", "output.dir=other", "-o", "prompt.chat={}",
          "-o", 'engine={kind: vllm, additional_config: {a: "${PLAINLY}", b: "${HF_TOKEN}"}}'], 0),
    ]  # fmt: skip
    for words, code in calls:
        with pytest.raises(SystemExit) as ended:
            main(words)
        told = capsys.readouterr()
        assert (ended.value.code, leaks(desk, *told)) == (code, set()), words
    assert "${PLAINLY}" in told.out


@pytest.mark.usefixtures("canaries")
def test_what_an_engine_says_of_a_sample_and_writes_to_its_log_is_redacted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_secrets(desk)
    everything = " ".join(CANARIES.values())

    def script(_: Request) -> Reply:
        return Reply("", Status.ERROR, error=f"RuntimeError: refused with {everything}")

    class Chatty(ScriptedEngine):
        async def start(self) -> None:
            (desk.out / "_solver/logs/engine-0001.log").write_text(f"non-default args: {everything}\nready\n")

    monkeypatch.setattr(scripted, "from_block", lambda _: Chatty(script))
    said: list[str] = []
    summary = run_job(read_job(desk.job), ["solver"], say=said.append, quiet=True)
    assert summary.exit_code == 3
    assert leaks(desk, *said) <= {CANARIES["PLAINLY"]}, "a sample's error knows no innocent names"
    errors = {sample.error for sample in desk.samples()}
    assert len(errors) == 1 and "refused with [redacted]" in str(errors)
    log = (desk.out / "_solver/logs/engine-0001.log").read_text()
    assert log.startswith("non-default args: ****") and log.endswith("****\nready\n")


@pytest.mark.usefixtures("canaries")
@pytest.mark.parametrize("kind", [EngineError, MachineError, EngineDeadError])
def test_an_engine_that_fails_quotes_nothing_that_the_environment_gave(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: type[SolverError]
) -> None:
    with_secrets(desk)

    class Broken(ScriptedEngine):
        async def start(self) -> None:
            (desk.out / "_solver/logs/engine-0001.log").write_text(" ".join(CANARIES.values()))
            raise kind(f"vLLM could not start: unknown value {' '.join(CANARIES.values())}")

    monkeypatch.setattr(scripted, "from_block", lambda _: Broken(lambda _: ""))
    said: list[str] = []
    with pytest.raises(kind, match="could not start") as failed:
        run_job(read_job(desk.job), ["solver"], say=said.append, quiet=True)
    assert not leaks(desk, str(failed.value), *said)


@pytest.mark.usefixtures("canaries")
def test_a_run_that_breaks_tells_and_logs_no_secret(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from solver.strategies.self_consistency import SelfConsistency

    with_secrets(desk)

    async def broken(*_: Any) -> None:
        raise RuntimeError(f"a bug that says {' '.join(WORDS)}")

    monkeypatch.chdir(desk.home)
    monkeypatch.setattr(SelfConsistency, "solve", broken)
    with pytest.raises(SystemExit) as ended:
        main(["run", "job.yaml"])
    assert ended.value.code == 3 and not leaks(desk, *capsys.readouterr()) - {CANARIES["PLAINLY"]}
    assert "a bug that says [redacted]" in next((desk.out / "_solver/logs").glob("solver-*.log")).read_text()
    monkeypatch.setattr("solver.run.run", lambda *_, **__: 1 / 0)
    with pytest.raises(SystemExit) as ended:
        main(["run", "job.yaml"])
    told = capsys.readouterr().err
    assert ended.value.code == 1 and "ZeroDivisionError" in told and "please report it" in told
    assert not leaks(desk, told) - {CANARIES["PLAINLY"]}


def test_names_that_the_environment_gave_are_not_written_down(desk: Desk) -> None:
    desk.lay(ROWS[:1], ["\\boxed{1}"], model={"source": "./${PLAINLY}"})
    job = json.loads(desk.job.read_text())
    desk.job.write_text(json.dumps(job | {"name": "of-${HF_TOKEN}"}))
    assert solver(desk, "run", "job.yaml", **CANARIES).returncode == 0
    assert not leaks(desk)
    assert json.loads((desk.out / "manifest.json").read_text())["summary"]["name"] == "of-${HF_TOKEN}"


# --- what this package never does ------------------------------------------------------------------------------------

CALLS = {
    *("eval", "exec", "compile", "__import__", "sympify", "parse_expr", "os.system", "os.popen"),
    *("pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib", "read_pickle"),
    *("yaml.load", "torch.load", "np.load", "numpy.load"),
}
ALLOWED = {("answers/warm.py", "parse_expr")}
"""Worker processes with limits of time and memory, see DESIGN.md."""


def called(tree: ast.Module) -> set[str]:
    """Every name that is imported, called or passed on, with and without what stands before its dot."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.name.split(".")[0] for alias in node.names} | {alias.name for alias in node.names}
            names |= {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
        elif isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names |= {ast.unparse(node)} | ({node.attr} if node.attr not in ("compile", "load") else set())
    return names


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_unpickled_or_evaluated(path: Path) -> None:
    found = called(ast.parse(path.read_text("utf-8"))) & CALLS
    relative = str(path.relative_to(ROOT))
    assert {name for name in found if (relative, name) not in ALLOWED} == set()


CLOCKS = {
    "time.time",
    "time.time_ns",
    "datetime.now",
    "datetime.utcnow",
    "date.today",
    "datetime.today",
    "time.localtime",
}
SHOWN_ONLY = {("store/lock.py", "now"), ("models/tokenizer.py", "_compile")}
"""Where the wall clock is read for people, or for a chat template that asks for the date."""


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_decision_about_time_is_taken_on_the_monotonic_clock(path: Path) -> None:
    tree, relative = ast.parse(path.read_text("utf-8")), str(path.relative_to(ROOT))
    allowed = {
        id(inner)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and (relative, node.name) in SHOWN_ONLY
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in allowed:
            assert ast.unparse(node) not in CLOCKS, f"line {node.lineno}"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            assert not {"time", "time_ns"} & {alias.name for alias in node.names}


def test_a_clock_that_jumps_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Years back and forth, at every look at it."""
    import itertools
    import time

    jumps = itertools.cycle([0.0, 4e9, 1.0, 2e9])
    desk.lay(ROWS, ["\\boxed{1}"], engine={"seconds": 0.01})
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    monkeypatch.setattr(time, "time_ns", lambda: int(next(jumps) * 1e9))
    summary = desk.run()
    assert (summary.samples, summary.exit_code) == (120, 0) and 0 < summary.seconds < 600
    assert desk.run().samples == 0 and desk.run("sampling.n=5").samples == 30
