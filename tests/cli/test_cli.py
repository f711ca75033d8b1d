"""The command line as a user types it: words, exit codes, and what stands on which stream."""

import json
import os
import re
import subprocess
import sys
from multiprocessing import forkserver
from typing import Any

import pytest
from desk import Desk, environment, solver

from solver.cli import main
from solver.run import read_job
from solver.store import Store

ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": str(i)} for i in range(40)]
REPLIES = {row["problem"]: [f"It is \\boxed{{{row['answer']}}}"] for row in ROWS}


def test_every_verb_explains_itself_and_the_exit_codes_are_listed(desk: Desk) -> None:
    top = solver(desk, "--help")
    assert (top.returncode, top.stderr) == (0, "")
    listed = {line.split()[0] for line in top.stdout.splitlines() if line.strip()}
    assert {"0", "1", "2", "3", "4", "75", "130", "run", "check", "show", "revote"} <= listed
    for verb in ("run", "check", "show", "revote"):
        told = solver(desk, verb, "--help")
        assert (told.returncode, told.stderr) == (0, "") and f" {verb} [OPTIONS]" in told.stdout
    assert solver(desk, "--version").stdout.startswith("solver")


def test_results_go_to_standard_output_and_everything_else_to_standard_error(desk: Desk) -> None:
    desk.lay(ROWS[:5], REPLIES)
    first = solver(desk, "run", "job.yaml")
    assert first.returncode == 0
    assert "majority       100.0%" in first.stdout and "out/samples/" in first.stdout
    assert "found by its name" in first.stderr and "found by its name" not in first.stdout
    assert not set("\r\x1b") & set(first.stderr), "plain lines where no terminal is"
    assert "5/5 problems" in first.stderr.splitlines()[-1]
    typed = [line[6:].split("  ")[0] for line in first.stdout.splitlines()[-4:]]
    wanted = ["solver show out", "solver show out ID", "solver report out", "solver revote out"]
    assert typed == wanted, "what may be typed next"
    quiet = solver(desk, "run", "job.yaml", "--quiet", "--json")
    assert (quiet.returncode, quiet.stderr) == (0, "")
    told = json.loads(quiet.stdout)
    assert told["this_run"]["samples"] == 0 and told["stats"]["majority"]["value"] == 1.0


def test_json_of_every_verb_parses(desk: Desk) -> None:
    desk.lay(ROWS[:2], REPLIES).run()
    for words in (["check", "job.yaml"], ["show", "out"], ["show", "out", "p1"], ["revote", "out"]):
        told = solver(desk, *words, "--json")
        assert told.returncode == 0, told.stderr
        assert isinstance(json.loads(told.stdout), dict)


def test_all_faults_of_a_job_are_told_at_once(desk: Desk) -> None:
    wrong = {"tempature": 1, "n": 0}
    desk.lay(ROWS, REPLIES, sampling=wrong, engine={"slot": 3}, strategy={"name": "self-consistancy"})
    told = solver(desk, "run", "job.yaml")
    assert (told.returncode, told.stdout) == (2, "")
    lines = told.stderr.splitlines()
    assert len(lines) == 4 and all(line.startswith("error: ") for line in lines)
    for word in ("`temperature`", "sampling.n", "`slots`", "`self-consistency`"):
        assert word in told.stderr
    assert not desk.out.exists()
    assert solver(desk, "check", "job.yaml").stderr == told.stderr


def test_bad_usage_is_exit_2_in_words(desk: Desk) -> None:
    desk.lay(ROWS[:1], REPLIES).run()
    cases: list[tuple[list[str], str]] = [
        (["run", "nowhere.yaml"], "nowhere.yaml"),
        (["run", "job.yaml", "-o", "sampling.nn=3"], "nn"),
        (["run", "job.yaml", "-o", "input.path=nowhere.parquet"], "nowhere.parquet"),
        (["run"], "JOB"),
        (["rum", "job.yaml"], "rum"),
        (["show", "nowhere"], "nowhere"),
        (["show", "out", "nobody"], "nobody"),
        (["revote", "out", "-o", "sampling.seed=3"], "sampling.seed"),
    ]
    for words, says in cases:
        told = solver(desk, *words)
        assert told.returncode == 2 and says in told.stderr and "Traceback" not in told.stderr, words


def test_what_is_no_run_directory_is_said_in_one_line(desk: Desk) -> None:
    (desk.home / "empty").mkdir()
    for verb in ("show", "revote"):
        told = solver(desk, verb, "empty")
        assert told.returncode in (1, 2) and len(told.stderr.splitlines()) == 1 and "empty" in told.stderr
    assert not list((desk.home / "empty").iterdir()), "looking leaves nothing behind"


def test_failed_problems_are_exit_3_and_the_rest_is_complete(desk: Desk) -> None:
    desk.lay([*ROWS, {"id": "blank", "problem": " ", "answer": "1"}], REPLIES)
    told = solver(desk, "run", "job.yaml")
    assert told.returncode == 3 and "41 (1 failed" in told.stdout
    assert solver(desk, "run", "job.yaml").returncode == 3, "and it stays so"


