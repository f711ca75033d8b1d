"""The job file from the user's side: what a small file means, what a wrong one is told, and what a job is known by."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from solver.errors import Fault, JobError
from solver.fingerprint import canonical_hash, generation_fingerprint
from solver.job import (
    InputBlock,
    Job,
    ModelBlock,
    OutputBlock,
    PartlyReadError,
    PromptBlock,
    load_job,
    resolved,
)
from solver.records import Sampling

MINIMAL = "input: {path: data/math.parquet}\n"
FULL = """\
name: math
input:    {path: data/math.parquet, columns: {problem: question, answer: gold, id: key}, limit: 7, split: test}
model:    {source: hf:internlm/internlm3-8b-instruct, revision: v1.0, trust_remote_code: true}
prompt:   {template: prompts/mine.jinja, system: "你是\\n数学家 ", chat: {enable_thinking: false, tags: [a, 1]}}
sampling:
  {n: 4, temperature: 0.6, top_p: 0.95, top_k: 0, min_p: 1e-5, repetition_penalty: 1.05, presence_penalty: -1,
   frequency_penalty: 2, max_tokens: 128, seed: 9223372036854775807, stop: ["###", "yes"], stop_token_ids: [2, 128131],
   logprobs: 0}
strategy: {name: tree, within: {name: self-consistency}, stop: {rule: beta, threshold: 0.95}}
engine:   {kind: vllm, max_num_seqs: 256, served: ["1e-5", 1.0e-5, null, {a: "no"}]}
output:   {dir: ../runs/math, flush_seconds: 2}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Write jobs/NAME below an empty current directory; gives the path as a user would type it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", f"{tmp_path}/home")
    Path("jobs").mkdir()

    def written(text: str, name: str = "math.yaml") -> str:
        Path("jobs", name).write_text(text, encoding="utf-8")
        return f"jobs/{name}"

    return written


def told(path: str, *overrides: str, validators: Mapping[str, Any] | None = None) -> list[str]:
    with pytest.raises(JobError) as caught:
        load_job(path, overrides, validators or {})
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


# --- what a file means -----------------------------------------------------------------------------------------------


def test_a_path_is_all_that_a_job_needs(write: Callable[..., str], tmp_path: Path) -> None:
    assert load_job(write(MINIMAL)) == Job(
        name="math",
        source_path=tmp_path / "jobs/math.yaml",
        input=InputBlock(path=f"{tmp_path}/jobs/data/math.parquet", columns={}, limit=None, split=None),
        model=ModelBlock("modelscope:Shanghai_AI_Laboratory/internlm3-8b-instruct", "master", False),
        prompt=PromptBlock(template="o1-zh", system=None, chat={}),
        n=16,
        seed=0,
        sampling=Sampling(temperature=1.0, top_p=0.8, top_k=40, max_tokens=8192),
        strategy={"name": "self-consistency"},
        engine={"kind": "vllm"},
        output=OutputBlock(dir=f"{tmp_path}/runs/math", flush_seconds=15.0),
    )


def test_every_field_arrives(write: Callable[..., str], tmp_path: Path) -> None:
    job = load_job(write(FULL, "other.yaml"))
    assert job.name == "math"
    assert asdict(job.input) == {
        "path": f"{tmp_path}/jobs/data/math.parquet",
        "columns": {"problem": "question", "answer": "gold", "id": "key"},
        "limit": 7,
        "split": "test",
        "on_bad_file": "stop",
        "on_bad_row": "stop",
    }
    assert job.model == ModelBlock("hf:internlm/internlm3-8b-instruct", "v1.0", True)
    assert job.prompt.template == f"{tmp_path}/jobs/prompts/mine.jinja"
    assert (job.prompt.system, job.prompt.chat) == ("你是\n数学家 ", {"enable_thinking": False, "tags": ["a", 1]})
    assert (job.n, job.seed) == (4, 2**63 - 1)
    assert job.sampling == Sampling(
        0.6, 0.95, 0, 1e-5, 1.05, -1.0, 2.0, 128, ("###", "yes"), (2, 128131), logprobs=0, schema=None
    )
    assert job.strategy["within"] == {"name": "self-consistency"}
    assert job.engine["served"] == ["1e-5", 1e-5, None, {"a": "no"}]
    assert job.output == OutputBlock(f"{tmp_path}/runs/math", 2.0)


def test_a_block_whose_lines_are_all_comments_has_its_defaults(write: Callable[..., str]) -> None:
    blocks = ("model", "prompt", "sampling", "strategy", "engine", "output")
    empty = "".join(f"{block}:\n  # nothing\n" for block in blocks)
    assert load_job(write(MINIMAL + empty)) == load_job(write(MINIMAL))


