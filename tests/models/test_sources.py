"""What a user may call a model, in a job and on the command line."""

import json
from pathlib import Path

import pytest

from solver.errors import JobError, ModelError
from solver.job import Job, load_job, resolved
from solver.models.sources import SHORT_NAMES, Source, as_folder, parse


@pytest.mark.parametrize(
    ("text", "apart", "parsed"),
    [
        ("modelscope:A/b", None, Source("modelscope", "A/b", "master")),
        ("modelscope:A/b.c-d", "v1", Source("modelscope", "A/b.c-d", "v1")),
        ("hf:A/b", None, Source("hf", "A/b", "main")),
        ("hf:A/b", "master", Source("hf", "A/b", "main")),
        ("hf:A/b@refs/pr/1", None, Source("hf", "A/b", "refs/pr/1")),
        ("hf:A/b@v1", "v1", Source("hf", "A/b", "v1")),
        ("internlm3-8b", None, Source("modelscope", "Shanghai_AI_Laboratory/internlm3-8b-instruct", "master")),
        ("marco-o1@abc", None, Source("hf", "AIDC-AI/Marco-o1", "abc")),
        ("./internlm3-8b", None, None),
        ("/models/x@y", None, None),
    ],
)
def test_a_source_is_read_with_its_revision(text: str, apart: str | None, parsed: Source | None) -> None:
    assert parse(text, apart) == parsed
    if parsed is not None:
        assert parse(str(parsed)) == parsed, "what is shown can be typed"


@pytest.mark.parametrize(
    "text", ["hf:b", "hf:A/b/c", "modelscope:", "hf:A/b@", "hf:../b", "hf:A/b@../x", "hf:A/b@a/../c"]
)
def test_a_form_that_no_hub_has_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="modelscope:OWNER/NAME"):
        parse(text)


def test_two_revisions_contradict_each_other() -> None:
    with pytest.raises(ModelError, match=r"is `v2`, but model.source asks for `v1`. Leave one of them out"):
        parse("hf:A/b@v1", "v2")


def test_every_short_name_is_a_source_of_its_own() -> None:
    sources = [parse(name) for name in SHORT_NAMES]
    assert None not in sources and len(set(sources)) == len(SHORT_NAMES)


@pytest.mark.parametrize("revision", ["../up", "/abs", "refs/pr/1", ".", "..", ".hidden", "a b", "%2F"])
def test_no_revision_names_a_folder_elsewhere(revision: str) -> None:
    name = as_folder(revision)
    assert name and "/" not in name and not name.startswith(".")


def load(tmp_path: Path, model: object, *overrides: str) -> Job:
    job = {"input": {"path": "x.jsonl"}, "model": model}
    (tmp_path / "job.yaml").write_text(json.dumps(job))
    return load_job(tmp_path / "job.yaml", overrides)


@pytest.mark.parametrize(
    ("model", "source", "revision"),
    [
        ({"source": "hf:A/b@v1"}, "hf:A/b@v1", "v1"),
        ({"source": "hf:A/b@v1", "revision": "v1"}, "hf:A/b@v1", "v1"),
        ({"source": "modelscope:A/b", "revision": "v1"}, "modelscope:A/b", "v1"),
        ({"source": "internlm3-8b"}, SHORT_NAMES["internlm3-8b"], "master"),
        ({"source": "open-o1-llama-8b"}, SHORT_NAMES["open-o1-llama-8b"], "main"),
        ({"source": "qwq-32b@v2"}, SHORT_NAMES["qwq-32b"] + "@v2", "v2"),
    ],
)
def test_a_job_may_name_its_model_in_each_of_these_ways(
    tmp_path: Path, model: object, source: str, revision: str
) -> None:
    job = load(tmp_path, model)
    assert (job.model.source, job.model.revision) == (source, revision)
    (tmp_path / "again.yaml").write_text(resolved(job, tmp_path))
    assert load_job(tmp_path / "again.yaml").model == job.model, "what a run writes about its job can be run"


def test_a_job_with_two_revisions_is_refused_where_they_stand(tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"model.revision: is `v2`, but model.source asks for `v1`"):
        load(tmp_path, {"source": "hf:A/b@v1", "revision": "v2"})
    assert load(tmp_path, {"source": "hf:A/b@v1"}, "model.revision=v1").model.revision == "v1"
    with pytest.raises(JobError, match=r"-o model.revision"):
        load(tmp_path, {"source": "hf:A/b@v1"}, "model.revision=v3")


def test_a_source_from_the_environment_stays_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REV", "feature-x")
    monkeypatch.setenv("MODEL", "marco-o1@feature-x")
    for text in ("hf:A/b@${REV}", "${MODEL}"):
        job = load(tmp_path, {"source": text})
        assert job.model.revision == "feature-x"
        told = resolved(job, tmp_path)
        assert text in told
        (tmp_path / "again.yaml").write_text(told)
        assert load_job(tmp_path / "again.yaml").model == job.model


def test_a_misspelled_short_name_is_told_the_nearest(tmp_path: Path) -> None:
    from solver.models import find

    with pytest.raises(ModelError, match=r"no such directory. Did you mean `internlm3-8b`"):
        find(str(tmp_path / "internlm-8b"))
