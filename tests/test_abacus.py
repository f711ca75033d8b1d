"""The committed demo model and its data keep the promises of their scripts: tokenizer, configuration, split."""

from __future__ import annotations

import importlib
import json
import random
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "jobs" / "abacus"
CONTROL = ["<|plugin|>", "<|interpreter|>", "<|action_end|>", "<|action_start|>", "<|im_end|>", "<|im_start|>"]
AWKWARD = [
    "",
    " ",
    "  two  spaces ",
    "\t\n\r\n",
    "▁already▁marked ▁",
    "😀👩\u200d👩\u200d👧 é e\u0301",
    "<0x41> <0xE4>",
    "</s> <s> <unk> <|im_end|>",
    "你好，世界 12 + 3",
    "\\boxed{12} $\\frac{1}{2}$ 3-4",
    "\x01\x7f\u2028\ufeff",
    "naïve — “quotes” …",
    "١٢ ½ Ⅻ 〇",
    "0" * 40,
]
STEP = re.compile(r"(\d+) ([-+*/]) (\d+)((?: = [\d+ -]*\d)+)")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL / "tokenizer.json"))


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        return importlib.import_module("abacus_problems")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((MODEL / name).read_text(encoding="utf-8"))
    return content


def rows(name: str) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = pq.read_table(ROOT / "jobs" / "data" / f"{name}.parquet").to_pylist()
    return content


def back_and_forth(tokenizer: Tokenizer, text: str) -> str:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    decoded: str = tokenizer.decode(ids, skip_special_tokens=False)
    return decoded


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_come_back_exactly(tokenizer: Tokenizer, text: str) -> None:
    assert back_and_forth(tokenizer, text) == text


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_exactly(text: str) -> None:
    assert back_and_forth(Tokenizer.from_file(str(MODEL / "tokenizer.json")), text) == text


def test_ids_follow_the_scheme_of_internlm3(tokenizer: Tokenizer) -> None:
    size = tokenizer.get_vocab_size()
    names = [tokenizer.id_to_token(number) for number in range(size)]
    assert names[:3] == ["<unk>", "<s>", "</s>"]
    assert names[3:259] == [f"<0x{byte:02X}>" for byte in range(256)]
    assert names[-6:] == CONTROL
    assert size <= read("config.json")["vocab_size"]


def test_every_digit_is_a_token_of_its_own(tokenizer: Tokenizer) -> None:
    encoded = tokenizer.encode("Tom has 4096 and小明有12345个, 7*8=56", add_special_tokens=False)
    assert [t for t in encoded.tokens if any(c.isdigit() for c in t)] == list("4096123457856")
    pieces = [tokenizer.id_to_token(number) for number in range(259, tokenizer.get_vocab_size())]
    assert all(len(piece) == 1 for piece in pieces if re.search(r"\d", piece))


def test_usual_words_are_single_tokens(tokenizer: Tokenizer) -> None:
    for text in ("user", "assistant", " How", " dollars", " apples", "小明", "答案是", " \\boxed{"):
        assert len(tokenizer.encode(text, add_special_tokens=False).ids) == 1, text
    assert tokenizer.encode("1 + 2 = 3", add_special_tokens=False).tokens == ["1", " + ", "2", " = ", "3"]


def test_the_chat_template_makes_one_beginning(tokenizer: Tokenizer) -> None:
    template = jinja2.Template(read("tokenizer_config.json")["chat_template"], keep_trailing_newline=True)
    messages = [{"role": "system", "content": "Hi."}, {"role": "user", "content": "1 + 1?"}]
    text = template.render(messages=messages, bos_token="<s>", add_generation_prompt=True)
    assert text == ("<s><|im_start|>system\nHi.<|im_end|>\n<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n")
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert ids[0] == 1 and ids.count(1) == 1
    assert tokenizer.encode("x").ids[0] == 1  # the post-processor adds it to bare text


