"""Open: everything a run needs before its first token, and every fault of it at once.

Only the owner opens. Reading comes first (template, table, model, tokenizer), so that nothing is written for
a job that cannot run; then the run directory: lock, epoch, fingerprint, and which problems are still owed.
"""

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solver import answers, engine, models, strategies, votes
from solver.errors import Fault, FaultsError, JobError, ModelError
from solver.fingerprint import canonical_hash, generation_fingerprint
from solver.job import Job, load_job
from solver.models import internlm3, profiles
from solver.models.content import model_facts
from solver.models.tokenizer import Tokenizer, load_tokenizer
from solver.problems import InputSpec, problems
from solver.problems.files import refuse
from solver.problems.identity import carried_hash
from solver.problems.surveying import count
from solver.problems.tables import look
from solver.prompts import PromptTemplate, load_template
from solver.records import Message, Outcome, Problem, Result
from solver.store import InputRows
from solver.store.index import U64, Mask, mix
from solver.strategies import Strategy

if TYPE_CHECKING:
    from solver.problems import Survey, Table

VALIDATORS: Mapping[str, Callable[[Mapping[str, Any]], Sequence[Fault]]] = {
    "model": profiles.validate,
    "strategy": strategies.validate,
    "engine": engine.validate,
}
Say = Callable[[str], None]
TRUSTED = "model.trust_remote_code is on: code from the model's directory runs in this process"


def read_job(path: str | Path, overrides: Sequence[str] = ()) -> Job:
    """The job file with its strategy and engine blocks checked. Raises JobError with every fault."""
    return placed(load_job(path, overrides, VALIDATORS))


def placed(job: Job) -> Job:
    """A job whose engine block names files as they are found from here."""
    if isinstance(replies := job.engine.get("replies"), str):
        job = replace(job, engine={**job.engine, "replies": str(job.source_path.parent / replies)})
    return job


@dataclass(frozen=True, slots=True)
class Asked:
    """What can be known without a model: how problems are asked, and which there are."""

    job: Job
    template: PromptTemplate
    table: "Table"
    survey: "Survey"


def read_input(job: Job) -> Asked:
    """Template and table of a job. Raises FaultsError with the faults of both."""
    faults: list[Fault] = []
    template = read_template(job, faults)
    asked = read_table(job, template, faults)
    if faults or asked is None:
        raise refuse(faults) if template else JobError(faults)
    return asked


def read_template(job: Job, faults: list[Fault]) -> PromptTemplate | None:
    """The template of a job, or None and its faults."""
    try:
        return load_template(job.prompt.template, job.prompt.system, job.prompt.system_role)
    except FaultsError as error:
        faults += error.faults
        return None


def read_table(job: Job, template: PromptTemplate | None, faults: list[Fault]) -> Asked | None:
    """The table of a job and its survey, or None and every fault. Without a template the rows are looked at as well."""
    columns, before = job.input.columns, len(faults)
    spec = InputSpec(
        path=job.input.path,
        problem=columns.get("problem"),
        answer=columns.get("answer"),
        id=columns.get("id"),
        limit=job.input.limit,
        split=job.input.split,
        without=frozenset(role for role, column in columns.items() if column is None),
        skip_bad=job.input.on_bad_file == "skip",
        keep_bad=job.input.on_bad_row == "keep",
    )
    table = look(spec, faults)
    seen = None if table is None else count(table, template.reads if template else ("problem",), faults)
    faults[before:] = refuse(faults[before:]).faults
    return Asked(job, template, table, seen) if template and table and seen and len(faults) == before else None


