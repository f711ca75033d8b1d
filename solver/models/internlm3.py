"""InternLM3 as it is published -> the same model as vLLM loads it without code from the model's repository.

The published directory needs that code twice: for its configuration class, which the transformers of vLLM 0.26 to
0.32 does not know, and for its tokenizer, which is slow. Both are only names and tables: the architecture is Llama's,
with Llama's weight names, and vLLM has it under its own name; the tokenizer is `tokenizer.model`
(models/sentencepiece.py). So a prepared view (models/view.py) holds a Llama configuration, an exact fast tokenizer and
links to the weights.

A tokenizer that is only nearly right spoils every answer without a word, so the ids that are known are compared: of
each piece when the view is made, of the published vocabulary also at every start (`id_faults`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from solver.errors import Fault, ModelError
from solver.models import LocalModel
from solver.models.sentencepiece import AGAIN, Added, Greedy, Pieces, fast_tokenizer, read
from solver.models.tokenizer import Tokenizer
from solver.models.view import NOTED, digest, view

RECIPE = 1
"""Raise it when other files are made from the same originals, so that views are made anew."""
ARCHITECTURE = "InternLM3ForCausalLM"
KEPT = ("generation_config.json", "chat_template.jinja")
READ = ("config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", *KEPT)
SETTINGS = (
    "add_bos_token",
    "add_eos_token",
    "additional_special_tokens",
    "bos_token",
    "chat_template",
    "eos_token",
    "model_max_length",
    "pad_token",
    "unk_token",
)
"""What of tokenizer_config.json is still true of a fast tokenizer."""

VOCABULARY = 128512
"""`vocab_size` of the published configuration."""
ASKED = [{"role": "user", "content": "1 + 1?"}]
CHAT = "<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n"
TEXTS: Mapping[str, Sequence[int]] = {
    "assistant": (33314, 5000),
    CHAT: (
        *(128132, 556, 27965, 27997, 416, 27956, 27997, 28039, 128131, 27965),
        *(128132, 33314, 5000, 27965),
    ),
}
"""Texts and their ids by the published tokenizer's own code, without the beginning-of-sequence token."""
CONTROL: Mapping[str, int] = {
    "<unk>": 0,
    "<s>": 1,
    "</s>": 2,
    "<|plugin|>": 128127,
    "<|interpreter|>": 128128,
    "<|action_end|>": 128129,
    "<|action_start|>": 128130,
    "<|im_end|>": 128131,
    "<|im_start|>": 128132,
}
PUBLISHED_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def prepared(model: LocalModel, say: Callable[[str], None] = lambda _: None) -> LocalModel:
    """The model in a form that needs no code of its own; the same object when it already has it.

    say: told before a view is made, which takes some seconds, once. Raises ModelError when no exact tokenizer can be
    made or its ids are not those of its pieces, MachineError when there is no place to write it to.
    """
    if not wants_view(model):
        return model
    sources = {name: (model.path / name).read_bytes() for name in READ if (model.path / name).is_file()}
    made_from = "".join(f"{name} {digest(content)}\n" for name, content in sources.items())
    key = digest(f"{RECIPE}\n{made_from}".encode())[:16]

    def make() -> dict[str, bytes]:
        say(f"preparing {model.source} once, so that it runs no code of its own ...")
        return _files(model, sources)

    path = view(model.path, f"internlm3-{key}", make, inside=model.pulled)
    config = json.loads((path / "config.json").read_text("utf-8"))
    return replace(model, path=path, config=config)


def is_prepared(model: LocalModel) -> bool:
    """Whether the model is read from a view."""
    return (model.path / NOTED).is_file()


def wants_view(model: LocalModel) -> bool:
    """Whether the directory, as it stands, could be loaded only by running its own code."""
    if model.config.get("model_type") == "internlm3":
        return True
    has = (model.path / "tokenizer.model").is_file() and not (model.path / "tokenizer.json").is_file()
    return has and ARCHITECTURE in (model.config.get("architectures") or ())


def _files(model: LocalModel, sources: Mapping[str, bytes]) -> dict[str, bytes]:
    """Everything in the view but the weights."""
    files = {name: sources[name] for name in KEPT if name in sources}
    files["config.json"] = _json(_config(model.config))
    settings = _settings(model.path, sources)
    if "tokenizer.model" in sources:
        pieces = read(model.path / "tokenizer.model")
        named = _named(settings)
        if faults := pieces.faults(str(model.path / "tokenizer.model")):
            raise ModelError(faults)
        bos, eos = (
            settings.get(f"{name}_token") if settings.get(f"add_{name}_token") else None for name in ("bos", "eos")
        )
        files["tokenizer.json"] = _compact(fast_tokenizer(pieces, named, _content(bos), _content(eos)))
        _prove(model, pieces, named, files["tokenizer.json"])
    elif "tokenizer.json" in sources:
        files["tokenizer.json"] = sources["tokenizer.json"]
    else:
        raise ModelError([Fault("model.source", f"{model.path} has neither tokenizer.model nor tokenizer.json", AGAIN)])
    decoder = settings.get("added_tokens_decoder")
    kept = {name: settings[name] for name in SETTINGS if settings.get(name) is not None}
    kept |= {"added_tokens_decoder": decoder} if decoder else {}
    kept |= {"clean_up_tokenization_spaces": False, "tokenizer_class": "PreTrainedTokenizerFast"}
    files["tokenizer_config.json"] = _json(kept)
    return files


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True).encode()