@pytest.mark.parametrize(
    ("written", "block"),
    [
        ("self-consistency", {"name": "self-consistency"}),
        ("mcts", {"name": "mcts"}),
        ("beta:0.95", {"name": "self-consistency", "stop": {"rule": "beta", "threshold": 0.95}}),
        ("beta", {"name": "self-consistency", "stop": {"rule": "beta"}}),
        ("exact", {"name": "self-consistency", "stop": {"rule": "exact"}}),
        ("esc:5", {"name": "self-consistency", "stop": {"rule": "esc", "window": 5}}),
        ("asc:.5", {"name": "self-consistency", "stop": {"rule": "asc", "threshold": 0.5}}),
        ("{stop: {rule: beta}}", {"name": "self-consistency", "stop": {"rule": "beta"}}),
    ],
)
def test_the_short_forms_of_a_strategy(write: Callable[..., str], written: str, block: Mapping[str, Any]) -> None:
    path = write(MINIMAL)
    assert load_job(path, [f"strategy={written}"]).strategy == block
    assert load_job(write(MINIMAL + f"strategy: {written}")).strategy == block


@pytest.mark.parametrize(
    ("source", "loaded", "revision"),
    [
        ("modelscope:A/b-1.5_c", "modelscope:A/b-1.5_c", "master"),
        ("hf:A/b", "hf:A/b", "main"),
        ("./abacus", "{root}/jobs/abacus", "master"),
        ("../models/x", "{root}/models/x", "master"),
        ("abacus", "{root}/jobs/abacus", "master"),
        ("A/b", "{root}/jobs/A/b", "master"),
        ("/m/x", "/m/x", "master"),
        ("~/m", "{root}/home/m", "master"),
        ("./odd:name", "{root}/jobs/odd:name", "master"),
    ],
)
def test_where_a_model_comes_from(
    write: Callable[..., str], tmp_path: Path, source: str, loaded: str, revision: str
) -> None:
    model = load_job(write(MINIMAL + f"model: {{source: '{source}'}}")).model
    assert (model.source, model.revision) == (loaded.format(root=tmp_path), revision)


@pytest.mark.parametrize(
    ("template", "loaded"),
    [
        ("o1-en", "o1-en"),
        ("mine.jinja", "{root}/jobs/mine.jinja"),
        ("mine.j2", "{root}/jobs/mine.j2"),
        ("mine.txt", "{root}/jobs/mine.txt"),
        ("./mine", "{root}/jobs/mine"),
    ],
)
def test_a_template_is_a_name_or_a_file(write: Callable[..., str], tmp_path: Path, template: str, loaded: str) -> None:
    job = load_job(write(MINIMAL + f"prompt: {{template: {template}}}"))
    assert job.prompt.template == loaded.format(root=tmp_path)


def test_paths_are_relative_to_the_job_and_in_overrides_to_where_the_user_stands(
    write: Callable[..., str], tmp_path: Path
) -> None:
    path = write("input: {path: data/*.parquet}\noutput: {dir: out}")
    job = load_job(path)
    assert (job.input.path, job.output.dir) == (f"{tmp_path}/jobs/data/*.parquet", f"{tmp_path}/jobs/out")
    job = load_job(path, ["input.path=data/a.parquet", "output={dir: out}", "prompt.template=t.j2", "model.source=./m"])
    assert job.input.path == f"{tmp_path}/data/a.parquet"
    assert (job.output.dir, job.prompt.template) == (f"{tmp_path}/out", f"{tmp_path}/t.j2")
    assert job.model.source == f"{tmp_path}/m"
    # the default directory stays beside the job, also when an override speaks of its block
    assert load_job(path, ["output={flush_seconds: 3}", "name=b"]).output == OutputBlock(f"{tmp_path}/runs/b", 3.0)


# --- overrides -------------------------------------------------------------------------------------------------------


def test_overrides_are_typed_as_yaml_and_the_later_wins(write: Callable[..., str]) -> None:
    path = write(FULL)
    job = load_job(
        path,
        [
            "sampling.n=3",
            "sampling.n=8",
            "sampling.temperature=1e-2",
            "prompt.chat.enable_thinking=true",
            "prompt.system=",
            "strategy.stop.rule=asc",
            "engine.max_num_seqs=4",
            "engine.new={a: [1]}",
        ],
    )
    assert (job.n, job.sampling.temperature, job.prompt.system) == (8, 0.01, None)
    assert job.prompt.chat == {"enable_thinking": True, "tags": ["a", 1]}
    assert job.strategy["stop"] == {"rule": "asc", "threshold": 0.95}
    assert (job.engine["max_num_seqs"], job.engine["new"]) == (4, {"a": [1]})


def test_an_override_of_a_block_replaces_it_and_reaches_into_blocks_that_are_not_there(
    write: Callable[..., str],
) -> None:
    assert load_job(write(FULL), ["sampling={n: 2}"]).sampling == load_job(write(MINIMAL)).sampling
    assert load_job(write(MINIMAL), ["sampling.n=2", "prompt.chat.a.b=1"]).prompt.chat == {"a": {"b": 1}}
    short = load_job(write(MINIMAL + "strategy: beta:0.95"), ["strategy.stop.threshold=0.9", "strategy.choose=x"])
    assert short.strategy == {
        "name": "self-consistency",
        "stop": {"rule": "beta", "threshold": 0.9},
        "choose": "x",
    }


