"""Messages -> token ids, token ids -> text: the model's own tokenizer and chat template.

The chat template is rendered here, in the sandbox and with the globals that transformers uses, so that
the base install (no torch) shows the very ids that the engine will be given. Three rules:

- exactly one beginning-of-sequence token where the model wants one, checked on every prompt;
- a control token spelled out inside a problem is encoded as plain text, never as the token;
- decoding drops control tokens but keeps reasoning tags (`<think>`), also where these are special.
"""

import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Template, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from solver.errors import Fault, MachineError, ModelError, PromptError
from solver.models import LocalModel
from solver.records import Message

NAMED: Sequence[str] = ("bos_token", "eos_token", "pad_token", "unk_token")  # what chat templates may call by name
TAG = re.compile(r"</?[A-Za-z][\w-]*>")
REMEMBERED = 64  # texts between control strings whose ids are kept: system messages, and problems asked many times
MARK = "\ue000{}\ue001"  # private-use characters stand in for control strings inside contents
MARKED = re.compile("\ue000(\\d+)\ue001")


class Codec(Protocol):
    """What differs between tokenizer libraries."""

    def encode(self, text: str, *, plain: bool) -> list[int]:
        """Ids without added specials; `plain` encodes control strings as ordinary text."""
        ...

    def decode(self, batch: Sequence[Sequence[int]]) -> list[str]:
        """Texts of many sequences, specials included."""
        ...


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """One model's tokenizer.

    bos: the id every prompt must start with, None where the model has none; specials: control
    string -> id; dropped: ids that decoding leaves out.
    """

    codec: Codec
    template: Template
    template_source: str
    names: Mapping[str, str]
    specials: Mapping[str, int]
    bos: int | None
    dropped: frozenset[int]

    def prompt(self, messages: Sequence[Message], prefix: str = "", chat: Mapping[str, Any] | None = None) -> list[int]:
        """Token ids of a chat that the assistant is to go on from `prefix`. Raises PromptError.

        The prefix is the model's own words, so reasoning tags in it are the tokens that they were.
        """
        contents: list[str] = []
        marked = [{**turn, "content": self._mark(turn["content"], contents)} for turn in messages]
        rendered = self.render(marked, chat) + self._mark(prefix, contents, spare=TAG)
        ids: list[int] = []
        for number, piece in enumerate(MARKED.split(rendered)):
            if piece:
                ids += self._plain(contents[int(piece)]) if number % 2 else self.codec.encode(piece, plain=False)
        return self._with_bos(ids)

    def render(self, messages: Sequence[Message], chat: Mapping[str, Any] | None = None) -> str:
        """The chat template's text for these messages, with the generation prompt. Raises PromptError."""
        try:
            return self.template.render(messages=messages, add_generation_prompt=True, **self.names, **(chat or {}))
        except (TemplateError, TypeError, ValueError, KeyError) as error:
            fix = "Choose a prompt that the model's chat template accepts (some allow no system message)"
            raise PromptError([Fault("chat template", f"refuses the messages: {error}", fix)]) from error

    def decode(self, batch: Sequence[Sequence[int]]) -> list[str]:
        """Texts of many responses at once, control tokens left out, reasoning tags kept."""
        return self.codec.decode([[i for i in ids if i not in self.dropped] for ids in batch])

    def _mark(self, content: str, contents: list[str], spare: re.Pattern[str] | None = None) -> str:
        """Replace control strings (and stray marks) by numbered marks, so that no template can revive them.

        spare: control strings that stay what they are, but for those with a name (end of sequence).
        """
        if not self.specials:
            return content

        def put(match: re.Match[str]) -> str:
            if spare is not None and spare.fullmatch(match.group()) and match.group() not in self.names.values():
                return match.group()
            contents.append(match.group())
            return MARK.format(len(contents) - 1)

        return _any_of((*self.specials, "\ue000", "\ue001")).sub(put, content)

    def _plain(self, text: str) -> list[int]:
        """Ids of a control string as ordinary text, character by character where the codec insists on the token."""
        control = set(self.specials.values())
        ids = self.codec.encode(text, plain=True)
        if not control.isdisjoint(ids):
            ids = [one for character in text for one in self.codec.encode(character, plain=True)]
        if not control.isdisjoint(ids):
            what = f"holds {text!r}, which this tokenizer can only read as a control token"
            raise PromptError([Fault("problem", what, "Take it out of the problem")])
        return ids

    def _with_bos(self, ids: list[int]) -> list[int]:
        if self.bos is None:
            return ids
        ids = ids if ids and ids[0] == self.bos else [self.bos, *ids]
        if ids.count(self.bos) != 1:
            found = f"{ids.count(self.bos)} beginning-of-sequence tokens in the prompt, wanted 1"
            raise PromptError([Fault("chat template", found, "The template must emit it once at most")])
        return ids


@lru_cache(maxsize=16)
def _any_of(names: tuple[str, ...]) -> re.Pattern[str]:
    """One of the names, the longest that stands there, as a group."""
    return re.compile(f"({'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})")