@dataclass(frozen=True, slots=True)
class Served:
    """Who answers: a local model with its tokenizer, or neither for an engine that needs none."""

    model: models.LocalModel | None = None
    tokenizer: Tokenizer | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def read_model(job: Job, *, download: bool, say: Say = lambda _: None, live: bool = False) -> Served | None:
    """The model and tokenizer of a job; None when it would have to be downloaded and `download` is False.

    A model that would run code of its own is given as its prepared view instead, unless the job trusts it.
    live: show the download on a terminal. That the model's own code is trusted is said to standard error first, always.
    Raises ModelError or MachineError.
    """
    if job.engine.get("kind", "vllm") not in engine.NEEDS_MODEL:
        return Served()
    source, revision = job.model.source, job.model.revision
    model = models.resolve(source, revision, say, live=live) if download else models.find(source, revision)
    if model is None:
        return None
    broken, too_long = _weights_faults(job, model), _context_faults(job, model)
    of_tokenizer: Sequence[Fault] = ()
    if job.model.trust_remote_code:
        _loudly(TRUSTED)
    try:
        model = model if job.model.trust_remote_code else internlm3.prepared(model, say)
        tokenizer = load_tokenizer(model, job.model.trust_remote_code)
        of_tokenizer = internlm3.id_faults(model, tokenizer)
    except ModelError as error:
        of_tokenizer = error.faults
    if (broken or of_tokenizer) and not model.pulled and not too_long:
        return None  # part of a hub's own cache: a run completes it, and looks again
    if faults := [*broken, *too_long, *of_tokenizer]:
        raise ModelError(faults)
    return Served(model, tokenizer, {"model.chat_template": _digest(tokenizer.template_source)})


def _loudly(text: str) -> None:
    """To standard error whatever is quiet, and before what it is about. One that cannot be written is dropped."""
    with suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


FROM_SAFETENSORS = ("auto", "hf", "safetensors", "fastsafetensors", "bitsandbytes")
"""vLLM's ways to load that read *.safetensors; some take pickled weights where there are none."""


def _weights_faults(job: Job, model: models.LocalModel) -> list[Fault]:
    """What keeps a local directory's weights from being loaded; a hub's model is completed by the download."""
    form = job.engine.get("load_format", "auto")
    if form not in FROM_SAFETENSORS or job.model.source.startswith(("modelscope:", "hf:")):
        return []
    fix = "Copy the directory again, whole; pickled weights (*.bin, *.pt) are never loaded"
    if not model.complete:
        return [Fault("model.source", f"{model.path} lacks weights: {model.missing}", fix)]
    return [Fault("model.source", f"{model.path}: {model.torn}", fix)] if model.torn else []


def first_prompt(asked: Asked, served: Served) -> tuple[Sequence[Message], Sequence[int] | None]:
    """Messages and token ids (None without a tokenizer) of the first problem that can be asked.

    Raises PromptError here, before anything is written or loaded, where the chat template refuses the prompt.
    """
    head = next((problem for problem in problems(asked.table, asked.survey) if not problem.fault), None)
    messages = asked.template.messages(head) if head is not None else ()
    if served.tokenizer is None or not messages:
        return messages, None
    return messages, served.tokenizer.prompt(messages, chat=asked.job.prompt.chat)


def context_of(job: Job, model: models.LocalModel) -> int | None:
    """Tokens of prompt and response together."""
    return job.engine.get("max_model_len") or model.context


def _context_faults(job: Job, model: models.LocalModel) -> list[Fault]:
    wanted = job.engine.get("max_model_len")
    if not wanted or not model.context or wanted <= model.context:
        return []
    what = f"{wanted} is more than the {model.context} positions of {job.model.source}"
    return [Fault("engine.max_model_len", what, f"Set at most {model.context}")]


def fingerprint(asked: Asked, served: Served, *, at_most: int | None = None) -> dict[str, Any]:
    """What decides the distribution of samples, as flat keys. Hashes the model's weights once per machine.

    at_most: bytes of weights to read for it; `model.weights` is missing where they are more and not known yet.
    """
    job = asked.job
    facts = dict(served.facts) | {"prompt.template": _digest(asked.template.source)}
    if served.model is not None:
        facts |= model_facts(served.model.path, at_most=at_most, trusted=job.model.trust_remote_code)
    return generation_fingerprint(job, facts | engine.distribution(job.engine, served.model))


