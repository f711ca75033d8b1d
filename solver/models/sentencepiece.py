"""A sentencepiece `tokenizer.model` -> the `tokenizer.json` that splits every text in the very same way.

For vocabularies whose pieces are all user-defined (InternLM3's: 127,874 of 128,133; the others are bytes and control
tokens). Such a model merges nothing: it takes the longest piece at the leftmost place, again and again, and spells what
no piece begins with in bytes. The `tokenizers` library does that with words added to a BPE vocabulary without merges.
The usual conversion invents merges and is silently wrong; so what cannot be carried over exactly is refused here.

The file's form is sentencepiece's `sentencepiece_model.proto`; it is read here without that package, which the base
install does not have.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solver.errors import Fault, ModelError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""`ModelProto.SentencePiece.Type`."""
BPE = 2
"""`TrainerSpec.ModelType`: the only one that matches user-defined pieces greedily."""
SPACE = "▁"
AGAIN = "Download the model again"


@dataclass(frozen=True, slots=True)
class Pieces:
    """What a `tokenizer.model` says: texts and types by id, and the settings that change how a text is split."""

    texts: Sequence[str]
    types: Sequence[int]
    model_type: int
    byte_fallback: bool
    rules: bool
    dummy_prefix: bool
    trims: bool
    escapes: bool

    def ids(self, *types: int) -> list[int]:
        """Ids of the pieces of some types."""
        return [number for number, kind in enumerate(self.types) if kind in types]

    def faults(self, where: str) -> list[Fault]:
        """Why no exact tokenizer.json can be made of this model."""
        merged = self.ids(NORMAL, UNUSED)
        spelled = {self.texts[number] for number in self.ids(BYTE)}
        wrong = {
            f"{len(merged):,} of its {len(self.texts):,} pieces are merged by score, not user-defined": bool(merged),
            "its pieces are not matched as BPE does": self.model_type != BPE,
            "it spells unknown characters in no bytes": not self.byte_fallback or spelled != set(BYTES),
            "it rewrites texts before it splits them": self.rules or self.trims or not self.escapes,
            "it puts a space before every text": self.dummy_prefix,
            "it lists a piece twice, or an empty one, or one with a space": not self._plain(),
        }
        fix = "Give a directory with a tokenizer.json, or set model.trust_remote_code: true to use the model's own code"
        return [
            Fault(where, f"no exact fast tokenizer can be made of it: {why}", fix)
            for why, true in wrong.items()
            if true
        ]

    def _plain(self) -> bool:
        return len(set(self.texts)) == len(self.texts) and all(text and " " not in text for text in self.texts)


BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))


def read(path: Path) -> Pieces:
    """The pieces and settings of a `tokenizer.model`. Raises ModelError when it is damaged."""
    try:
        return parse(path.read_bytes())
    except (OSError, ValueError, IndexError) as error:
        raise ModelError([Fault(str(path), f"is no whole sentencepiece model: {error}", AGAIN)]) from error


def parse(data: bytes) -> Pieces:
    """The same of the file's bytes. Raises ValueError or IndexError when they are no such model."""
    texts: list[str] = []
    types: list[int] = []
    trainer: dict[int, Any] = {}
    normalizer: dict[int, Any] = {}
    for field, value in _fields(data):
        if field == 1:
            piece = dict(_fields(value))
            texts.append(bytes(piece.get(1, b"")).decode("utf-8"))
            types.append(piece.get(3, NORMAL))
        elif field in (2, 3):
            (trainer if field == 2 else normalizer).update(_fields(value))
    if not texts:
        raise ValueError("it holds no pieces")
    return Pieces(
        texts=texts,
        types=types,
        model_type=trainer.get(3, 1),
        byte_fallback=bool(trainer.get(35, 0)),
        rules=bool(len(normalizer.get(2, b""))),
        dummy_prefix=bool(normalizer.get(3, 1)),
        trims=bool(normalizer.get(4, 1)),
        escapes=bool(normalizer.get(5, 1)),
    )


def _fields(data: Any) -> Iterator[tuple[int, Any]]:
    """Number and value of each field of a protobuf message: integers as they are, all else as bytes."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        field, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield field, value
            continue
        length, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}.get(wire, end), at)
        if at + length > end:
            raise ValueError("it ends in the middle of a field")
        yield field, data[at : at + length]
        at += length


def _varint(data: Any, at: int) -> tuple[int, int]:
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value, shift = value & 0x7F, 7
    while True:
        at += 1
        value |= (data[at] & 0x7F) << shift
        if data[at] < 0x80:
            return value, at + 1
        shift += 7


@dataclass(frozen=True, slots=True)
class Added:
    """A token that the model's configuration names: its string stands for its id, whatever its piece is called."""

    content: str
    special: bool = True