def expected_shapes(config: dict[str, Any]) -> dict[str, list[int]]:
    hidden, inner, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    queries = config["num_attention_heads"] * config["head_dim"]
    keys = config["num_key_value_heads"] * config["head_dim"]
    layer = {
        "self_attn.q_proj": [queries, hidden],
        "self_attn.k_proj": [keys, hidden],
        "self_attn.v_proj": [keys, hidden],
        "self_attn.o_proj": [hidden, queries],
        "mlp.gate_proj": [inner, hidden],
        "mlp.up_proj": [inner, hidden],
        "mlp.down_proj": [hidden, inner],
        "input_layernorm": [hidden],
        "post_attention_layernorm": [hidden],
    }
    whole = {"model.embed_tokens": [vocab, hidden], "model.norm": [hidden], "lm_head": [vocab, hidden]}
    for number in range(config["num_hidden_layers"]):
        whole |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    return {f"{name}.weight": shape for name, shape in whole.items()}


def test_weights_agree_with_the_configuration() -> None:
    config = read("config.json")
    with safe_open(MODEL / "model.safetensors", framework="np") as weights:
        slices = {name: weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118 - not a dict
        assert {name: part.get_shape() for name, part in slices.items()} == expected_shapes(config)
        assert {part.get_dtype() for part in slices.values()} == {"BF16"}


def test_configuration_is_an_internlm3_that_needs_no_remote_code(tokenizer: Tokenizer) -> None:
    config, generation = read("config.json"), read("generation_config.json")
    assert config["model_type"] == "llama" and config["architectures"] == ["InternLM3ForCausalLM"]
    assert "auto_map" not in config and config["max_position_embeddings"] >= 2048
    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (1, 2, 2)
    end = tokenizer.token_to_id("<|im_end|>")
    assert generation == {"bos_token_id": 1, "eos_token_id": [2, end], "pad_token_id": 2}


def test_sizes_stay_under_their_caps() -> None:
    assert (MODEL / "model.safetensors").stat().st_size <= 5_000_000
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 5_500_000


def test_splits_share_no_numbers(corpus: ModuleType) -> None:
    rng = random.Random(5)
    trained = {corpus.numbers_of(corpus.draw(rng, "train").text) for _ in range(4000)}
    demo = [corpus.numbers_of(row["problem"]) for row in rows("demo")]
    heldout = [corpus.numbers_of(row["problem"]) for row in rows("heldout")]
    assert (len(set(demo)), len(set(heldout))) == (200, 500)
    assert not set(demo) & set(heldout)
    assert not trained & {*demo, *heldout}
    for name in ("demo", "heldout"):
        assert {corpus.split_of(row["problem"]) for row in rows(name)} == {name}


@pytest.mark.parametrize("name", ["demo", "heldout"])
def test_data_are_balanced_and_come_from_the_script(corpus: ModuleType, name: str) -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        made = importlib.import_module("make_demo_data").problems_of(name)
    finally:
        sys.path.remove(str(ROOT / "scripts"))
    table = rows(name)
    assert [(row["problem"], row["answer"]) for row in table] == [(p.text, str(p.answer)) for p in made]
    assert [row["language"] for row in table] == ["en", "zh"] * (len(table) // 2)
    shares = Counter(row["steps"] for row in table).values()
    assert len(shares) == 6 and max(shares) - min(shares) <= 2
    for problem in made:
        recompute(problem)


def value_of(expression: str) -> int:
    """A chain of sums and differences, left to right."""
    return sum(int(sign + number) for sign, number in re.findall(r"([+-]?) ?(\d+)", expression))


def result_of(left: int, sign: str, right: int) -> int:
    if sign == "/":
        assert left % right == 0
        return left // right
    return {"+": left + right, "-": left - right, "*": left * right}[sign]


def recompute(problem: Any) -> None:
    """Work a problem out again: operands from its text or from earlier steps, partial results, boxed answer."""
    known = {2, *map(int, re.findall(r"\d+", problem.text))}  # 2: "doubles", "half"
    found = STEP.findall(problem.solution)
    assert len(found) == problem.steps
    for left, sign, right, chain in found:
        assert {int(left), int(right)} <= known
        result = result_of(int(left), sign, int(right))
        assert [value_of(part) for part in chain.split(" = ")[1:]] == [result] * chain.count(" = ")
        known.add(result)
    assert result == problem.answer and 0 <= result <= 9999
    assert re.findall(r"\\boxed\{(\d+)\}", problem.solution) == [str(result)]


def test_training_solutions_are_right(corpus: ModuleType) -> None:
    rng = random.Random(6)
    for _ in range(2000):
        recompute(corpus.draw(rng, "train"))
