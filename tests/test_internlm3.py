"""InternLM3 as published, prepared: an exact fast tokenizer, a view that is found again, and what is refused."""

import json
import multiprocessing
import re
import shutil
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from desk import Desk
from small_internlm3 import CHAT, RENAMED, TEMPLATE, publish, vocabulary
from tokenizers import Tokenizer as Rust
from tokenizers.decoders import DecodeStream

from solver.errors import MachineError, ModelError
from solver.models import LocalModel, internlm3, open_directory, sentencepiece, view
from solver.models.content import model_facts
from solver.models.internlm3 import ASKED, CONTROL, PUBLISHED_TEMPLATE, TEXTS, VOCABULARY, id_faults, prepared
from solver.models.tokenizer import FastCodec, Tokenizer, load_tokenizer
from solver.run import open as opening
from solver.run import read_job
from solver.run.preview import preview

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from tokenizer_texts import KINDS, texts

spm = pytest.importorskip("sentencepiece", reason="it comes with vLLM")
MANY = 5600
SPECIAL = ("<unk>", "<s>", "</s>", *RENAMED, *CHAT)


@pytest.fixture(autouse=True)
def nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees or changes the caches of who runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def shard(name: str) -> bytes:
    """A safetensors file: the length of its header, and the header."""
    header = json.dumps({name: {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}).encode()
    return len(header).to_bytes(8, "little") + header


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    """The published directory, with three shards that hold a tensor of no length, named after them."""
    path = publish(tmp_path / "model")
    names = [f"model-{number}.safetensors" for number in range(3)]
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {n: n for n in names}}))
    for name in names:
        (path / name).write_bytes(shard(name))
    return path


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    """A prepared model that no test changes."""
    return made(publish(tmp_path_factory.mktemp("exact")))


def made(path: Path) -> LocalModel:
    return prepared(open_directory(str(path), path))


@cache
def the_processor() -> Any:
    return spm.SentencePieceProcessor(model_proto=vocabulary())


def own_encoding(text: str, *, control: bool = True) -> list[int]:
    """sentencepiece's own, between control strings as the published code cuts them out."""
    processor = the_processor()
    parts = re.split(f"({'|'.join(map(re.escape, SPECIAL))})", text) if control else [text]
    ids: list[int] = []
    for number, part in enumerate(parts):
        ids += [_id(part)] if number % 2 else processor.encode(part)
    return ids


def _id(special: str) -> int:
    return SPECIAL.index(special) + (0 if special in SPECIAL[:3] else 1500 - 3)


def test_the_fast_tokenizer_splits_every_text_as_sentencepiece_does(exact: LocalModel) -> None:
    codec = FastCodec(exact.path / "tokenizer.json")
    different: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for kind, text in texts(MANY):
        if codec.encode(text, plain=False) != own_encoding(text):
            different[kind].append(text)
        pieces_only = not any(name in text for name in CHAT)  # these sentencepiece takes for pieces, always
        if pieces_only and codec.encode(text, plain=True) != own_encoding(text, control=False):
            different[kind].append(text)
    assert {kind: len(wrong) for kind, wrong in different.items()} == dict.fromkeys(KINDS, 0), different


def test_the_definition_in_plain_sight_is_sentencepiece_s_too(exact: LocalModel) -> None:
    pieces = sentencepiece.parse(vocabulary())
    greedy = sentencepiece.Greedy(pieces, {_id(name): sentencepiece.Added(name) for name in SPECIAL})
    codec = FastCodec(exact.path / "tokenizer.json")
    for _, text in texts(700, seed=1):
        assert greedy.encode(text) == own_encoding(text)
        assert greedy.encode(text, plain=True) == codec.encode(text, plain=True), "control strings as ordinary text"


def test_texts_come_back_whole_and_token_by_token(exact: LocalModel) -> None:
    rust = Rust.from_file(str(exact.path / "tokenizer.json"))
    for _, text in texts(1400, seed=2):
        ids = rust.encode(text, add_special_tokens=False).ids
        spoken = text.replace("▁", " ")
        assert rust.decode(ids, skip_special_tokens=False) == spoken
        stream = DecodeStream(skip_special_tokens=False)  # what vLLM decodes with when a job has stop strings
        assert "".join(stream.step(rust, number) or "" for number in ids) == spoken