def test_faults_of_overrides_stand_under_the_override(write: Callable[..., str]) -> None:
    overrides = ["sampling.nn=3", "smpling.n=3", "name.x=2", "n", "input=[", 'output={flush_seconds: "8"}']
    assert told(write("name: math\n" + MINIMAL), *overrides) == [
        "-o name.x=2: `name` is not a block but the text `math`",
        "-o n: is not of the form KEY=VALUE. Write, for example, -o sampling.n=8",
        "-o input=[: cannot be read as YAML: while parsing a flow node expected the node content, "
        "but found '<stream end>'",
        "-o sampling.nn=3: unknown key. Did you mean `n`?",
        '-o output={flush_seconds: "8"}: output.flush_seconds: must be a number, not the text `8`. Write 8',
        "-o smpling.n=3: unknown key. Did you mean `sampling`?",
    ]


def test_an_override_mends_what_the_file_has_wrong(write: Callable[..., str]) -> None:
    path = write(MINIMAL + "sampling: {n: '8'}")
    assert told(path)
    assert load_job(path, ["sampling.n=8"]).n == 8


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("smpling: {n: 3}", "2:1: smpling: unknown key. Did you mean `sampling`?"),
        ("temperature: 1", "2:1: temperature: unknown key. It belongs in `sampling`"),
        ("sampling: {temprature: 1}", "2:12: sampling.temprature: unknown key. Did you mean `temperature`?"),
        ("output: {zzz: 1}", "2:10: output.zzz: unknown key. Known: `dir`, `flush_seconds`"),
        ('sampling: {n: "8"}', "2:12: sampling.n: must be a whole number, not the text `8`. Write 8"),
        ("sampling: {n: 010}", "2:12: sampling.n: must be a whole number, not the text `010`. Write 10"),
        ("sampling: {n: 1_000}", "2:12: sampling.n: must be a whole number, not the text `1_000`. Write 1000"),
        ("sampling: {n: 12:30:00}", "2:12: sampling.n: must be a whole number, not the text `12:30:00`"),
        ("sampling: {n: yes}", "2:12: sampling.n: must be a whole number, not the text `yes`"),
        ("sampling: {n: true}", "2:12: sampling.n: must be a whole number, not `true`"),
        ("sampling: {n: 8.5}", "2:12: sampling.n: must be a whole number, not the number `8.5`"),
        ("sampling: {n: null}", "2:12: sampling.n: must be a whole number, not nothing (null)"),
        ("sampling: {n: [8]}", "2:12: sampling.n: must be a whole number, not a list of length 1"),
        ("sampling: {n: 0}", "2:12: sampling.n: must be at least 1, not the number `0`"),
        ("sampling: {n: 100001}", "2:12: sampling.n: must be at most 100000, not the number `100001`"),
        (
            "sampling: {max_tokens: 1e7}",
            "2:12: sampling.max_tokens: must be a whole number, not the number `10000000.0`. Write 10000000",
        ),
        (
            'sampling: {max_tokens: "1e7"}',
            "2:12: sampling.max_tokens: must be a whole number, not the text `1e7`. Write 10000000",
        ),
        ("sampling: {max_tokens: 0}", "2:12: sampling.max_tokens: must be at least 1, not the number `0`"),
        ("sampling: {temperature: warm}", "2:12: sampling.temperature: must be a number, not the text `warm`"),
        ("sampling: {temperature: -0.1}", "2:12: sampling.temperature: must be at least 0, not the number `-0.1`"),
        ("sampling: {temperature: 2.1}", "2:12: sampling.temperature: must be at most 2, not the number `2.1`"),
        ("sampling: {top_p: 0}", "2:12: sampling.top_p: must be above 0, not the number `0`"),
        ("sampling: {top_p: 1.1}", "2:12: sampling.top_p: must be at most 1, not the number `1.1`"),
        ("sampling: {top_k: -1}", "2:12: sampling.top_k: must be at least 0, not the number `-1`"),
        ("sampling: {min_p: 2}", "2:12: sampling.min_p: must be at most 1, not the number `2`"),
        ("sampling: {repetition_penalty: 0}", "2:12: sampling.repetition_penalty: must be above 0, not the number `0`"),
        (
            "sampling: {repetition_penalty: 10.1}",
            "2:12: sampling.repetition_penalty: must be at most 10, not the number `10.1`",
        ),
        ("sampling: {presence_penalty: 3}", "2:12: sampling.presence_penalty: must be at most 2, not the number `3`"),
        (
            "sampling: {frequency_penalty: -3}",
            "2:12: sampling.frequency_penalty: must be at least -2, not the number `-3`",
        ),
        (
            "sampling: {seed: 9223372036854775808}",
            "2:12: sampling.seed: must be at most 9223372036854775807, not the number `9223372036854775808`",
        ),
        ("sampling: {stop: x}", "2:12: sampling.stop: must be a list, not the text `x`"),
        ("sampling: {stop: [a, '']}", "2:22: sampling.stop.1: must be text that is not empty, not the text ``"),
        ("sampling: {stop: [404]}", '2:19: sampling.stop.0: must be text, not the number `404`. Write "404" in quotes'),
        (
            "sampling: {stop_token_ids: [-1]}",
            "2:29: sampling.stop_token_ids.0: must be at least 0, not the number `-1`",
        ),
        (
            f"sampling: {{stop_token_ids: {list(range(65))}}}",
            "2:12: sampling.stop_token_ids: must be a list of at most 64 items, not a list of length 65",
        ),
        ("sampling: {logprobs: 21}", "2:12: sampling.logprobs: must be at most 20, not the number `21`"),
        ("sampling: [n]", "2:1: sampling: must be a block of keys, not a list of length 1"),
        (
            "model: {trust_remote_code: yes}",
            "2:9: model.trust_remote_code: must be true or false, not the text `yes`",
        ),
        ("model: {revision: 3}", '2:9: model.revision: must be text, not the number `3`. Write "3" in quotes'),
        (
            "model: {source: modelscop:a/b}",
            "2:9: model.source: a model is modelscope:OWNER/NAME, hf:OWNER/NAME or a local path, "
            "not the text `modelscop:a/b`",
        ),
        (
            "model: {source: 'hf:../..'}",
            "2:9: model.source: a model is modelscope:OWNER/NAME, hf:OWNER/NAME or a local path, "
            "not the text `hf:../..`",
        ),
        (
            "model: {source: hf:a}",
            "2:9: model.source: a model is modelscope:OWNER/NAME, hf:OWNER/NAME or a local path, not the text `hf:a`",
        ),
        (
            "name: ../x",
            "2:1: name: a name has 1 to 64 of A-Z a-z 0-9 . _ - and no leading dot, not the text `../x`",
        ),
        ("name: .x", "2:1: name: a name has 1 to 64 of A-Z a-z 0-9 . _ - and no leading dot, not the text `.x`"),
        ("prompt: {chat: 1}", "2:10: prompt.chat: must be a block of keys, not the number `1`"),
        ("engine: vllm", "2:1: engine: must be a block of keys, not the text `vllm`"),
        ("strategy: [beta]", "2:1: strategy: must be a block of keys, not a list of length 1"),
        ("output: {flush_seconds: 1.9}", "2:10: output.flush_seconds: must be at least 2, not the number `1.9`"),
        ("output: {dir: ''}", "2:10: output.dir: must be text that is not empty, not the text ``"),
        (
            "engine: {key: '${SOLVER_NONE}'}",
            "2:10: engine.key: the environment variable `SOLVER_NONE` is not set. Or escape it: $${SOLVER_NONE}",
        ),
        ("sampling: {n: 1, n: 2}", "2:18: sampling.n: the key is given twice, first in line 2. Keep one"),
    ],
)
def test_one_wrong_thing_is_one_message(write: Callable[..., str], block: str, message: str) -> None:
    assert told(write(MINIMAL + block + "\n")) == [f"jobs/math.yaml:{message}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", ":1:1: input.path: is missing"),
        ("\n\ninput: {limit: 3}", ":3:1: input.path: is missing"),
        ("input: {path: 3}", ':1:9: input.path: must be text, not the number `3`. Write "3" in quotes'),
        (
            "input: {path: s3://b/x}",
            ":1:9: input.path: problems are read from a local file, folder or glob, not the text `s3://b/x`",
        ),
        (
            "input: {path: ''}",
            ":1:9: input.path: problems are read from a local file, folder or glob, not the text ``",
        ),
        (
            "input: {path: a, columns: {problem: null}}",
            ":1:28: input.columns.problem: must name a column, not nothing (null). Or leave it out",
        ),
        (
            "input: {path: a, on_bad_file: ignore}",
            ":1:18: input.on_bad_file: must be 'stop' or 'skip', not the text `ignore`",
        ),
        ("input: {path: a, limit: 0}", ":1:18: input.limit: must be at least 1, not the number `0`"),
        ("input: {path: a, columns: {anser: b}}", ":1:28: input.columns.anser: unknown key. Did you mean `answer`?"),
        (
            "input: {path: a, columns: {answer: 3}}",
            ':1:28: input.columns.answer: must be text, not the number `3`. Write "3" in quotes',
        ),
        ("input: {path: a, columns: [a]}", ":1:18: input.columns: must be a block of keys, not a list of length 1"),
        ("", ":1:1: a job is a block of keys, not nothing (null). Begin with `input: {path: ...}`"),
        ("[1]", ":1:1: a job is a block of keys, not a list of length 1. Begin with `input: {path: ...}`"),
        (
            "input: {path: a}}",
            ":1:17: cannot be read as YAML: while parsing a block mapping expected <block end>, but found '}'",
        ),
    ],
)
def test_a_file_without_usable_input(write: Callable[..., str], text: str, message: str) -> None:
    assert told(write(text)) == [f"jobs/math.yaml{message}"]