def _compact(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _config(original: Mapping[str, Any]) -> dict[str, Any]:
    """Llama's configuration of the same model, for vLLM's own class of this architecture.

    Dynamic scaling of the positions changes nothing within `max_position_embeddings`, and beyond it no engine goes.
    """
    config = {name: value for name, value in original.items() if name != "auto_map"}
    if _dynamic(config.get("rope_scaling")):
        del config["rope_scaling"]
    if _dynamic(config.get("rope_parameters")):  # as transformers 5 spells it
        config["rope_parameters"] = {"rope_theta": config["rope_parameters"].get("rope_theta"), "rope_type": "default"}
    bias = bool(original.get("bias", False))
    return config | {"model_type": "llama", "architectures": [ARCHITECTURE], "attention_bias": bias, "mlp_bias": bias}


def _dynamic(scaling: Any) -> bool:
    return isinstance(scaling, dict) and scaling.get("rope_type", scaling.get("type")) == "dynamic"


def _settings(path: Path, sources: Mapping[str, bytes]) -> dict[str, Any]:
    """tokenizer_config.json over special_tokens_map.json, and what the published code assumes where both are silent."""
    settings: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": True}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        try:
            settings |= json.loads(sources.get(name, b"{}"))
        except (ValueError, TypeError) as error:
            raise ModelError([Fault(str(path / name), f"cannot be read: {error}", AGAIN)]) from error
    return settings


def _content(token: Any) -> str | None:
    return None if token is None else str(token["content"] if isinstance(token, dict) else token)


def _named(settings: Mapping[str, Any]) -> dict[int, Added]:
    """Tokens by id as `added_tokens_decoder` names them: it also renames pieces that were unused."""
    decoder = settings.get("added_tokens_decoder") or {}
    return {int(number): Added(str(token["content"]), bool(token.get("special"))) for number, token in decoder.items()}


def _prove(model: LocalModel, pieces: Pieces, named: Mapping[int, Added], made: bytes) -> None:
    """Compare a built tokenizer with its pieces' own ids and with the definition. Raises ModelError."""
    from tokenizers import Tokenizer as Rust

    rust = Rust.from_str(made.decode())
    reference = Greedy(pieces, named)
    every = [*reference.words.items(), *reference.control.items()]
    texts = [word.replace("▁", " ") for word, _ in every]
    own = {text: [number] for text, (_, number) in zip(texts, every, strict=True)}
    own |= {text: reference.encode(text) for text in probes(texts)}
    read = rust.encode_batch(list(own), add_special_tokens=False)
    wrong = [
        f"{text!r} as {got.ids}, not {ids}"
        for (text, ids), got in zip(own.items(), read, strict=True)
        if got.ids != ids
    ]
    said = rust.decode_batch([[number] for _, number in every], skip_special_tokens=False)
    wrong += [
        f"{number} as {got!r}, not {text!r}"
        for text, got, (_, number) in zip(texts, said, every, strict=True)
        if got != text
    ]
    if wrong:
        what = f"the fast tokenizer made of it reads {len(wrong):,} of {len(own):,} texts wrongly: {wrong[0]}"
        fix = "Set model.trust_remote_code: true to use the model's own code, and report this"
        raise ModelError([Fault(str(model.path / "tokenizer.model"), what, fix)])


def probes(pieces: Sequence[str]) -> list[str]:
    """Texts that try every kind of neighbourhood: pieces side by side, scripts, spaces, bytes, control strings."""
    step = max(1, len(pieces) // 2000)
    some = pieces[::step]
    joined = ["".join(some[at : at + 7]) for at in range(0, len(some), 7)]
    spaced = [" ".join(some[at : at + 5]) for at in range(0, len(some), 5)]
    odd = [
        "",
        " ",
        "   ",
        "\n\n\t x",
        "▁▁ a▁",
        "\0\x7f",
        "🙂👩‍👩‍👧é́",
        "一加一等于几？",
        "x_{1}^2 \\ne \\frac{1}{2}",
        "\u202eabc\ufeff",
    ]
    return [*joined, *spaced, *odd, "<s>a</s> <|im_start|>user\n<|im_end|>", "<0x41><|im_<|im_end|>>"]


def id_faults(model: LocalModel, tokenizer: Tokenizer) -> list[Fault]:
    """What of the published vocabulary's known ids a tokenizer gets wrong; nothing for another model.

    At every start and for every kind of tokenizer: an automatically converted one reads `assistant` as 682, 12193.
    """
    published = model.config.get("vocab_size") == VOCABULARY and ARCHITECTURE in (
        model.config.get("architectures") or ()
    )
    if not published:
        return []
    encode = tokenizer.codec.encode
    wrong = [(text, list(ids), got) for text, ids in TEXTS.items() if (got := encode(text, plain=False)) != list(ids)]
    wrong += [
        (text, [number], got) for text, number in CONTROL.items() if (got := encode(text, plain=False)) != [number]
    ]
    whole = [CONTROL["<s>"], *TEXTS[CHAT]]
    if tokenizer.template_source == PUBLISHED_TEMPLATE and (asked := tokenizer.prompt(ASKED)) != whole:
        wrong.append((PUBLISHED_TEMPLATE, whole, asked))
    if not wrong:
        return []
    told = "; ".join(f"{text!r} is {got}, not {ids}" for text, ids, got in wrong[:3])
    if model.source.startswith(("modelscope:", "hf:")):  # a pulled directory with a file less would be refused
        fix = "Set model.source to the published model (solver models pull internlm3-8b), or report this to the hub"
    else:
        fix = "Take tokenizer.json out of the directory and leave tokenizer.model in it, or give the published model"
    return [Fault("model.source", f"the tokenizer in {model.path} is not InternLM3's: {told}", fix)]
