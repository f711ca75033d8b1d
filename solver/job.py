"""The job file: YAML and command-line overrides in, one frozen `Job` out, or every fault at once.

The first room a run enters. Strict YAML (`strict_yaml.py`) is checked by pydantic at the door and becomes plain
dataclasses; `strategy` and `engine` pass through as they stand, checked by the validators that the caller brings.

- A block left empty (`sampling:`) has its defaults. Relative paths are relative to the job file, in overrides to
  the current directory. An override of a whole block (`-o sampling={n: 4}`) replaces it; a later one wins.
- `strategy: NAME` is short for `{name: NAME}`; `strategy: beta:0.95`, `esc`, `esc:5`, `exact` and `fixed` for
  self-consistency with that stop rule (`short_strategy`).
- `${VAR}` in text is read from the environment, and stays `${VAR}` in whatever is written or said about the job.
- Two hashes of a job decide what may be reused: see fingerprint.py.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Interval, MaxLen, MinLen

from solver.errors import Fault, JobError, nearest
from solver.models import sources
from solver.records import Sampling
from solver.schema import SELF_CONSISTENCY, as_written, hold, refuse_secrets, relative, scalars, short_strategy
from solver.strict_yaml import Document, KeyPath, escape, read_file, read_override, write

COLUMNS = ("problem", "answer", "id")

_PATHS = (("input", "path"), ("model", "source"), ("prompt", "template"), ("output", "dir"))
_FORMS: Mapping[KeyPath, tuple[str, str]] = {  # what pydantic's types leave open: pattern, and the rule in words
    ("name",): (r"(?!\.)[A-Za-z0-9._-]{1,64}", "a name has 1 to 64 of A-Z a-z 0-9 . _ - and no leading dot"),
    ("input", "path"): (r"(?!.*://).+", "problems are read from a local file, folder or glob"),
    ("model", "source"): (
        rf"{sources.FORM}|[./~].*|[^:]+",
        "a model is modelscope:OWNER/NAME, hf:OWNER/NAME or a local path",
    ),
}

Text = Annotated[str, MinLen(1)]


@dataclass(frozen=True, slots=True)
class InputBlock:
    """Where the problems are. path: absolute, may hold glob characters; columns: the user's names for ours, None for
    one that is not to be used; on_bad_file: of a set, whether one that cannot be read stops the run; on_bad_row:
    whether more problems that cannot be asked than a slip explains do."""

    path: str
    columns: Mapping[str, Text | None] = field(default_factory=dict)
    limit: Annotated[int, Interval(ge=1)] | None = None
    split: Text | None = None
    on_bad_file: Literal["stop", "skip"] = "stop"
    on_bad_row: Literal["stop", "keep"] = "stop"


@dataclass(frozen=True, slots=True)
class ModelBlock:
    """Which model answers. source: `modelscope:OWNER/NAME`, `hf:OWNER/NAME` (`@REVISION` may follow) or an absolute
    local path; short names are written out.

    profile: None: the one that the model is known to have; reasoning: the tags that it thinks in, () for none, None:
    those of its profile, or of any family known.
    """

    source: str = "modelscope:Shanghai_AI_Laboratory/internlm3-8b-instruct"
    revision: Text = "master"
    trust_remote_code: bool = False
    profile: Text | None = None
    reasoning: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PromptBlock:
    """How a problem is asked. template: a built-in name, or the absolute path of a Jinja file where it was written
    with a slash or as *.jinja, *.jinja2, *.j2, *.txt; system: instead of the template's; system_role: `user`: the
    system message opens the user's; chat: arguments of the model's chat template."""

    template: Text = "o1-zh"
    system: str | None = None
    system_role: Literal["system", "user"] = "system"
    chat: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputBlock:
    """The run directory (absolute), and after how many seconds finished samples are made durable at the latest."""

    dir: Text
    flush_seconds: Annotated[float, Interval(ge=2, le=86_400)] = 15.0


@dataclass(frozen=True, slots=True, repr=False)  # it may hold secrets
class Job:
    """Everything a run is told. n: samples per problem; unexpanded: what stood where the environment spoke; given: the
    keys that the user wrote, two deep, and three below `prompt.chat`."""

    name: str
    source_path: Path
    input: InputBlock
    model: ModelBlock
    prompt: PromptBlock
    n: int
    seed: int
    sampling: Sampling
    strategy: Mapping[str, Any]
    engine: Mapping[str, Any]
    output: OutputBlock
    unexpanded: Mapping[KeyPath, str] = field(default_factory=dict, compare=False)
    given: frozenset[KeyPath] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class _SamplingBlock:
    n: Annotated[int, Interval(ge=1, le=100_000)] = 16
    temperature: Annotated[float, Interval(ge=0, le=2)] = 1.0
    top_p: Annotated[float, Interval(gt=0, le=1)] = 0.8
    top_k: Annotated[int, Interval(ge=0, le=10_000_000)] = 40
    min_p: Annotated[float, Interval(ge=0, le=1)] = 0.0
    repetition_penalty: Annotated[float, Interval(gt=0, le=10)] = 1.0
    presence_penalty: Annotated[float, Interval(ge=-2, le=2)] = 0.0
    frequency_penalty: Annotated[float, Interval(ge=-2, le=2)] = 0.0
    max_tokens: Annotated[int, Interval(ge=1, le=10_000_000)] = 8192
    seed: Annotated[int, Interval(ge=0, le=2**63 - 1)] = 0
    stop: Annotated[tuple[Text, ...], MaxLen(64)] = ()
    stop_token_ids: Annotated[tuple[Annotated[int, Interval(ge=0, le=2**31 - 1)], ...], MaxLen(64)] = ()
    logprobs: Annotated[int, Interval(ge=0, le=20)] | None = None


@dataclass(frozen=True, slots=True)
class _JobFile:
    """The door: pydantic holds the whole file to this, strictly (the config reaches down into every block)."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    name: str
    input: InputBlock
    model: ModelBlock
    prompt: PromptBlock
    sampling: _SamplingBlock
    strategy: Mapping[str, Any]
    engine: Mapping[str, Any]
    output: OutputBlock


