"""What modelscope and huggingface_hub downloaded before is found, verified and linked; offline it is taken over."""

import hashlib
from pathlib import Path

import pytest
from fake_hub import COMMIT, FakeHub

from solver.errors import MachineError, ModelError
from solver.models import find, manifest, resolve
from solver.models.bring import link
from solver.models.pull import pull, verify
from solver.models.sources import Source, parse

SHARD = "model-00002-of-00003.safetensors"
NEEDED = 12
LAYOUTS = [
    ("modelscope", "models/Owner--internlm3-tiny/snapshots/master"),
    ("modelscope", "models/Owner/internlm3-tiny"),
    ("modelscope", "hub/models/Owner/internlm3-tiny"),
    ("hf", ""),
]


def fill(hub: FakeHub, root: Path, layout: str) -> Path:
    """A cache as its package leaves it; Hugging Face's snapshots are links to blobs."""
    if layout:
        for name, content in hub.files.items():
            (root / layout / name).parent.mkdir(parents=True, exist_ok=True)
            (root / layout / name).write_bytes(content)
        return root / layout
    below = root / "models--Owner--internlm3-tiny"
    for name, content in hub.files.items():
        large = name.endswith((".safetensors", ".model"))
        git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
        blob = below / "blobs" / (hashlib.sha256(content).hexdigest() if large else git)
        place = below / "snapshots" / COMMIT / name
        for path in (blob, place):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        place.symlink_to(blob)
    (below / "refs").mkdir()
    (below / "refs" / "main").write_text(COMMIT)
    return below / "snapshots" / COMMIT


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout[1] or "hf")
def cache(
    request: pytest.FixtureRequest, hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Source, Path]:
    """A source, and the directory where its hub's package left it."""
    name, layout = request.param
    monkeypatch.setenv("HF_HUB_CACHE" if name == "hf" else "MODELSCOPE_CACHE", str(tmp_path / "cache"))
    source = parse(f"{name}:Owner/internlm3-tiny")
    assert source is not None
    return source, fill(hub, tmp_path / "cache", layout)


def go_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setattr("modelscope_hub._legacy_api.REPO_TREE_PAGE_MAX_ATTEMPTS", 1)


def test_a_cache_is_linked_and_nothing_downloaded(hub: FakeHub, cache: tuple[Source, Path]) -> None:
    source, place = cache
    said: list[str] = []
    path = pull(source, said.append)
    assert not hub.downloads and f"0 downloaded, {NEEDED} from the " in said[-1] and "cache" in said[-1]
    assert verify(path) == []
    assert manifest.read(path) is not None and not (place / manifest.NAME).exists(), "the cache is left as it is"


def test_large_files_are_linked_and_small_ones_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("solver.models.bring.COPIED", 10)
    (tmp_path / "small").write_bytes(b"1" * 10)
    (tmp_path / "large").write_bytes(b"2" * 11)
    (tmp_path / "alias").symlink_to(tmp_path / "large")
    for name, same in (("small", False), ("large", True), ("alias", True)):
        link(tmp_path / name, tmp_path / "linked")
        assert (tmp_path / "linked").samefile(tmp_path / name) == same and not (tmp_path / "linked").is_symlink()
    monkeypatch.setattr("os.link", lambda *_: (_ for _ in ()).throw(OSError(18, "Invalid cross-device link")))
    link(tmp_path / "large", tmp_path / "linked")
    assert (tmp_path / "linked").is_symlink() and (tmp_path / "linked").samefile(tmp_path / "large")


def test_what_is_wrong_or_missing_in_a_cache_is_downloaded(hub: FakeHub, cache: tuple[Source, Path]) -> None:
    source, place = cache
    damaged = bytearray(hub.files[SHARD])
    damaged[5000] ^= 1
    (place / SHARD).resolve().write_bytes(damaged)
    (place / "model-00003-of-00003.safetensors").resolve().write_bytes(b"short")
    (place / "config.json").resolve().unlink()
    path = pull(source)
    assert sorted(hub.downloads) == ["config.json", SHARD, "model-00003-of-00003.safetensors"]
    assert verify(path) == [] and (path / SHARD).read_bytes() == hub.files[SHARD]


def test_check_uses_a_cache_without_touching_it_or_the_network(hub: FakeHub, cache: tuple[Source, Path]) -> None:
    source, place = cache
    model = find(str(source))
    assert model is not None and model.path == place.resolve() and not model.pulled
    assert not hub.asked and not (place / manifest.NAME).exists()


def test_a_run_compares_a_cache_with_the_hub_first(hub: FakeHub, cache: tuple[Source, Path]) -> None:
    source, place = cache
    model = resolve(str(source))
    assert model.pulled and model.path != place.resolve() and hub.asked == ["listing"]
    assert resolve(str(source)).path == model.path and hub.asked == ["listing"], "once"


def test_without_a_network_a_whole_cache_is_taken_over_and_said(
    hub: FakeHub, cache: tuple[Source, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, place = cache
    with monkeypatch.context() as offline:
        go_away(offline)
        said: list[str] = []
        model = resolve(str(source), say=said.append)
        assert model.path.name.endswith("-adopted") and model.complete
        assert f"the whole copy in {place} is used. Its bytes could not be compared with the hub's" in said[-1]
        assert f"{source.pull} does that later" in said[-1]
        assert resolve(str(source), say=pytest.fail).path == model.path, "the next start asks nobody"
    assert not hub.asked
    compared = pull(source)
    assert compared != model.path and not hub.downloads and find(str(source)).path == compared.resolve()  # type: ignore[union-attr]


@pytest.mark.parametrize("how", ["missing", "short"])
def test_without_a_network_part_of_a_model_is_refused_and_said_to_be_that(
    hub: FakeHub, cache: tuple[Source, Path], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    source, place = cache
    if how == "missing":
        (place / SHARD).unlink()
    else:
        (place / SHARD).resolve().write_bytes(hub.files[SHARD][:-1])
    go_away(monkeypatch)
    with pytest.raises(MachineError) as refused:
        resolve(str(source))
    lacks = f"1 of 3 files, {SHARD} first" if how == "missing" else f"{SHARD} has "
    assert f"{place} is not whole and cannot be used: {lacks}" in str(refused.value)


def test_without_a_network_a_pulled_model_is_used_and_an_altered_one_refused(
    hub: FakeHub, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = parse(source)
    assert known is not None
    path = pull(known)
    go_away(monkeypatch)
    said: list[str] = []
    assert pull(known, said.append) == path and said[-1].endswith("What was pulled before is whole, and is used")
    (path / SHARD).unlink()
    with pytest.raises(ModelError, match=f"{SHARD} is missing"):
        pull(known)