def test_a_chat_has_one_bos_and_control_tokens_at_their_published_ids(exact: LocalModel) -> None:
    tokenizer = load_tokenizer(exact)
    start, end = _id("<|im_start|>"), _id("<|im_end|>")
    ids = tokenizer.prompt([{"role": "user", "content": "1 + 1? <|im_end|><s>"}])
    assert (ids.count(1), ids[:2], ids.count(start), ids.count(end)) == (1, [1, start], 2, 1)
    assert ids == [
        1,
        *own_encoding("<|im_start|>user\n1 + 1? "),
        *ids[len(own_encoding("<|im_start|>user\n1 + 1? ")) + 1 :],
    ]
    assert tokenizer.specials == {name: _id(name) for name in SPECIAL}
    said = own_encoding("<planning>a</planning><|im_end|>")
    assert tokenizer.decode([said]) == ["<planning>a</planning>"], "tags of reasoning stay, control tokens go"
    assert exact.stop_ids == (2, end) and exact.context == 1024


def test_the_usual_conversion_is_wrong_and_would_be_noticed(exact: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """What transformers 5.23 does by itself: merges, made of every pair of pieces that spells a third."""
    path = Path(exact.source)
    pieces = sentencepiece.read(path / "tokenizer.model")
    wrong = sentencepiece.fast_tokenizer(pieces, {}, "<s>")
    words = {text: number for text, number in wrong["model"]["vocab"].items() if number > 259}
    halves = ((text[:cut], text[cut:]) for text in words for cut in range(1, len(text)))
    wrong["model"]["merges"] = [f"{a} {b}" for a, b in halves if a in words and b in words]
    wrong["added_tokens"] = [token for token in wrong["added_tokens"] if token["special"]]
    codec = Rust.from_str(json.dumps(wrong))
    differ = [text for _, text in texts(700) if codec.encode(text, add_special_tokens=False).ids != own_encoding(text)]
    assert len(differ) > 350
    monkeypatch.setattr(internlm3, "fast_tokenizer", lambda *_: wrong)
    shutil.copytree(path, path.parent / "again", ignore=shutil.ignore_patterns("prepared"), dirs_exist_ok=True)
    with pytest.raises(ModelError, match=r"reads .* of .* texts wrongly"):
        made(path.parent / "again")


def test_a_view_holds_a_llama_configuration_links_to_the_weights_and_no_code(stock: Path) -> None:
    model = made(stock)
    assert model.path.parent == stock / "prepared" and model.source == str(stock)
    assert model.complete and not list(model.path.glob("*.py"))
    for link in model.path.glob("*.safetensors"):
        assert link.is_symlink() and not link.readlink().is_absolute() and link.samefile(stock / link.name)
    config = json.loads((model.path / "config.json").read_text())
    assert config == model.config
    assert (config["model_type"], config["architectures"]) == ("llama", ["InternLM3ForCausalLM"])
    assert not {"auto_map", "rope_scaling"} & set(config)
    assert (config["qkv_bias"], config["head_dim"], config["rope_theta"]) == (True, 32, 50000000)
    settings = json.loads((model.path / "tokenizer_config.json").read_text())
    assert "auto_map" not in settings and settings["chat_template"] == TEMPLATE
    assert (model.path / "generation_config.json").read_text() == (stock / "generation_config.json").read_text()


def test_scaling_that_changes_positions_inside_the_context_is_kept(stock: Path) -> None:
    config = json.loads((stock / "config.json").read_text())
    for scaling, kept in (({"rope_type": "yarn", "factor": 2.0}, True), ({"type": "dynamic", "factor": 2.0}, False)):
        (stock / "config.json").write_text(json.dumps(config | {"rope_scaling": scaling}))
        assert ("rope_scaling" in made(stock).config) is kept
    new = {"rope_parameters": {"rope_type": "dynamic", "factor": 6.0, "rope_theta": 5e7}}
    (stock / "config.json").write_text(json.dumps(config | new))
    assert made(stock).config["rope_parameters"] == {"rope_type": "default", "rope_theta": 5e7}


def test_a_view_is_made_once_and_anew_when_something_in_it_changed(
    stock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def again() -> Path:
        return prepared(open_directory("x", stock), said.append).path

    first = again()
    assert len(said) == 1 and said[0].startswith("preparing x once")
    assert again() == first and len(said) == 1, "found again"
    (first / "tokenizer.json").write_bytes((first / "tokenizer.json").read_bytes()[:-9])
    assert again() == first and len(said) == 2 and Rust.from_file(str(first / "tokenizer.json")), "a damaged file"
    (first / "config.json").unlink()
    assert again() == first and len(said) == 3, "a lost file"
    (first / "prepared.json").write_text("{}")
    (first / "config.json").unlink()
    assert again() == first and len(said) == 4 and (first / "config.json").is_file(), "a note that notes nothing"
    settings = json.loads((stock / "tokenizer_config.json").read_text())
    (stock / "tokenizer_config.json").write_text(json.dumps(settings | {"chat_template": "{{ bos_token }}"}))
    second = again()
    assert second != first and first.is_dir() and len(said) == 5, "another original; the old view may be in use"
    monkeypatch.setattr(internlm3, "RECIPE", 2)
    assert again() not in (first, second)
    left = {file.name for file in (stock / "prepared").iterdir()}
    assert len(left) == 4 and ".lock" in left, "nothing temporary stays"


def test_links_follow_the_originals(stock: Path, tmp_path: Path) -> None:
    view_path = made(stock).path
    (stock / "model-0.safetensors").unlink()
    model = made(stock)
    assert model.path == view_path and model.missing == "1 of 3 files, model-0.safetensors first"
    assert model_facts(model.path), "a link that leads nowhere is gone"
    (stock / "model-0.safetensors").write_bytes(b"downloaded again")
    assert made(stock).complete and (view_path / "model-0.safetensors").read_bytes() == b"downloaded again"
    moved = stock.rename(tmp_path / "elsewhere")
    assert (moved / "prepared" / view_path.name / "model-1.safetensors").read_bytes() == shard("model-1.safetensors")


def test_where_the_model_s_directory_cannot_be_written_the_view_is_in_the_cache(stock: Path, tmp_path: Path) -> None:
    beside = made(stock)
    facts = model_facts(beside.path)
    shutil.rmtree(stock / "prepared")
    (stock / "prepared").write_text("in the way, for root as well")
    model = made(stock)
    assert model.path.is_relative_to(tmp_path / "cache" / "solver" / "prepared") and model.complete
    assert model_facts(model.path) == facts, "the fingerprint does not tell where a view lies"
    assert made(stock).path == model.path
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(MachineError, match=r"neither to .*model/prepared .* nor to .*cache/solver/prepared"):
        made(stock)


def test_a_file_system_without_symbolic_links_gets_hard_ones(stock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError("no symbolic links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    model = made(stock)
    assert model.complete and (model.path / "model-1.safetensors").samefile(stock / "model-1.safetensors")
    replacement = stock / "new"
    replacement.write_bytes(b"another")
    replacement.rename(stock / "model-1.safetensors")
    assert (made(stock).path / "model-1.safetensors").read_bytes() == b"another"


def _prepare(path: str, results: Any) -> None:
    results.put(str(made(Path(path)).path))


def test_processes_that_prepare_one_model_at_once_all_get_a_whole_view(stock: Path) -> None:
    spawn = multiprocessing.get_context("fork")
    results = spawn.Queue()
    processes = [spawn.Process(target=_prepare, args=(str(stock), results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {results.get(timeout=120) for _ in processes}
    for process in processes:
        process.join()
    assert found == {str(made(stock).path)}
    assert sorted(file.name for file in (stock / "prepared").iterdir())[0] == ".lock"
    assert len(list((stock / "prepared").iterdir())) == 2


def test_what_a_killed_process_left_is_taken_away(stock: Path) -> None:
    (stock / "prepared" / ".making-1").mkdir(parents=True)
    made(stock)
    assert not list((stock / "prepared").glob(".making-*"))


def test_a_model_that_needs_nothing_is_left_as_it_is(stock: Path) -> None:
    model = made(stock)
    assert prepared(model) is model and not internlm3.wants_view(model)
    other = open_directory("x", stock.parents[0] / "model")
    llama = replace(other, config={"model_type": "llama", "architectures": ["LlamaForCausalLM"]})
    assert prepared(llama) is llama


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"add_dummy_prefix": True}, "puts a space before every text"),
        ({"normalization_rule_name": "nfkc"}, "rewrites texts"),
        ({"remove_extra_whitespaces": True}, "rewrites texts"),
        ({"byte_fallback": False}, "in no bytes"),
        ({"model_type": "unigram"}, "not matched as BPE"),
    ],
)
def test_a_vocabulary_that_cannot_be_carried_over_exactly_is_refused(
    stock: Path, settings: dict[str, Any], why: str
) -> None:
    (stock / "tokenizer.model").write_bytes(vocabulary.__wrapped__(700, **settings))
    with pytest.raises(ModelError) as refused:
        made(stock)
    assert (
        why in str(refused.value)
        and "tokenizer.model" in str(refused.value)
        and "trust_remote_code" in str(refused.value)
    )
    assert not (stock / "prepared").exists()


def test_pieces_that_merge_and_files_that_are_damaged_are_refused(stock: Path) -> None:
    model = stock / "tokenizer.model"
    whole = model.read_bytes()
    merged = whole.replace(b"\x18\x04", b"\x18\x01", 1)
    for content, why in ((merged, "1 of its"), (whole[:-3], "no whole sentencepiece model"), (b"", "no pieces")):
        model.write_bytes(content)
        with pytest.raises(ModelError, match=why):
            made(stock)
    model.unlink()
    with pytest.raises(ModelError, match=r"neither tokenizer\.model nor tokenizer\.json"):
        made(stock)


class Known:
    """A codec that knows the published ids, but for what a test changes."""

    def __init__(self, **wrong: list[int]) -> None:
        self.ids = {text: list(ids) for text, ids in TEXTS.items()} | {text: [i] for text, i in CONTROL.items()}
        self.ids |= {"<s>" + list(TEXTS)[1]: [1, *list(TEXTS.values())[1]]} | wrong

    def encode(self, text: str, *, plain: bool) -> list[int]:
        return self.ids[text]

    def decode(self, batch: Any) -> list[str]:
        raise NotImplementedError


def test_a_tokenizer_that_does_not_know_the_published_ids_is_refused(exact: LocalModel) -> None:
    model = replace(exact, config={**exact.config, "vocab_size": VOCABULARY})

    def faults(codec: Any, template: str = PUBLISHED_TEMPLATE) -> list[str]:
        loaded = load_tokenizer(exact)
        known = Tokenizer(codec, loaded.template, template, loaded.names, {}, 1, frozenset())
        return [str(fault) for fault in id_faults(model, known)]

    assert TEMPLATE == PUBLISHED_TEMPLATE and ASKED[0]["content"] in list(TEXTS)[1]
    assert faults(Known()) == []
    (told,) = faults(Known(assistant=[682, 12193]))
    assert "'assistant' is [682, 12193], not [33314, 5000]" in told and "leave tokenizer.model in it" in told
    for text in CONTROL:
        assert faults(Known(**{text: [7]})), text
    model = replace(model, source="hf:A/b")
    (told,) = faults(Known(assistant=[682, 12193]))
    assert "solver models pull internlm3-8b" in told and "Take" not in told, "a pulled directory must stay as it is"
    chat = "<s>" + list(TEXTS)[1]
    assert faults(Known(**{chat: [1, 2]})), "through the chat template"
    assert not faults(Known(**{chat: [1]}), "another model's own template")
    assert id_faults(exact, load_tokenizer(exact)) == [], "other vocabularies are compared when they are prepared"
    assert id_faults(model, load_tokenizer(exact)), "a small vocabulary is not the published one"


def test_a_job_uses_the_view_and_check_says_so(desk: Desk, stock: Path) -> None:
    desk.blocks["engine"] = {"kind": "vllm"}
    desk.lay([{"problem": "1 + 1?"}], [], model={"source": str(stock)})
    told = preview(read_job(desk.job))
    lines = "\n".join(told.lines())
    assert f"{stock}/prepared/internlm3-" in lines and "prepared: it runs no code of its own" in lines
    assert told.token_ids is not None and told.token_ids[:2] == [1, _id("<|im_start|>")] and told.context == 1024


def test_a_job_that_trusts_the_model_s_code_gets_the_directory_as_it_is_and_is_told(
    desk: Desk, stock: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.blocks["engine"] = {"kind": "vllm"}
    desk.lay([{"problem": "1 + 1?"}], [], model={"source": str(stock), "trust_remote_code": True})
    asked: list[tuple[Path, bool, str]] = []
    ready = load_tokenizer(made(stock))

    def load(model: LocalModel, trust: bool) -> Tokenizer:
        asked.append((model.path, trust, capsys.readouterr().err))
        return ready

    monkeypatch.setattr(opening, "load_tokenizer", load)
    notes = "\n".join(preview(read_job(desk.job)).notes)
    assert asked == [(stock, True, f"{opening.TRUSTED}\n")], "said before the code runs, and to no `say` that is quiet"
    assert "code from the model's directory runs" in notes and "InternLM3 does not need it" in notes


def test_another_first_token_than_the_profile_s_is_refused(desk: Desk, stock: Path) -> None:
    desk.blocks["engine"] = {"kind": "vllm"}
    desk.lay([{"problem": "1 + 1?"}], [], model={"source": str(stock), "profile": "internlm3"})
    assert preview(read_job(desk.job)).bos == 1
    settings = json.loads((stock / "tokenizer_config.json").read_text())
    (stock / "tokenizer_config.json").write_text(json.dumps(settings | {"add_bos_token": False}))
    with pytest.raises(ModelError, match=r"internlm3 begin with <s>; this tokenizer puts none first\. Give a model"):
        preview(read_job(desk.job))


def test_the_recipe_number_is_raised_with_the_recipe(exact: LocalModel) -> None:
    """Samples of one recipe and of another must not share a run: what is made of the same originals is pinned."""
    pieces = sentencepiece.Pieces(["<unk>", "<s>", "a", "<0x00>"], [2, 3, 4, 6], 2, True, False, False, False, True)
    content = internlm3._compact(sentencepiece.fast_tokenizer(pieces, {}, "<s>"))
    assert (internlm3.RECIPE, view.digest(content)) == (1, "047d29cb8b9552b186a51d679d96b29b")