def fast_tokenizer(
    pieces: Pieces, named: Mapping[int, Added], bos: str | None, eos: str | None = None
) -> dict[str, Any]:
    """The content of `tokenizer.json`.

    named: tokens by id that a text may call by their string (control tokens, and pieces that the configuration
    renames); bos, eos: what is put before and after every text. The same for every version of `tokenizers`.
    """
    unknown = next(iter(pieces.ids(UNKNOWN)), None)
    named = {number: Added(pieces.texts[number]) for number in pieces.ids(UNKNOWN, CONTROL)} | dict(named)
    words = {number: Added(pieces.texts[number], special=False) for number in pieces.ids(USER_DEFINED)} | named
    vocabulary = {text: number for number, text in enumerate(pieces.texts) if number not in named}
    vocabulary |= {token.content: number for number, token in named.items()}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [_added(number, words[number]) for number in sorted(words)],
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
        "pre_tokenizer": None,
        "post_processor": _post_processor(vocabulary, bos, eos),
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None if unknown is None else words[unknown].content,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": dict(sorted(vocabulary.items(), key=lambda item: item[1])),
            "merges": [],
        },
    }


def _added(number: int, token: Added) -> dict[str, Any]:
    """Control tokens are looked for in the text as it is, pieces in the text with its spaces replaced."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": not token.special}
    return {"id": number, "content": token.content, **flags, "special": token.special}


def _post_processor(vocabulary: Mapping[str, int], bos: str | None, eos: str | None) -> dict[str, Any] | None:
    if not bos and not eos:
        return None

    def around(sequence: str, type_id: int) -> list[dict[str, Any]]:
        def token(name: str | None) -> list[dict[str, Any]]:
            return [{"SpecialToken": {"id": name, "type_id": type_id}}] if name else []

        return [*token(bos), {"Sequence": {"id": sequence, "type_id": type_id}}, *token(eos)]

    used = {name: {"id": name, "ids": [vocabulary[name]], "tokens": [name]} for name in (bos, eos) if name}
    pair = [*around("A", 0), *around("B", 1)]
    return {"type": "TemplateProcessing", "single": around("A", 0), "pair": pair, "special_tokens": used}


class Greedy:
    """The definition itself, slow and in plain sight: what a built tokenizer.json is compared with.

    Control strings first, then the longest piece at the leftmost place, then bytes (sentencepiece's `PrefixMatcher`,
    which freezes user-defined pieces before any merge).
    """

    def __init__(self, pieces: Pieces, named: Mapping[int, Added]) -> None:
        control = {pieces.texts[number]: number for number in pieces.ids(UNKNOWN, CONTROL) if number not in named}
        self.control = control | {token.content: number for number, token in named.items() if token.special}
        words = {pieces.texts[number]: number for number in pieces.ids(USER_DEFINED) if number not in named}
        self.words = words | {
            token.content.replace(" ", SPACE): number for number, token in named.items() if not token.special
        }
        self._bytes = {int(pieces.texts[number][1:-1], 16): number for number in pieces.ids(BYTE)}
        self._longest = max(map(len, self.words), default=0)
        names = sorted(self.control, key=len, reverse=True)
        self._split = re.compile(f"({'|'.join(map(re.escape, names))})") if names else None

    def encode(self, text: str, *, plain: bool = False) -> list[int]:
        """Ids without anything put before or after; `plain` reads control strings as ordinary text."""
        parts = [text] if plain or self._split is None else self._split.split(text)
        ids: list[int] = []
        for number, part in enumerate(parts):
            ids += [self.control[part]] if number % 2 else self._ordinary(part.replace(" ", SPACE))
        return ids

    def _ordinary(self, text: str) -> list[int]:
        ids: list[int] = []
        at = 0
        while at < len(text):
            found = next(
                (end for end in range(min(len(text), at + self._longest), at, -1) if text[at:end] in self.words), None
            )
            ids += [self._bytes[byte] for byte in text[at].encode()] if found is None else [self.words[text[at:found]]]
            at = found or at + 1
        return ids