def reasoning_of(job: Job) -> tuple[answers.Tags | None, bool]:
    """The tags that responses are read by, and whether the model is known to think in them (see `answers.extract`)."""
    tags = job.model.reasoning
    if tags is None:
        return answers.DEFAULT_REASONING, False
    return ((tags[0], tags[1]), True) if tags else (None, False)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _told(job: Job) -> Any:
    """Reasoning tags as a part of `decision`: what it was before a job could name any, where it names none."""
    tags, thinks = reasoning_of(job)
    return [*tags, "thinks"] if tags and thinks else tags


class Decisions:
    """What a result depends on, per problem, as 64 bits.

    The hash of strategy, parameters (n among them), extraction and vote versions, reasoning tags, and what the
    result takes over from its row: reference, id, other columns. Where a response was cut, the caps count too: a
    raised cap decides such problems anew. A revote takes cut samples as they stand, and may want more samples than
    the run holds; a later run decides both anew, so its results of such problems are current for `revote` only.
    """

    def __init__(self, job: Job, strategy: Strategy, survey: "Survey", *, revote: bool) -> None:
        versions = {"answers": answers.VERSION, "votes": votes.VERSION, "reasoning": _told(job)}
        self._rules = _number(canonical_hash({"strategy": dict(strategy.parameters), "versions": versions}))
        self._caps = _number(canonical_hash([job.sampling.max_tokens, job.engine.get("max_model_len")]))
        self._revote, self._survey = revote, survey
        self._carried = survey.carried.copy()

    def of(self, result: Result, settled: bool) -> int:
        """Of any result; of one that is not settled, a decision that the next run does not take for done."""
        self._carried[result.problem.row] = own = self._carried_by(result.problem)
        whole = self._whole(np.array([own]))
        too_long = any("too_long" in candidate.marks for candidate in result.candidates)
        if not settled:
            whole = _varied(whole, _UNSETTLED)
        elif result.status is Outcome.WANTS_MORE:
            whole = _varied(whole, _WANTS_MORE)
        elif result.n_truncated or too_long:
            whole = _varied(whole, _AS_IT_STANDS if self._revote else self._caps)
        return int(whole[0])

    def accepted(self) -> InputRows:
        """Of every row of the input, each decision that counts as done."""
        whole = self._whole(self._carried)
        also = (self._caps, _AS_IT_STANDS, _WANTS_MORE) if self._revote else (self._caps,)
        decisions = np.stack([whole, *(_varied(whole, number) for number in also)], axis=1)
        return InputRows(self._survey.row_ids(), decisions)

    def current(self) -> InputRows:
        """Of every row of the input, each decision that belongs in the finished results table."""
        ids, accepted = self.accepted()
        unsettled = _varied(accepted[:, 0], _UNSETTLED)
        return InputRows(ids, np.concatenate([accepted, unsettled[:, None]], axis=1))

    def _carried_by(self, problem: Problem) -> np.uint64:
        """Not as surveyed: the table's files may have changed since. A made id may also be the user's own."""
        names = (problem.id, "") if problem.id == problem.row_id.hex()[:16] else (problem.id,)
        hashes = [carried_hash(name, problem.reference, problem.columns) for name in names]
        known: np.uint64 = self._survey.carried[problem.row]
        return known if known.tobytes() in hashes else np.frombuffer(hashes[-1], dtype=np.uint64)[0]

    def _whole(self, carried: U64) -> U64:
        """Of results in which nothing was cut."""
        return mix(carried ^ self._rules)


_UNSETTLED, _AS_IT_STANDS, _WANTS_MORE = (np.uint64(number) for number in (1, 2, 3))


def _varied(whole: U64, reason: np.uint64) -> U64:
    """Decisions of the same problems that something else than the rules had a part in."""
    return mix(mix(whole) ^ reason)


def _number(digest: str) -> np.uint64:
    return np.uint64(int(digest[:16], 16))


def owed(decisions: Decisions, done: Callable[[InputRows], Mask]) -> Mask:
    """Which rows of the input have no current durable result; shape (rows,)."""
    return ~done(decisions.accepted())