def test_everything_wrong_is_told_at_once_in_reading_order(write: Callable[..., str]) -> None:
    def no_engine(block: Mapping[str, Any]) -> Sequence[Fault]:
        return [Fault("max_num_sqs", "is not an argument of vLLM", "Did you mean `max_num_seqs`?")]

    def no_strategy(block: Mapping[str, Any]) -> Sequence[Fault]:
        assert block == {"name": "self-consistency", "stop": {"rule": "bta"}}
        return [Fault("strategy.stop.rule", "unknown rule `bta`"), Fault("", "needs n")]

    text = """\
input: {columns: {problm: q}}
sampling:
  temprature: 1
  n: "8"
  top_p: 7
  top_p: 8
strategy:
  stop: {rule: bta}
engine: {kind: vllm, max_num_sqs: 1, key: "${SOLVER_NONE}"}
"""
    assert told(write(text), "prompt.tmplate=x", validators={"strategy": no_strategy, "engine": no_engine}) == [
        "jobs/math.yaml:1:1: input.path: is missing",
        "jobs/math.yaml:1:19: input.columns.problm: unknown key. Did you mean `problem`?",
        "jobs/math.yaml:3:3: sampling.temprature: unknown key. Did you mean `temperature`?",
        "jobs/math.yaml:4:3: sampling.n: must be a whole number, not the text `8`. Write 8",
        "jobs/math.yaml:6:3: sampling.top_p: the key is given twice, first in line 5. Keep one",
        "jobs/math.yaml:6:3: sampling.top_p: must be at most 1, not the number `8`",
        "jobs/math.yaml:7:1: strategy: needs n",
        "jobs/math.yaml:8:10: strategy.stop.rule: unknown rule `bta`",
        "jobs/math.yaml:9:22: engine.max_num_sqs: is not an argument of vLLM. Did you mean `max_num_seqs`?",
        "jobs/math.yaml:9:38: engine.key: the environment variable `SOLVER_NONE` is not set. "
        "Or escape it: $${SOLVER_NONE}",
        "-o prompt.tmplate=x: unknown key. Did you mean `template`?",
    ]


