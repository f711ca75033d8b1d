"""InternLM3's prepared tokenizer beside the published one: the same ids, and how much faster.

    .venv/bin/python scripts/bench_tokenizer.py --model DIR

DIR is the published model's directory; the weights need not be there. The published tokenizer is Python code from DIR
over sentencepiece, loaded by transformers with remote code: give only a DIR whose code you trust. Compared over texts
of seven kinds: the prepared tokenizer's ids with sentencepiece's own (between control strings) and with the published
code's; texts decoded at once and token by token; the known ids. Timed: encoding whole prompts (one system message,
different problems) and decoding responses through the very calls that a run makes, and encoding texts that were never
seen; both ways in turn, by processor time of this process and by wall time.
"""

import os
import platform
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from tokenizer_texts import KINDS, texts

os.environ["TOKENIZERS_PARALLELISM"] = "false"

RESPONSES = 16  # for every prompt that is encoded, a run of n: 16 decodes so many responses
ROUNDS = 5


@click.command()
@click.option("--model", required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--texts", "count", default=20_000, show_default=True, help="Texts that are compared.")
def main(model: Path, count: int) -> None:
    """Compare and time."""
    from solver.models import open_directory
    from solver.models.internlm3 import VOCABULARY, id_faults, prepared
    from solver.models.tokenizer import load_tokenizer

    stock = open_directory(str(model), model)
    began = time.perf_counter()
    view = prepared(stock, print)
    print(f"prepared view: {view.path}, made or found in {time.perf_counter() - began:.1f} s")
    began = time.perf_counter()
    fast = load_tokenizer(view)
    print(
        f"loaded in {time.perf_counter() - began:.1f} s, {(view.path / 'tokenizer.json').stat().st_size / 1e6:.1f} MB"
    )
    slow = load_tokenizer(stock, trust_remote_code=True)
    print(f"slow: {type(slow.codec.loaded).__name__} of transformers")  # type: ignore[attr-defined]
    known = "known ids: right" if view.config.get("vocab_size") == VOCABULARY else "known ids: another vocabulary"
    faults = [*id_faults(view, fast), *id_faults(view, slow)]
    print(*map(str, faults), sep="\n") if faults else print(known)
    drawn = list(texts(count))
    _compare(model, fast, slow, drawn)
    _incremental(view.path, drawn)
    _time(fast, slow)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def _compare(model: Path, fast: Any, slow: Any, drawn: Sequence[tuple[str, str]]) -> None:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(model / "tokenizer.model"))
    names = sorted(fast.specials, key=len, reverse=True)
    cut = re.compile(f"({'|'.join(map(re.escape, names))})")
    differ: dict[str, Counter[str]] = {"sentencepiece's own encoding": Counter(), "the published code": Counter()}
    tokens = 0
    for kind, text in drawn:
        ids = fast.codec.encode(text, plain=False)
        tokens += len(ids)
        own: list[int] = []
        for number, part in enumerate(cut.split(text)):
            own += [fast.specials[part]] if number % 2 else processor.encode(part)
        differ["sentencepiece's own encoding"][kind] += ids != own
        differ["the published code"][kind] += ids != slow.codec.encode(text, plain=False)
    for of, counts in differ.items():
        each = ", ".join(f"{kind} {counts[kind]}" for kind in KINDS)
        print(f"ids unlike {of}: {counts.total()} of {len(drawn):,} texts ({tokens:,} tokens): {each}")


def _incremental(view: Path, drawn: Sequence[tuple[str, str]]) -> None:
    from tokenizers import Tokenizer
    from tokenizers.decoders import DecodeStream

    rust = Tokenizer.from_file(str(view / "tokenizer.json"))
    whole = streamed = 0
    for _, text in drawn:
        ids = rust.encode(text, add_special_tokens=False).ids
        stream, spoken = DecodeStream(skip_special_tokens=False), text.replace("▁", " ")
        whole += rust.decode(ids, skip_special_tokens=False) != spoken
        streamed += "".join(stream.step(rust, number) or "" for number in ids) != spoken
    print(f"texts that do not come back: {whole} decoded at once, {streamed} token by token, of {len(drawn):,}")


def _time(fast: Any, slow: Any) -> None:
    from solver.prompts import load_template
    from solver.records import Problem

    template = load_template("o1-en", None)
    problems = [text for kind, text in texts(1400, seed=3) if kind in ("English", "Chinese")]
    turns = [template.messages(Problem(b"", 0, "", text, {"problem": text})) for text in problems[:200]]
    responses = ["\n".join(problems[at : at + 30]) for at in range(0, len(problems) - 30, 5)]
    said = [fast.codec.encode(text, plain=True) for text in responses]
    prompts = sum(len(fast.prompt(turn)) for turn in turns)
    tokens = sum(map(len, said))
    cpu: dict[str, list[float]] = {}
    wall: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, tokenizer in (("slow", slow), ("fast", fast)):
            for what, work in _work(tokenizer, turns, responses, said):
                spent, waited = _spent(work)
                per = prompts if what == "encode" else tokens
                cpu.setdefault(f"{name} {what}", []).append(spent / per * 1e6)
                wall.setdefault(f"{name} {what}", []).append(waited / per * 1e6)
    mean = prompts / len(turns)
    print(f"{len(turns)} prompts of {mean:.0f} tokens on average, {len(said)} responses of {tokens / len(said):.0f}")
    for clock, times in (("processor", cpu), ("wall", wall)):
        _tell(clock, times, mean, tokens / len(said))


def _work(tokenizer: Any, turns: Any, new: Any, said: Any) -> Iterator[tuple[str, Callable[[], Any]]]:
    yield "encode", lambda: [tokenizer.prompt(turn) for turn in turns]
    yield "new texts", lambda: [tokenizer.codec.encode(text, plain=False) for text in new]
    yield "decode", lambda: tokenizer.decode(said)


def _spent(work: Callable[[], Any]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def _tell(clock: str, times: dict[str, list[float]], prompt: float, response: float) -> None:
    """Medians in microseconds a token, and the median of the rounds' ratios."""
    run: dict[str, list[float]] = {}
    for name in ("slow", "fast"):
        pairs = zip(times[f"{name} encode"], times[f"{name} decode"], strict=True)
        run[name] = [prompt * encode + RESPONSES * response * decode for encode, decode in pairs]
    for what in ("encode", "new texts", "decode"):
        slow, fast = times[f"slow {what}"], times[f"fast {what}"]
        print(f"{clock} time, {what}: {_ratio(slow, fast)}  ({_us(slow)} and {_us(fast)} microseconds a token)")
    print(f"{clock} time, a prompt and its {RESPONSES} responses: {_ratio(run['slow'], run['fast'])}")


def _us(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.2f}"


def _ratio(slow: Sequence[float], fast: Sequence[float]) -> str:
    ratios = sorted(a / b for a, b in zip(slow, fast, strict=True))
    return f"{statistics.median(ratios):.1f} times faster ({ratios[0]:.1f} to {ratios[-1]:.1f})"


if __name__ == "__main__":
    main()
