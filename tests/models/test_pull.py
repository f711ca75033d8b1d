"""Pulling a model from either hub: whole, verified, resumed, and never what could run code by being loaded."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fake_hub import COMMIT, FakeHub, shard

from solver.errors import DiskFullError, MachineError, ModelError
from solver.models import fetch, find, manifest, places, resolve
from solver.models.pull import pull, verify
from solver.models.sources import Source, parse

SHARD = "model-00002-of-00003.safetensors"


def asked(text: str) -> Source:
    source = parse(text)
    assert source is not None
    return source


def test_a_pull_brings_what_a_model_needs_and_nothing_that_could_run_when_loaded(hub: FakeHub, source: str) -> None:
    said: list[str] = []
    path = pull(asked(source), said.append)
    brought = {file.name for file in path.iterdir()} - {manifest.NAME}
    assert brought == {
        *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model"),
        *("configuration_internlm3.py", "modeling_internlm3.py", "tokenization_internlm3.py"),
        *("model.safetensors.index.json", *(f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3))),
    }, "no pickles, no pictures, no second copy of the weights that the index does not name"
    assert all((path / name).read_bytes() == hub.files[name] for name in brought)
    assert sorted(hub.downloads) == sorted(brought), "each file was asked for once"
    known = manifest.read(path)
    assert known is not None and set(known.files) == brought and known.source == source
    assert said[-1].startswith(f"{source}: 12 files, ") and "verified: 12 downloaded; revision" in said[-1]
    assert path.parent == places.home() / source.partition(":")[0] / "Owner--internlm3-tiny"
    assert not list((path.parent / ".partial").iterdir())


def test_the_revision_is_pinned_to_what_it_stood_for(hub: FakeHub, source: str) -> None:
    path = pull(asked(source))
    again = pull(asked(source))
    assert again == path and len(hub.downloads) == 12, "nothing is downloaded twice"
    assert path.name == COMMIT if source.startswith("hf:") else path.name.startswith("master-")
    # the branch moves on: another directory, and what did not change is linked from the first
    hub.files["generation_config.json"] = b'{"eos_token_id": [2, 5]}'
    hub.revisions = {**hub.revisions, "main": "f" * 40}
    said: list[str] = []
    moved = pull(asked(source), said.append)
    assert moved != path and (path / manifest.NAME).is_file(), "a run may still use the old one"
    assert hub.downloads[12:] == ["generation_config.json"] and "11 from another revision" in said[-1]
    model = find(source)
    assert model is not None and model.path == moved.resolve() and model.stop_ids[:1] == (2,)


def test_a_start_needs_no_hub_and_reads_no_weights(hub: FakeHub, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pull(asked(source))
    before = len(hub.asked)
    monkeypatch.setattr(manifest, "digests", lambda *_: pytest.fail("a start must not read 17 GB"))
    from solver.models import content

    monkeypatch.setattr(content, "_hash", lambda _: pytest.fail("the manifest knows the hash of the weights"))
    for model in (find(source), resolve(source), find(str(path))):
        assert model is not None and model.path == path.resolve() and model.complete and not model.torn
    facts = content.model_facts(path)
    view = path.parent / "view"
    view.mkdir()
    for file in path.glob("*"):
        (view / file.name).symlink_to(file) if file.suffix == ".safetensors" else shutil.copy(file, view)
    (view / manifest.NAME).unlink()
    assert content.model_facts(view) == facts, "also through links"
    assert len(hub.asked) == before


def test_the_weights_hash_is_that_of_a_directory_without_a_manifest(hub: FakeHub, tmp_path: Path, source: str) -> None:
    from solver.models.content import model_facts

    path = pull(asked(source))
    plain = shutil.copytree(path, tmp_path / "plain")
    (plain / manifest.NAME).unlink()
    assert model_facts(plain) == model_facts(path), "a run goes on whichever way its model came here"


def test_cut_connections_are_resumed_where_they_broke(hub: FakeHub, source: str) -> None:
    hub.cuts.update({SHARD: 3, "model-00003-of-00003.safetensors": 1})
    path = pull(asked(source))
    assert (path / SHARD).read_bytes() == hub.files[SHARD]
    assert hub.downloads.count(SHARD) == 4
    assert hub.sent[SHARD] < 1.5 * len(hub.files[SHARD]), "what had arrived was not sent again"


def test_a_hub_without_ranges_is_asked_for_the_whole_file_again(hub: FakeHub, source: str) -> None:
    hub.ranges = False
    hub.cuts[SHARD] = 1
    assert (pull(asked(source)) / SHARD).read_bytes() == hub.files[SHARD]
    assert hub.sent[SHARD] > 1.3 * len(hub.files[SHARD])


def test_a_connection_that_always_breaks_is_said_and_the_next_pull_goes_on(hub: FakeHub, source: str) -> None:
    hub.cuts[SHARD] = 10**6  # half of what is left each time, until no whole piece is
    with pytest.raises(MachineError, match=f"{SHARD} could not be downloaded: .*kept: try again"):
        pull(asked(source))
    assert find(source) is None, "without a manifest there is no model"
    assert hub.downloads.count(SHARD) <= 30
    hub.cuts.clear()
    before = hub.sent[SHARD]
    assert (pull(asked(source)) / SHARD).read_bytes() == hub.files[SHARD]
    assert hub.sent[SHARD] - before < len(hub.files[SHARD]) / 2


def test_a_flipped_byte_is_fetched_again_and_refused_where_it_stays(hub: FakeHub, source: str) -> None:
    hub.flips.update({SHARD: 1, "config.json": 1})
    path = pull(asked(source))
    assert (path / SHARD).read_bytes() == hub.files[SHARD] and hub.downloads.count(SHARD) == 2
    assert (path / "config.json").read_bytes() == hub.files["config.json"], "small files have hashes too"
    shutil.rmtree(path)
    hub.flips[SHARD] = 2
    with pytest.raises(MachineError, match=f"{SHARD} arrived twice with other bytes than the hub lists"):
        pull(asked(source))
    assert find(source) is None and not (path / SHARD).exists()


@pytest.mark.parametrize("how", ["gone", "hide"])
def test_a_shard_that_the_hub_lacks_is_named(hub: FakeHub, source: str, how: str) -> None:
    getattr(hub, how).add(SHARD)
    with pytest.raises(ModelError) as refused:
        pull(asked(source))
    what = {"gone": f"the hub lists {SHARD} but does not have it", "hide": "lacks 1 of the 3 shards"}[how]
    assert what in str(refused.value) and SHARD in str(refused.value) and "owner" in str(refused.value)
    assert find(source) is None


def test_a_shard_that_is_short_on_the_hub_itself_is_refused(hub: FakeHub, source: str) -> None:
    hub.files[SHARD] = shard({"layers.1.weight": 9_000}, 1)[:-100]
    with pytest.raises(ModelError, match=rf"{SHARD} has [\d,]+ bytes, not [\d,]+, as its hub has it"):
        pull(asked(source))
    assert find(source) is None


@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/evil.json", "a/../../evil.py", "a\\evil.py", "x\n.json", "a//b.py"]
)
def test_a_name_that_leads_out_of_the_directory_is_refused(
    hub: FakeHub, source: str, name: str, tmp_path: Path
) -> None:
    hub.also.add(name)
    with pytest.raises(ModelError, match="lists a file outside of its directory"):
        pull(asked(source))
    assert not hub.downloads and not list(tmp_path.rglob("evil*"))


def test_a_link_that_leads_out_of_the_directory_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.files["extra/more.json"] = b"{}"
    source = asked("hf:Owner/internlm3-tiny")
    (tmp_path / "elsewhere").mkdir()
    directory = places.folder(source) / COMMIT
    directory.mkdir(parents=True)
    (directory / "extra").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="leads out of the model's directory"):
        pull(source)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize(("drop", "what"), [("config.json", "no config.json"), (".safetensors", "no \\*.safetensors")])
def test_a_repository_that_is_no_model_is_said_to_be(hub: FakeHub, source: str, drop: str, what: str) -> None:
    hub.hide |= {name for name in hub.files if name.endswith(drop)}
    with pytest.raises(ModelError, match=what):
        pull(asked(source))
    assert not hub.downloads


def test_a_wrong_revision_or_name_is_told_with_the_nearest_known(hub: FakeHub, source: str) -> None:
    with pytest.raises(ModelError) as refused:
        pull(asked(f"{source}@v1.O"))
    assert str(refused.value) == (f"model.revision: {source} has no revision `v1.O`. Did you mean `v1.0`?")
    hub_name = source.partition(":")[0]
    with pytest.raises(ModelError) as refused:
        pull(asked(f"{hub_name}:Owner/internlm3-tinny"))
    assert "has no model Owner/internlm3-tinny" in str(refused.value) and "OWNER/NAME" in str(refused.value)
    with pytest.raises(ModelError, match="Did you mean `modelscope:Shanghai_AI_Laboratory/internlm3-8b-instruct`"):
        pull(asked("modelscope:Shanghai_AI_Laboratory/internlm3-8b-instuct"))


def test_the_token_goes_to_the_hub_alone_and_is_written_nowhere(
    hub: FakeHub, source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.token = "very-secret-token-of-mine"
    with pytest.raises((MachineError, ModelError)):
        pull(asked(source))
    monkeypatch.setenv("HF_TOKEN" if source.startswith("hf") else "MODELSCOPE_API_TOKEN", hub.token)
    path = pull(asked(source))  # the hub's other place asserts that it is not sent there
    held = [file for file in path.parent.rglob("*") if file.is_file() and hub.token.encode() in file.read_bytes()]
    assert not held


def test_a_full_disk_and_a_place_that_cannot_be_written_are_one_clear_error(
    hub: FakeHub, source: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(DiskFullError, match=r"1.0 kB free, 1.3 MB are still to be downloaded"):
        pull(asked(source))
    monkeypatch.undo()


def test_a_disk_that_fills_under_way_keeps_what_has_arrived(
    hub: FakeHub, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, room = os.write, [800_000]

    def write(handle: int, piece: bytes) -> int:
        room[0] -= len(piece)
        if room[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, piece)

    monkeypatch.setattr(fetch.os, "write", write)
    with pytest.raises(DiskFullError, match=r"no space left for .*Make room"):
        pull(asked(source))
    room[0] = 10**9
    before = sum(hub.sent.values())
    pull(asked(source))
    assert sum(hub.sent.values()) - before < sum(len(b) for n, b in hub.files.items() if n.endswith("rs")) - 200_000


def test_a_home_that_is_a_file_is_said(hub: FakeHub, source: str, tmp_path: Path) -> None:
    (tmp_path / "solver").write_text("in the way")
    with pytest.raises(MachineError, match=r"cannot be written: Not a directory. Set SOLVER_HOME"):
        pull(asked(source))


def test_a_hub_that_does_not_answer_is_one_clear_error(
    hub: FakeHub, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("modelscope_hub._legacy_api.REPO_TREE_PAGE_MAX_ATTEMPTS", 1)
    with pytest.raises(MachineError) as failed:
        resolve(source)
    told = str(failed.value)
    assert told.startswith(f"{source} could not be downloaded: ") and "local directory" in told and "\n" not in told


@pytest.mark.parametrize("package", ["huggingface_hub", "modelscope_hub"])
def test_a_missing_package_is_one_clear_error(package: str, monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MachineError, match=r"the package (huggingface_hub|modelscope)"):
        resolve(f"{'hf' if package.startswith('hugging') else 'modelscope'}:Owner/internlm3-tiny")
    assert not hub.asked


def test_two_processes_that_pull_one_model_download_it_once(hub: FakeHub, source: str) -> None:
    hub.pause = 0.02
    code = f"from solver.models import resolve; print(resolve({source!r}, say=print).path)"
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len({text.splitlines()[-1] for text in told}) == 1
    assert sorted(hub.downloads) == sorted(set(hub.downloads)) and len(hub.downloads) == 12
    assert sum("another process is pulling" in text for text in told) <= 1


def test_what_a_killed_pull_left_is_gone_on_from(hub: FakeHub, source: str) -> None:
    hub.pause = 0.05
    code = f"from solver.models import resolve; resolve({source!r})"
    process = subprocess.Popen([sys.executable, "-c", code])
    half = threading.Event()
    while process.poll() is None and not half.wait(0.02):
        if hub.sent[SHARD] > 150_000:
            half.set()
    process.kill()
    process.wait()
    assert find(source) is None
    hub.pause, before = 0.0, hub.sent[SHARD]
    path = pull(asked(source))
    assert hub.sent[SHARD] - before < len(hub.files[SHARD]) - 60_000
    assert not verify(path)


@pytest.mark.parametrize("small", [False, True])
def test_an_altered_directory_is_refused_and_mended(hub: FakeHub, source: str, small: bool) -> None:
    path, name = pull(asked(source)), "config.json" if small else SHARD
    content = bytearray((path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (path / name).write_bytes(content)
    (path / "extra.safetensors").write_bytes(b"")
    (path / "inner").mkdir()
    (path / "inner" / "code.py").write_text("raise SystemExit")
    with pytest.raises(ModelError) as refused:
        resolve(source)
    told = str(refused.value)
    assert f"{name} was written to since, extra.safetensors was added, inner/code.py was added" in told
    assert f"To mend it: solver models pull {source}" in told
    (path / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tokenizer.json is missing"):
        find(str(path))
    before = len(hub.downloads)
    assert pull(asked(source)) == path
    assert sorted(hub.downloads[before:]) == sorted([name, "tokenizer.json"]), "only what differs"
    assert (path / "extra.safetensors.not-listed").exists() and not (path / "inner" / "code.py").exists()
    assert not verify(path)
    assert resolve(source).path == path.resolve()


def test_verify_finds_a_byte_that_flipped_on_the_disk_and_no_run_starts_from_it(hub: FakeHub, source: str) -> None:
    path = pull(asked(source))
    assert verify(path) == []
    seen = (path / SHARD).stat()
    content = bytearray((path / SHARD).read_bytes())
    content[1000] ^= 4
    (path / SHARD).write_bytes(content)
    os.utime(path / SHARD, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert find(source) is not None, "nothing but reading every byte shows it"
    (told,) = verify(path)
    assert told.startswith(f"{SHARD} has other bytes (SHA-256 ")
    with pytest.raises(ModelError, match=f"{SHARD} has other bytes"):
        find(source)
    pull(asked(source))
    assert verify(path) == [] and find(source) is not None


def test_a_copied_directory_can_be_used_once_verified(hub: FakeHub, source: str, tmp_path: Path) -> None:
    copied = shutil.copytree(pull(asked(source)), tmp_path / "copied", copy_function=shutil.copyfile)
    with pytest.raises(ModelError, match=f"if it was only copied: solver models verify {copied}"):
        find(str(copied))
    assert verify(copied) == [] and find(str(copied)) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"form": 2}', '{"form": 1, "files": {"../x": {}}}'])
def test_a_damaged_manifest_is_said_and_a_pull_writes_it_anew(hub: FakeHub, source: str, text: str) -> None:
    path = pull(asked(source))
    (path / manifest.NAME).write_text(text)
    with pytest.raises(ModelError, match="cannot be read"):
        find(source)
    before = len(hub.downloads)
    pull(asked(source))
    assert find(source) is not None and len(hub.downloads) == before, "the files are compared, not fetched"


def test_a_directory_that_is_cut_short_is_known_without_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(shard({"w": 100}, 0))
    model = find(str(tmp_path))
    assert model is not None and model.complete and not model.torn
    (tmp_path / "model.safetensors").write_bytes(shard({"w": 100}, 0)[:-1])
    assert model.torn.endswith("bytes, not 180") or "bytes, not" in model.torn
    (tmp_path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert model.torn == "model.safetensors is no safetensors file", "a pointer of git-lfs, not the weights"


def test_the_manifest_is_readable(hub: FakeHub, source: str) -> None:
    told = json.loads((pull(asked(source)) / manifest.NAME).read_text())
    assert told["form"] == 1 and told["source"] == source and told["pulled_at"].endswith("Z")
    entry = told["files"][SHARD]
    assert entry["size"] == len(hub.files[SHARD]) and len(entry["sha256"]) == 64
    assert entry["told"] == f"sha256:{entry['sha256']}"