Validator = Callable[[Mapping[str, Any]], Sequence[Fault]]
"""Checks one block. `where` of its faults: the dotted key, with or without the block's own name in front."""


def load_job(path: str | Path, overrides: Sequence[str] = (), validators: Mapping[str, Validator] | None = None) -> Job:
    """Read a job file, then `-o` overrides in order.

    validators: by block (`strategy`, `engine`), see `Validator`. Raises JobError with everything that is wrong.
    """
    document = read_file(path, os.environ)
    parts = [read_override(text, os.environ) for text in overrides]
    if not document.found and not isinstance(document.value, dict):
        document.fault((), f"a job is a block of keys, not {document.given(())}", "Begin with `input: {path: ...}`")
    if not isinstance(document.value, dict):
        raise JobError([*document.faults, *(fault for _, part in parts for fault in part.faults)])
    _lengthen_strategy(document)
    for keys, part in parts:
        document.graft(keys, part)
        _lengthen_strategy(document)
    file, given = Path(os.path.abspath(path)), _given(document.value)
    _fill(document, file)
    checked = _check(document, validators or {})
    if checked is None or document.found:
        raise PartlyReadError(document.faults, _sound_part(document, file, given), frozenset(document.wrong))
    return _job(checked, document, file, given)


class PartlyReadError(JobError):
    """A job with faults, and what of it can be relied on: whoever knows what a job names may look for more of them.

    rest: the job with the blocks named in `wrong` (by their defaults), or None where too little could be read.
    """

    def __init__(self, faults: Sequence[Fault], rest: "Job | None", wrong: frozenset[str]) -> None:
        super().__init__(faults)
        self.rest, self.wrong = rest, wrong


def _given(tree: Any) -> frozenset[KeyPath]:
    keys = {path for path, _ in scalars(tree, ())}
    return frozenset({path[:2] for path in keys} | {path[:3] for path in keys if path[:2] == ("prompt", "chat")})


def _sound_part(document: Document, file: Path, given: frozenset[KeyPath]) -> "Job | None":
    known = {block.name for block in fields(_JobFile)}
    value = {key: block for key, block in document.value.items() if key in known - document.wrong}
    if "input" not in value:
        value["input"] = {"path": "/"}
    rest = replace(document, value=value, found=[], wrong=set())
    rest.unexpanded = {key: text for key, text in document.unexpanded.items() if key[0] in value}
    _fill(rest, file)
    checked = hold(rest, _JobFile)
    return None if checked is None or rest.found else _job(checked, rest, file, given)


def _lengthen_strategy(document: Document) -> None:
    """Put the long form in place of `strategy: NAME` or `strategy: RULE:THRESHOLD`."""
    short = document.value.get("strategy")
    if not isinstance(short, str):
        return
    document.value["strategy"] = long = short_strategy(short)
    raw = document.unexpanded.pop(("strategy",), None)
    if raw is not None and "stop" not in long:
        document.unexpanded["strategy", "name"] = raw
    elif raw is not None:
        document.fault(("strategy",), "a threshold cannot come from the environment", "Use -o strategy=RULE:THRESHOLD")