def test_a_directory_in_use_is_exit_75_and_names_its_owner(desk: Desk) -> None:
    desk.lay(ROWS[:1], REPLIES).run()
    with Store.create_or_open(desk.out):
        second = solver(desk, "run", "job.yaml")
        assert second.returncode == 75 and str(os.getpid()) in second.stderr and "Traceback" not in second.stderr
        assert solver(desk, "show", "out").returncode == 0, "looking is always allowed"


def test_a_model_that_cannot_be_had_is_exit_4(desk: Desk) -> None:
    desk.lay(ROWS[:1], REPLIES, model={"source": "hf:no/model"})
    job = json.loads(desk.job.read_text()) | {"engine": {"kind": "vllm"}}
    desk.job.write_text(json.dumps(job))
    told = solver(desk, "run", "job.yaml", HF_HUB_OFFLINE="1", HF_HOME=str(desk.home / "hub"))
    faults = [line for line in told.stderr.splitlines() if line.startswith("error: ")]
    assert told.returncode == 4 and len(faults) == 1 and "hf:no/model" in faults[0] and "Traceback" not in told.stderr
    assert not desk.out.exists(), "nothing is written for a run that cannot begin"


def test_show_tells_a_problem_with_its_classes_and_one_sample_of_each(desk: Desk) -> None:
    row = {"id": "half", "problem": "What is a half?", "answer": "1/2"}
    desk.lay([row], ["So \\boxed{0.5}", "Or \\boxed{1/2}", "No \\boxed{3}", "Who knows"], sampling={"n": 24}).run()
    found = desk.results()["half"]
    told = solver(desk, "show", "out", "half").stdout
    winner, loser = found["classes"]
    assert f"{winner['votes']} of {found['n_valid']} valid votes" in told
    assert f"── {winner['answer']}  {winner['votes']} votes" in told and f"── {loser['answer']}" in told
    assert "0.5" in told and "1/2" in told and "without a vote: k=" in told
    assert solver(desk, "show", "out", found["row_id"]).stdout == told, "the row id is a name, too"


def test_show_tells_why_a_problem_could_not_be_asked(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.lay([*ROWS, {"id": "blank", "problem": " "}], REPLIES).run()
    with pytest.raises(SystemExit):
        main(["show", str(desk.out), "blank"])
    told = capsys.readouterr().out
    assert "status     failed" in told and told.rstrip().endswith("\nerror: blank problem")
    assert "sampled by `solver` from scripted replies, with" in (desk.out / "README.md").read_text(), "of no model"


def test_what_is_not_decided_is_told_with_the_command_that_decides_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.lay(ROWS[:1], REPLIES).run()
    monkeypatch.chdir(desk.home)
    told = {}
    for words in (["revote", "out", "-o", "sampling.n=9"], ["show", "out", "p0"], ["run", "out/job.yaml", "--quiet"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        told[words[0]] = capsys.readouterr().out
    assert told["revote"].endswith("next: solver run out/job.yaml  draws the samples that are wanted\n")
    assert "predicted  -: not decided" in told["show"]
    assert "this run       5 samples" in told["run"] and "wants more" not in told["run"]


def test_a_reader_that_hangs_up_is_no_crash(desk: Desk) -> None:
    desk.lay(ROWS[:1], ["word " * 40_000 + "\\boxed{0}"], sampling={"max_tokens": 99_999}).run()
    line = f"set -o pipefail; {sys.executable} -m solver show out p0 --full | head -c 10"
    told = subprocess.run(
        ["bash", "-c", line], cwd=desk.home, env=environment(), capture_output=True, text=True, check=False
    )
    assert (told.stderr, len(told.stdout), told.returncode) == ("", 10, 0)


def test_check_says_what_a_run_would_do_and_writes_nothing(desk: Desk) -> None:
    row: dict[str, Any] = {"id": "a", "problem": "How {{ many }}?", "answer": "7"}
    sampling = {"n": 4, "repetition_penalty": 1.005, "max_tokens": 512}
    desk.lay([row], REPLIES, prompt={"template": "cot", "system": "Be brief."}, sampling=sampling)
    told = solver(desk, "check", "job.yaml")
    assert told.returncode == 0, told.stderr
    for words in ("1 problems x 4 samples = 4 samples", "How {{ many }}?", "Be brief.", "references 1 of"):
        assert words in told.stdout
    assert re.search(r"sampling.repetition_penalty +1.005 +job", told.stdout), "what is set is told"
    assert "2,048 output tokens (about 1 MiB on disk)" in told.stdout
    assert sorted(path.name for path in desk.home.iterdir()) == ["job.yaml", "problems.jsonl", "replies.json"]


def test_check_lets_grading_workers_load_while_it_reads(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading sympy after everything else took `check` to 3 s: here the server is there before the job is read."""
    desk.lay([{"problem": "Why?", "answer": "2\\sqrt{3}"}], ["x"])
    order: list[str] = []

    def reading(*given: Any) -> Any:
        order.append("read" if forkserver._forkserver._forkserver_pid else "read without workers")  # type: ignore[attr-defined]
        return read_job(*given)

    monkeypatch.chdir(desk.home)
    monkeypatch.setattr("solver.run.read_job", reading)
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    with pytest.raises(SystemExit, match="0"):
        main(["check", "job.yaml"])
    assert order == ["read"]
