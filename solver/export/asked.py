"""What is asked of an export: a format, where it goes, what is selected. All of it is checked at once."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from solver.errors import ExportError, Fault, nearest

TRAINING = ("sft", "dpo", "simpo", "kto", "trajectory")
FORMATS = (*TRAINING, "openr1", "openmathreasoning", "table", "labels")
PREFERENCES = ("dpo", "simpo", "kto")
SHAPES = ("messages", "sharegpt", "alpaca", "prompt-completion")
PAIRS = ("right-wrong", "shortest-longest", "fcs", "fcs-reflection", "gds")
TRAINERS = ("trl", "llamafactory")
DEDUPE = ("exact", "near", "problems")
_SHOWN_AS = {
    "benchmarks": "--decontaminate",
    "files": "--as",
    "trainer": "--for",
    "tokens": "--min-tokens, --max-tokens",
}
_LABELLING = ("hinted", "keep_truncated", "system", "reasoning")
_IDLE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("sft", *PREFERENCES), ("reflection",)),
    "openr1": ("reflection", "keep_truncated", "per_problem"),
    "openmathreasoning": ("reflection", "system"),
    "table": ("reflection", *_LABELLING),
    "labels": ("reflection", *_LABELLING, "labels", "per_problem", "pass_rate", "tokens", "balance", "dedupe"),
}
"""Options that do nothing in a format."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Every option of `solver export`.

    Selection. labels: which responses count as right: `verified` (equal to the reference), `voted` (in the class that
    won, with min_agreement and min_margin reached), `either` (verified where there is a reference, else voted);
    hinted: take candidates that were helped; keep_truncated: take those that were cut short; per_problem: rows a
    problem gives at most; pass_rate: least and greatest share of right candidates of a problem; tokens: least and
    greatest output tokens of a response; balance: `labels` (as many wrong as right rows of a problem, kto),
    `difficulty` (as many problems of every quarter of the pass rate); dedupe: see similar.py; similarity: Jaccard
    similarity from which two texts are near-duplicates; benchmarks: tables whose problems must not be in the data;
    ngram: words in a row that give a problem away; holdout: share of problems that go to the split `test`.

    Shape. shape: of `sft`; trainer: of the preference formats; pairs: see preference.py; reasoning: `inline` (in the
    response, in <think> tags), `field` (`reasoning_content` of the message), `none` (left out); system: a system
    message for every conversation; reflection: the sentence that joins a wrong and a right response; files: `parquet`,
    `jsonl` or `csv`; license: what the dataset card says.
    """

    format: str
    out: Path
    labels: str = "verified"
    min_agreement: float = 0.5
    min_margin: float = 0.0
    hinted: bool = False
    keep_truncated: bool = False
    per_problem: int | None = None
    pass_rate: tuple[float, float] = (0.0, 1.0)
    tokens: tuple[int, int | None] = (0, None)
    balance: str | None = None
    dedupe: tuple[str, ...] = ()
    similarity: float = 0.8
    benchmarks: tuple[str, ...] = ()
    ngram: int = 8
    holdout: float = 0.0
    shape: str = "messages"
    trainer: str = "trl"
    pairs: str = "right-wrong"
    reasoning: str = "inline"
    system: str | None = None
    reflection: str = "Wait, that does not look right. Let me go through it again from the beginning."
    files: str = "parquet"
    license: str | None = None

    @property
    def training(self) -> bool:
        """Whether only chosen responses are wanted, not the run as it is."""
        return self.format in TRAINING


def check(asked: Asked) -> None:
    """Raises ExportError with every fault."""
    faults = [*_words(asked), *_texts(asked), *_numbers(asked), *_together(asked), *_idle(asked), *_place(asked.out)]
    if faults:
        raise ExportError(faults)


def _words(asked: Asked) -> Iterator[Fault]:
    known = {
        "FORMAT": (asked.format, FORMATS),
        "--labels": (asked.labels, ("verified", "voted", "either")),
        "--shape": (asked.shape, SHAPES),
        "--for": (asked.trainer, TRAINERS),
        "--pairs": (asked.pairs, PAIRS),
        "--reasoning": (asked.reasoning, ("inline", "field", "none")),
        "--as": (asked.files, ("parquet", "jsonl", "csv")),
    }
    for where, (word, words) in known.items():
        if word not in words:
            yield Fault(where, f"`{word}` is not known", nearest(word, words))
    for word in asked.dedupe:
        if word not in DEDUPE:
            yield Fault("--dedupe", f"`{word}` is not known", nearest(word, DEDUPE))
    if asked.balance not in (None, "labels", "difficulty"):
        yield Fault(
            "--balance", f"`{asked.balance}` is not known", nearest(str(asked.balance), ("labels", "difficulty"))
        )


def _texts(asked: Asked) -> Iterator[Fault]:
    """What a shell hands over of bytes that are no UTF-8 can stand in no file."""
    told = {"--system": asked.system, "--reflection": asked.reflection, "--license": asked.license}
    for where, text in told.items():
        try:
            (text or "").encode()
        except UnicodeEncodeError:
            yield Fault(where, "is not text in UTF-8", "Write it in UTF-8")


def _numbers(asked: Asked) -> Iterator[Fault]:
    shares = {
        "--min-agreement": asked.min_agreement,
        "--min-margin": asked.min_margin,
        "--similarity": asked.similarity,
        "--holdout": asked.holdout,
        "--pass-rate": asked.pass_rate[0],
        "--pass-rate ": asked.pass_rate[1],
    }
    for where, share in shares.items():
        if not 0 <= share <= 1:
            yield Fault(where.strip(), f"{share} is no share", "Give a number from 0 to 1")
    if asked.pass_rate[0] > asked.pass_rate[1]:
        yield Fault("--pass-rate", "the least is above the greatest", "Give them the other way round")
    most = asked.tokens[1]
    if most is not None and asked.tokens[0] > most:
        yield Fault("--tokens", "the least is above the greatest", "Give them the other way round")
    if asked.per_problem is not None and asked.per_problem < 1:
        yield Fault("--per-problem", f"{asked.per_problem} leaves nothing", "Give 1 or more")
    if asked.ngram < 1:
        yield Fault("--ngram", f"{asked.ngram} words are none", "Give 1 or more")


def _together(asked: Asked) -> Iterator[Fault]:
    """What each option allows and two of them do not."""
    if asked.files == "csv" and asked.format not in ("table", "labels"):
        yield Fault("--as", f"csv cannot hold the lists of `{asked.format}`", "Take parquet or jsonl")
    if asked.shape != "messages" and asked.format != "sft":
        yield Fault("--shape", "is of `sft` alone", "Leave it out")
    if asked.pairs != "right-wrong" and asked.format not in ("dpo", "simpo"):
        yield Fault("--pairs", "is of `dpo` and `simpo` alone", "Leave it out")
    if asked.trainer == "llamafactory" and asked.format not in PREFERENCES:
        yield Fault("--for", f"is of {', '.join(PREFERENCES)} alone", "Leave it out: `sft` loads everywhere")
    if asked.balance == "labels" and asked.format != "kto":
        yield Fault("--balance", "`labels` is of `kto` alone", "Take `difficulty`, or leave it out")
    if asked.reasoning == "field" and (asked.shape in ("sharegpt", "alpaca") or asked.trainer == "llamafactory"):
        yield Fault("--reasoning", "this shape has no field for it", "Take `inline` or `none`")
    elif asked.reasoning == "field" and asked.format in ("trajectory", "openr1", "openmathreasoning"):
        yield Fault("--reasoning", f"`{asked.format}` has no field for it", "Take `inline` or `none`")
    if asked.benchmarks and asked.format == "labels":
        yield Fault("--decontaminate", "`labels` has a row for every row of the input", "Leave it out")


def _idle(asked: Asked) -> Iterator[Fault]:
    """What was asked for and would do nothing: better said than found out from the data."""
    idle = {name: f"does nothing for `{asked.format}`" for name in _IDLE.get(asked.format, ())}
    if asked.labels == "verified" and asked.format != "labels":
        idle |= dict.fromkeys(("min_agreement", "min_margin"), "is of votes, and `--labels verified` asks none")
    if not {"near", "problems"} & {*asked.dedupe}:
        idle["similarity"] = "is of `--dedupe near` and `--dedupe problems` alone"
    if not asked.benchmarks:
        idle["ngram"] = "is of `--decontaminate` alone"
    for field in fields(asked):
        if field.name in idle and getattr(asked, field.name) != field.default:
            where = _SHOWN_AS.get(field.name, f"--{field.name.replace('_', '-')}")
            yield Fault(where, idle[field.name], "Leave it out")


def _place(out: Path) -> Iterator[Fault]:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        yield Fault("--out", f"{out} exists and is not empty; nothing was touched", "Name a new directory")
    elif not out.resolve().parent.is_dir():
        yield Fault("--out", f"there is no folder {out.resolve().parent}", "Make it first")
