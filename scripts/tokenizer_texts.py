"""Texts on which two tokenizers must agree, for bench_tokenizer.py and the tests: seeded, of seven kinds, none empty.

English, Chinese and code are lines of this repository, cut and joined at random places; the others are drawn. No text
holds the name of an unused piece (`[UNUSED_TOKEN_9]`), which InternLM3's configuration renames.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONTROL = ("<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|plugin|>", "<|action_start|>", "<planning>")
EMOJI = "🙂😀🤔👍🏽👩‍👩‍👧‍👦🇩🇪🏳️‍🌈🧮✅❌1️⃣🚀"
RANGES = ((0, 0x7F), (0x80, 0x7FF), (0x800, 0xD7FF), (0xE000, 0xFFFC), (0x10000, 0x10FFFF))
BETWEEN = ("", " ", "  ", "\n", "\n\n", "\t", "。", ", ", "▁")


def texts(count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """`count` pairs of kind and text, the kinds in turn."""
    chance = random.Random(seed)
    kinds = list(KINDS.items())
    for number in range(count):
        kind, draw = kinds[number % len(kinds)]
        yield kind, draw(chance) or " "


@lru_cache
def _lines(*patterns: str) -> Sequence[str]:
    files = sorted(file for pattern in patterns for file in ROOT.glob(pattern))
    return [line for file in files for line in file.read_text("utf-8").splitlines() if line and "UNUSED" not in line]


def _cut(chance: random.Random, lines: Sequence[str]) -> str:
    """Up to five lines, the first and the last in part."""
    whole = "\n".join(chance.choices(lines, k=chance.randint(1, 5)))
    start = chance.randrange(len(whole))
    return whole[min(start, 40) : len(whole) - chance.randrange(20)]


def _english(chance: random.Random) -> str:
    return _cut(chance, _lines("README.md", "CONTRIBUTING.md", "docs/*.md", "scripts/*.jsonl"))


def _chinese(chance: random.Random) -> str:
    parts = [part for line in _lines("solver/templates/o1-zh.jinja") for part in line.split("，")]
    drawn = "".join(chr(chance.randrange(0x4E00, 0x9FFF)) for _ in range(chance.randint(0, 12)))
    return "，".join([*chance.choices(parts, k=chance.randint(1, 8)), drawn])


def _code(chance: random.Random) -> str:
    return _cut(chance, _lines("solver/**/*.py", "solver/**/*.jinja", "jobs/*.yaml", "Makefile"))


def _emoji(chance: random.Random) -> str:
    return "".join(chance.choice(EMOJI) + chance.choice(BETWEEN) for _ in range(chance.randint(1, 30)))


def _control(chance: random.Random) -> str:
    """Control strings, whole, broken and next to what they might be confused with."""
    words = [*CONTROL, "<|im_", "end|>", "<", "|>", "><", " user\n", "assistant", "<0x41>", "a", "中"]
    return "".join(chance.choice(words) + chance.choice(BETWEEN) for _ in range(chance.randint(1, 12)))


def _unicode(chance: random.Random) -> str:
    return "".join(chr(chance.randint(*chance.choice(RANGES))) for _ in range(chance.randint(1, 60)))


def _spaces(chance: random.Random) -> str:
    words = ("x", "12", "$", "\\frac", "the", "的", "")
    return "".join(" " * chance.randint(0, 9) + chance.choice(words) + chance.choice(BETWEEN) for _ in range(20))


KINDS: Mapping[str, Callable[[random.Random], str]] = {
    "English": _english,
    "Chinese": _chinese,
    "code": _code,
    "emoji": _emoji,
    "control strings": _control,
    "random unicode": _unicode,
    "spaces": _spaces,
}