def _fill(document: Document, file: Path) -> None:
    """Write the defaults that depend on something else, so that the door finds every block."""
    job = document.value
    for known in fields(_JobFile):
        if job.get(known.name) is None:
            job[known.name] = file.stem if known.name == "name" else {}
    for block, key, default in (("strategy", "name", SELF_CONSISTENCY), ("engine", "kind", "vllm")):
        if isinstance(job[block], dict):
            job[block] = {key: default} | job[block]
    if isinstance(job["output"], dict) and "dir" not in job["output"]:
        job["output"]["dir"] = str(file.parent.parent / "runs" / str(job["name"]))
        if ("name",) in document.unexpanded:
            document.unexpanded["output", "dir"] = escape(f"{file.parent.parent}/runs/") + document.unexpanded["name",]
    sources.settle(document)


def _check(document: Document, validators: Mapping[str, Validator]) -> _JobFile | None:
    """The file as the door knows it, or None; what is wrong is noted in `document`."""
    checked = hold(document, _JobFile)
    for keys, (pattern, rule) in _FORMS.items():
        if isinstance(value := document.get(keys), str) and not re.fullmatch(pattern, value, re.DOTALL):
            document.fault(keys, f"{rule}, not {document.given(keys)}")
    columns = document.get(("input", "columns"))
    for key in columns if isinstance(columns, dict) else ():
        if key not in COLUMNS:
            document.fault(("input", "columns", key), "unknown key", nearest(key, COLUMNS))
    if isinstance(columns, dict) and "problem" in columns and columns["problem"] is None:
        document.fault(("input", "columns", "problem"), "must name a column, not nothing (null)", "Or leave it out")
    refuse_secrets(document, _PATHS)
    for block, validate in validators.items():
        if isinstance(document.value[block], dict):
            for fault in validate(document.value[block]):
                keys = tuple(filter(None, fault.where.split(".")))
                document.fault(keys if keys[:1] == (block,) else (block, *keys), fault.what, fault.fix)
    return checked


def _is_path(keys: KeyPath, text: str) -> bool:
    if keys == ("model", "source"):
        return not sources.is_hub(text)
    return keys != ("prompt", "template") or "/" in text or Path(text).suffix in (".jinja", ".jinja2", ".j2", ".txt")


def _absolute(document: Document, keys: KeyPath, directory: Path) -> str:
    """The path at `keys` from the root of the file system; its unexpanded text, if any, becomes as independent."""
    text = os.path.expanduser(document.get(keys))
    start = Path.cwd() if document.place(keys).override else directory
    raw = document.unexpanded.get(keys)
    if raw is not None and not os.path.isabs(text):
        document.unexpanded[keys] = os.path.join(escape(str(start)), raw)
    return "/" + os.path.abspath(os.path.join(start, text)).lstrip("/")  # POSIX lets a leading `//` be


def _job(checked: _JobFile, document: Document, file: Path, given: frozenset[KeyPath]) -> Job:
    blocks = {}
    for block, key in _PATHS:
        blocks[block] = getattr(checked, block)
        if _is_path((block, key), getattr(blocks[block], key)):
            blocks[block] = replace(blocks[block], **{key: _absolute(document, (block, key), file.parent)})
    sampling = asdict(checked.sampling)
    numbers = {key: sampling.pop(key) for key in ("n", "seed")}
    blocks |= {"strategy": checked.strategy, "engine": checked.engine, "unexpanded": document.unexpanded}
    blocks["given"] = given
    return Job(checked.name, file, sampling=Sampling(**sampling), **numbers, **blocks)


def resolved(job: Job, directory: str | Path) -> str:
    """The whole job as YAML, every default written out: a runnable job file when it lies in `directory`.

    Paths are relative to `directory`; what came from the environment is `${VAR}` again.
    """
    tree = {block.name: getattr(job, block.name) for block in fields(_JobFile)}
    tree |= {block: asdict(tree[block]) for block in ("input", "model", "prompt", "output")}
    tree["sampling"] = {"n": job.n} | asdict(job.sampling) | {"seed": job.seed}
    del tree["sampling"]["schema"]  # strategies set it, jobs do not
    tree = as_written(tree, (), job.unexpanded)
    for block, key in _PATHS:
        tree[block][key] = relative(tree[block][key], os.path.abspath(directory))
    return "# This run's job as resolved: every default written out, paths relative to this file.\n" + write(tree)


def as_told(job: Job, block: str) -> Mapping[str, Any]:
    """A block of the job for human eyes: what came from the environment is `${VAR}` again."""
    told: Mapping[str, Any] = as_written(getattr(job, block), (block,), job.unexpanded)
    return told