def test_overrides_are_checked_also_beside_an_unreadable_file(write: Callable[..., str]) -> None:
    assert len(told(write("a: ["), "n", "b=[")) == 3
    assert told("jobs/none.yaml") == ["jobs/none.yaml: cannot be read: No such file or directory"]


def test_validators_see_the_block_as_it_stands_and_silence_is_consent(write: Callable[..., str]) -> None:
    seen: list[Mapping[str, Any]] = []

    def watch(block: Mapping[str, Any]) -> Sequence[Fault]:
        seen.append(block)
        return ()

    load_job(write(FULL), ["engine.x=1"], {"engine": watch, "strategy": watch})
    assert [block.get("kind", block.get("name")) for block in seen] == ["vllm", "tree"]
    assert seen[0]["x"] == 1


def test_a_name_made_of_an_odd_file_name_is_asked_for(write: Callable[..., str]) -> None:
    assert told(write(MINIMAL, "数学.yaml")) == [
        "jobs/数学.yaml:1:1: name: a name has 1 to 64 of A-Z a-z 0-9 . _ - and no leading dot, not the text `数学`"
    ]


LINES = st.sampled_from(
    [line for line in FULL.splitlines() if ":" in line]
    + ["a: &a [*a]", "input: &i {path: x, columns: [{a: 1}]}", "sampling: *i", "name: ${HOME}", "strategy: 'beta:.'"]
    + ["prompt: {chat: {1: 2}}", "output: 3", "model: {source: [], revision: {}}", "input: x", "strategy: ${HOME}"]
    + ["engine: {a: 123456789012345678901234567890}", "engine: {a: 1e308}", "input:", "- 1", "'a.b': 1", "? [x]"]
)
KEYS = st.sampled_from(
    ["a", "n", "sampling.n", "input", "input.path", "strategy", "strategy.stop", "engine.a.b", "name"]
)
OVERRIDES = st.builds("{}={}".format, KEYS, st.text(max_size=9) | st.sampled_from(["{a: b}", "x", "[1]", "${HOME}"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(text=st.text() | st.lists(LINES | st.text(max_size=9)).map("\n".join), overrides=st.lists(OVERRIDES, max_size=3))
def test_no_text_and_no_override_gets_past_as_another_error(
    write: Callable[..., str], text: str, overrides: Sequence[str]
) -> None:
    Path("jobs/any.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        job = load_job("jobs/any.yaml", overrides)
    except JobError as error:
        assert error.faults
        assert all(str(fault).isprintable() for fault in error.faults)
    else:
        again(job, Path("runs/any"))


# --- the resolved job ------------------------------------------------------------------------------------------------


def again(job: Job, directory: Path) -> str:
    """The resolved text, after it was read back from `directory` as the same job."""
    directory.mkdir(parents=True, exist_ok=True)
    text = resolved(job, directory)
    (directory / "job.yaml").write_text(text, encoding="utf-8")
    back = load_job(directory / "job.yaml")
    assert replace(back, source_path=job.source_path) == job
    assert resolved(back, directory) == text
    return text


def test_the_resolved_job_is_the_same_job_from_its_own_directory(write: Callable[..., str]) -> None:
    assert again(load_job(write(FULL)), Path("runs/math")).splitlines()[:5] == [
        "# This run's job as resolved: every default written out, paths relative to this file.",
        "name: math",
        "input:",
        "  path: ../../jobs/data/math.parquet",
        "  columns:",
    ]
    text = again(load_job(write(MINIMAL + "model: {source: ./abacus}\nprompt: {template: x/y}")), Path("jobs"))
    assert "path: ./data/math.parquet" in text
    assert "source: ./abacus" in text
    assert "dir: ../runs/math" in text
    assert "dir: ." in again(load_job(write(MINIMAL)), Path("runs/math"))


@pytest.mark.parametrize("template", ["./y", "./.hidden", "mine.j2", "o1-zh", "a/b"])
def test_a_template_beside_the_resolved_job_stays_a_path(write: Callable[..., str], template: str) -> None:
    again(load_job(write(MINIMAL + f"prompt: {{template: {template}}}")), Path("jobs"))


def test_every_default_is_written_out(write: Callable[..., str]) -> None:
    text = resolved(load_job(write(MINIMAL)), Path("runs/math"))
    fields = " ".join(line.split(":")[0].strip() for line in text.splitlines()[1:])
    assert fields == (
        "name input path columns limit split on_bad_file on_bad_row model source revision trust_remote_code profile "
        "reasoning prompt template system system_role chat sampling n temperature top_p top_k min_p repetition_penalty "
        "presence_penalty frequency_penalty max_tokens stop stop_token_ids logprobs seed strategy name engine kind "
        "output dir flush_seconds"
    )


def test_a_secret_never_reaches_the_resolved_job_nor_a_fault_nor_the_fingerprint(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    canary = "sk-canary-4f1d"
    monkeypatch.setenv("SECRET", canary)
    monkeypatch.setenv("PLACE", "part")
    text = """\
name: run-${PLACE}
input: {path: "data/${SECRET}/${PLACE}.parquet"}
model: {source: "hf:A/${SECRET}", revision: "${SECRET}"}
prompt: {template: "${SECRET}.j2", system: "key ${SECRET}", chat: {a: [x, "${SECRET}"]}}
strategy: "${SECRET}"
engine: {api_key: "Bearer ${SECRET}", literal: "$${SECRET}"}
"""
    job = load_job(write(text))
    assert job.input.path == f"{tmp_path}/jobs/data/{canary}/part.parquet"
    assert job.prompt.template == f"{tmp_path}/jobs/{canary}.j2"
    assert job.engine == {"kind": "vllm", "api_key": f"Bearer {canary}", "literal": "${SECRET}"}
    assert job.strategy == {"name": canary}
    back = again(job, Path("runs/math"))
    assert canary not in back
    assert "path: ../../jobs/data/${SECRET}/${PLACE}.parquet" in back
    assert "api_key: Bearer ${SECRET}" in back
    assert "literal: $${SECRET}" in back
    assert "dir: ../run-${PLACE}" in back
    facts = generation_fingerprint(job, {"engine.api_key": f"Bearer {canary}", "engine.dtype": "auto"})
    assert canary not in json.dumps(facts) + repr(job)
    assert facts["engine.dtype"] == "auto"
    wrong = MINIMAL + 'name: "/${SECRET}"\nsampling: {n: "${SECRET}"}\nmodel: {trust_remote_code: "${SECRET}"}\n'
    assert told(write(wrong)) == [
        "jobs/math.yaml:2:1: name: a name has 1 to 64 of A-Z a-z 0-9 . _ - and no leading dot, not `/${SECRET}`",
        "jobs/math.yaml:3:12: sampling.n: must be a whole number, not `${SECRET}`",
        "jobs/math.yaml:4:9: model.trust_remote_code: must be true or false, not `${SECRET}`",
    ]


def test_paths_from_the_environment_survive_wherever_it_points(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATA", f"{tmp_path}/far")
    monkeypatch.setenv("HOME", f"{tmp_path}/home")
    text = 'input: {path: "${DATA}/x/../a"}\nmodel: {source: "~/${DATA}"}\noutput: {dir: "/${DATA}"}'
    job = load_job(write(text), ["prompt.template=t/${DATA}/../a.j2"])
    assert (job.input.path, job.prompt.template) == (f"{tmp_path}/far/a", f"{tmp_path}/t{tmp_path}/a.j2")
    assert "path: ${DATA}/x/../a" in again(job, Path("runs/math"))


def test_a_directory_whose_name_looks_like_a_variable_is_not_one(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(MINIMAL)
    monkeypatch.setenv("X", "x")
    Path("${NONE}").mkdir()
    Path("${NONE}/a.yaml").write_text('name: "${X}"\ninput: {path: "./${X}/b"}\noutput: {dir: "out/${X}"}')
    job = load_job("${NONE}/a.yaml")
    assert (job.input.path, job.output.dir) == (f"{tmp_path}/${{NONE}}/x/b", f"{tmp_path}/${{NONE}}/out/x")
    again(job, Path("runs/math"))


def test_the_bounds_themselves_are_allowed(write: Callable[..., str]) -> None:
    low = "{n: 1, temperature: 0, top_p: 1e-9, top_k: 0, min_p: 0, repetition_penalty: 1e-9, presence_penalty: -2, "
    high = "{n: 100000, temperature: 2, top_p: 1, top_k: 9, min_p: 1, repetition_penalty: 10, presence_penalty: 2, "
    low += "frequency_penalty: -2, max_tokens: 1, seed: 0, logprobs: 0, stop_token_ids: [0]}"
    high += f"frequency_penalty: 2, max_tokens: 10000000, seed: {2**63 - 1}, logprobs: 20, stop: {['x'] * 64}}}"
    assert load_job(write(MINIMAL), [f"sampling={low}"]).n == 1
    assert load_job(write(MINIMAL), [f"sampling={high}"]).n == 100_000


def test_an_override_takes_the_place_of_what_the_environment_gave(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S", "tree")
    path = write(MINIMAL + 'strategy: "${S}"\nengine: {key: "${S}", other: {deep: "${S}"}}')
    job = load_job(path, ["engine.key=mine", "engine.other={deep: x}", "strategy.width=3"])
    assert "key: mine" in again(job, Path("runs/math"))
    assert job.strategy == {"name": "tree", "width": 3}
    assert told(write(MINIMAL + 'strategy: "beta:0.${N}"'.replace("${N}", "${NINE}")), "name=x")[0].startswith(
        "jobs/math.yaml:2:1: strategy: the environment variable `NINE` is not set"
    )
    monkeypatch.setenv("NINE", "9")
    assert told("jobs/math.yaml") == [
        "jobs/math.yaml:2:1: strategy: a threshold cannot come from the environment. Use -o strategy=RULE:THRESHOLD"
    ]


def test_a_job_travels_to_another_process(write: Callable[..., str]) -> None:
    job = load_job(write(FULL))
    assert pickle.loads(pickle.dumps(job)) == job


# --- what a job is known by ------------------------------------------------------------------------------------------


FACTS = {"model.content": "abc", "prompt.template": "def", "engine": {"dtype": "auto", "rope": [1, 2.5], "none": {}}}


def test_the_fingerprint_is_flat_json(write: Callable[..., str]) -> None:
    job = load_job(write(FULL))
    assert generation_fingerprint(job, FACTS) == {
        "sampling.temperature": 0.6,
        "sampling.top_p": 0.95,
        "sampling.top_k": 0,
        "sampling.min_p": 1e-5,
        "sampling.repetition_penalty": 1.05,
        "sampling.presence_penalty": -1.0,
        "sampling.frequency_penalty": 2.0,
        "sampling.stop.0": "###",
        "sampling.stop.1": "yes",
        "sampling.stop_token_ids.0": 2,
        "sampling.stop_token_ids.1": 128131,
        "sampling.schema": None,
        "sampling.seed": 2**63 - 1,
        "prompt.system": "你是\n数学家 ",
        "prompt.chat.enable_thinking": False,
        "prompt.chat.tags.0": "a",
        "prompt.chat.tags.1": 1,
        "model.content": "abc",
        "prompt.template": "def",
        "engine.dtype": "auto",
        "engine.rope.0": 1,
        "engine.rope.1": 2.5,
        "engine.none": "{}",
    }


@pytest.mark.parametrize(
    "override",
    [
        "sampling.n=99",
        "sampling.max_tokens=77",
        "sampling.logprobs=5",
        "engine.max_num_seqs=3",
        "engine={kind: scripted}",
        "strategy=beta:0.9",
        "output.dir=elsewhere",
        "output.flush_seconds=3",
        "name=other",
        "input={path: other.csv}",
        "prompt.template=elsewhere/same-text.jinja",
        "model={source: ./copy, trust_remote_code: false}",
    ],
)
def test_the_fingerprint_ignores_what_does_not_change_the_distribution(
    write: Callable[..., str], override: str
) -> None:
    job, other = load_job(write(FULL)), load_job(write(FULL), [override])
    assert job != other
    assert generation_fingerprint(job, FACTS) == generation_fingerprint(other, FACTS)


@pytest.mark.parametrize(
    ("override", "keys"),
    [
        ("sampling.temperature=0.61", ["sampling.temperature"]),
        ("sampling.top_p=0.5", ["sampling.top_p"]),
        ("sampling.top_k=5", ["sampling.top_k"]),
        ("sampling.min_p=0.5", ["sampling.min_p"]),
        ("sampling.repetition_penalty=1.1", ["sampling.repetition_penalty"]),
        ("sampling.presence_penalty=1", ["sampling.presence_penalty"]),
        ("sampling.frequency_penalty=1", ["sampling.frequency_penalty"]),
        ("sampling.seed=1", ["sampling.seed"]),
        ("sampling.stop=['###']", ["sampling.stop.1"]),
        ("sampling.stop=[]", ["sampling.stop", "sampling.stop.0", "sampling.stop.1"]),
        ("sampling.stop_token_ids=[2, 3]", ["sampling.stop_token_ids.1"]),
        ("prompt.system=x", ["prompt.system"]),
        ("prompt.chat.enable_thinking=true", ["prompt.chat.enable_thinking"]),
        ("prompt.chat.new=1", ["prompt.chat.new"]),
    ],
)
def test_the_fingerprint_knows_what_changes_the_distribution(
    write: Callable[..., str], override: str, keys: list[str]
) -> None:
    old = generation_fingerprint(load_job(write(FULL)), FACTS)
    new = generation_fingerprint(load_job(write(FULL), [override]), FACTS)
    assert sorted(key for key in old | new if (key in old, old.get(key)) != (key in new, new.get(key))) == keys


@pytest.mark.parametrize("fact", ["model.content", "prompt.template", "engine"])
def test_the_fingerprint_knows_every_fact_of_the_caller(write: Callable[..., str], fact: str) -> None:
    job = load_job(write(FULL))
    assert generation_fingerprint(job, FACTS | {fact: "other"}) != generation_fingerprint(job, FACTS)


def test_a_fact_cannot_take_a_key_of_the_job(write: Callable[..., str]) -> None:
    with pytest.raises(ValueError, match=r"\['sampling.seed'\]"):
        generation_fingerprint(load_job(write(FULL)), {"sampling": {"seed": 3}})


def test_the_canonical_hash_is_of_canonical_json() -> None:
    canonical = rb'{"a":["\u00e9",null,true],"b":1.0}'
    assert canonical_hash({"b": 1.0, "a": ("é", None, True)}) == blake2b(canonical, digest_size=16).hexdigest()
    assert canonical_hash({"a": 1, "b": 2}) == canonical_hash({"b": 2, "a": 1})
    values = [{}, [], None, "", 0, 0.0, False, "0", [0], {"0": 0}, 1e-7, 1e-5]
    assert len({canonical_hash(value) for value in values}) == len(values)
    assert len(canonical_hash(0)) == 32
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            canonical_hash(value)
    with pytest.raises(TypeError):
        canonical_hash({"a": object()})


# --- secrets that are written out ------------------------------------------------------------------------------------

HUB_TOKEN = "hf_" + "CanaryCanaryCanary0123"


@pytest.mark.parametrize(
    ("block", "key"),
    [
        (f"prompt: {{system: 'use {HUB_TOKEN}'}}", "prompt.system"),
        (f"prompt: {{chat: {{tools: [{HUB_TOKEN}]}}}}", "prompt.chat.tools.0"),
        ("engine: {proxy: 'http://me:canary-word@host'}", "engine.proxy"),
        ("engine: {password: canary-of-the-environment}", "engine.password"),
        (f"strategy: {{name: x, judge: {{api: {HUB_TOKEN}}}}}", "strategy.judge.api"),
    ],
)
def test_a_secret_that_is_written_out_is_refused_and_not_repeated(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch, block: str, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-the-environment")
    (fault,) = told(write(MINIMAL + block))
    assert fault.endswith(
        f"{key}: holds a secret, which would be written into the run directory. "
        "Put it into an environment variable and write ${NAME} here"
    )
    assert "anary" not in fault
    name, value = block.split(": ", 1)
    (fault,) = told(write(MINIMAL), f"{name}={value}")
    assert "anary" not in fault and "-o " in fault


def test_a_secret_from_the_environment_is_what_is_asked_for(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-the-environment")
    job = load_job(write(MINIMAL + "engine: {password: '${OPENAI_API_KEY}'}"))
    assert job.engine["password"] == "canary-of-the-environment" and "canary" not in resolved(job, "/")


# --- what is known of a job with faults ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "overrides", "wrong"),
    [
        (MINIMAL + "sampling: {n: '8'}", [], {"sampling"}),
        (MINIMAL + "smpling: {n: 8}\nengine: {a: {b: '${UNSET_HERE}'}}", [], {"smpling", "engine"}),
        ("input: {pth: x}\nprompt: {template: cot}", [], {"input"}),
        (MINIMAL, ["sampling.n=x", "prompt.chat=[1", "name.x=2"], {"sampling", "prompt", "name"}),
    ],
)
def test_the_sound_blocks_of_a_job_with_faults_are_known(
    write: Callable[..., str], text: str, overrides: list[str], wrong: set[str]
) -> None:
    path = write(text + "\noutput: {dir: here}\nname: given\n")
    with pytest.raises(PartlyReadError) as caught:
        load_job(path, overrides)
    rest = caught.value.rest
    assert caught.value.wrong == wrong and rest is not None
    assert rest.output.dir.endswith("/jobs/here") and rest.n == 16
    assert rest.input.path.endswith("/" if "input" in wrong else "jobs/data/math.parquet")


@pytest.mark.parametrize("text", ["[1", "", "- 1", "input: {path: a}}"])
def test_of_a_file_that_cannot_be_read_nothing_is_known(write: Callable[..., str], text: str) -> None:
    with pytest.raises(JobError) as caught:
        load_job(write(text))
    assert getattr(caught.value, "rest", None) is None


def test_importing_the_room_brings_no_pydantic() -> None:
    code = "import sys, solver.job; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