class FastCodec:
    """tokenizer.json through the `tokenizers` library; needs no torch."""

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer as Rust

        self._rust = Rust.from_file(str(path))
        self._control = self.specials
        self._between = self._cuts()
        self._segment = lru_cache(maxsize=REMEMBERED)(self._ids)

    def encode(self, text: str, *, plain: bool) -> list[int]:
        self._rust.encode_special_tokens = plain
        if plain or self._between is None:
            return list(self._ids(text))
        parts = self._between.split(text)
        return [i for at, part in enumerate(parts) for i in ((self._control[part],) if at % 2 else self._segment(part))]

    def decode(self, batch: Sequence[Sequence[int]]) -> list[str]:
        return list(self._rust.decode_batch([list(ids) for ids in batch], skip_special_tokens=False))

    @property
    def specials(self) -> dict[str, int]:
        """Control strings that encoding would turn into single ids."""
        return {t.content: i for i, t in self._rust.get_added_tokens_decoder().items() if t.special}

    @property
    def adds(self) -> list[int]:
        """Ids that the tokenizer itself puts before a text."""
        return list(self._rust.encode("").ids)

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self._rust.encode(text, add_special_tokens=False).ids)

    def _cuts(self) -> re.Pattern[str] | None:
        """Control strings, where what stands between two of them is encoded alike wherever it stands; else None.

        So it is where nothing looks beyond one character before the vocabulary does, as in a prepared InternLM3: then
        the system message, the same in every prompt, need be encoded only once.
        """
        from tokenizers.normalizers import Replace

        tokens = [token for token in self._rust.get_added_tokens_decoder().values() if token.special]
        strips = any(token.lstrip or token.rstrip or token.single_word or token.normalized for token in tokens)
        if (
            self._rust.pre_tokenizer is not None
            or not isinstance(self._rust.normalizer, Replace)
            or strips
            or not tokens
        ):
            return None
        return _any_of(tuple(self._control))


class SlowCodec:
    """A tokenizer that only transformers can load (InternLM3's published one is such, with remote code)."""

    def __init__(self, path: Path, trust_remote_code: bool) -> None:
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise MachineError(
                f"{path} has no tokenizer.json; its tokenizer needs the package transformers, which comes with an "
                "engine extra (cuda or cpu)"
            ) from error
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # remote code's own deprecations say nothing to a user
                self.loaded = AutoTokenizer.from_pretrained(str(path), trust_remote_code=trust_remote_code)
        except Exception as error:  # code from the model's repository raises what it likes
            fix = "If it ships its own code and you trust it, set model.trust_remote_code: true"
            first = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(
                [Fault("model.source", f"the tokenizer in {path} cannot be loaded: {first}", fix)]
            ) from error

    def encode(self, text: str, *, plain: bool) -> list[int]:
        return list(self.loaded.encode(text, add_special_tokens=False, split_special_tokens=plain))

    def decode(self, batch: Sequence[Sequence[int]]) -> list[str]:
        return list(self.loaded.batch_decode(batch, skip_special_tokens=False, clean_up_tokenization_spaces=False))

    @property
    def specials(self) -> dict[str, int]:
        """Control strings that encoding would turn into single ids."""
        return {t.content: i for i, t in self.loaded.added_tokens_decoder.items() if t.special}

    @property
    def adds(self) -> list[int]:
        """Ids that the tokenizer itself puts before a text."""
        return list(self.loaded.encode("")[:1])


def load_tokenizer(model: LocalModel, trust_remote_code: bool = False) -> Tokenizer:
    """The tokenizer of a model directory. Raises ModelError or MachineError, saying what is missing."""
    fast = model.path / "tokenizer.json"
    codec = FastCodec(fast) if fast.is_file() else SlowCodec(model.path, trust_remote_code)
    settings = _settings(model.path)
    names = {key: _content(settings[key]) for key in NAMED if key in settings}
    source = _chat_template(model.path, settings)
    specials = codec.specials
    added = codec.adds
    bos = added[0] if added and added[0] == specials.get(names.get("bos_token", ""), -1) else None
    control = {i for name, i in specials.items() if not TAG.fullmatch(name) or name in names.values()}
    dropped = frozenset(control | set(model.stop_ids))
    return Tokenizer(codec, _compile(source), source, names, specials, bos, dropped)


def _settings(path: Path) -> dict[str, Any]:
    file = path / "tokenizer_config.json"
    try:
        loaded = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError([Fault(str(file), f"cannot be read: {error}", "Download the model again")]) from error
    return {key: value for key, value in loaded.items() if value is not None}


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


def _chat_template(path: Path, settings: Mapping[str, Any]) -> str:
    file = path / "chat_template.jinja"
    if file.is_file():
        return file.read_text("utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        template = next((entry["template"] for entry in template if entry.get("name") == "default"), None)
    if not template:
        raise ModelError([Fault("model.source", f"{path} has no chat template", "Use a chat (instruct) model")])
    return str(template)


class Generation(Extension):
    """`{% generation %}` marks what the assistant says, for training; here it only encloses."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own attribute

    def parse(self, parser: Parser) -> list[Node]:
        """The block's body."""
        next(parser.stream)
        return list(parser.parse_statements(("name:endgeneration",), drop_needle=True))


def _compile(source: str) -> Template:
    """The environment transformers renders chat templates in (`transformers.utils.chat_template_utils`)."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    try:
        return environment.from_string(source)
    except TemplateError as error:
        raise ModelError([Fault("chat template", f"is not a Jinja template: {error}")]) from error


_tojson: Callable[..., str] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)  # noqa: E731


def _raise(message: str) -> None:
    raise TemplateError(message)
