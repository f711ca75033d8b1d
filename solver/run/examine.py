"""Examine: whatever a run would read or write, looked at before anything is loaded or made, and every fault of it.

In: a job (or what could be read of one). Out: `Found`, which carries what was read and raises its faults together.
Nothing is written but caches (a prepared view of the model, hashes of weights), nothing is downloaded, no weights are
loaded; `check` ends here and `run` begins here.
"""

import shlex
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from solver import engine, models
from solver.errors import (
    Fault,
    FaultsError,
    FingerprintError,
    InputError,
    JobError,
    MachineError,
    ModelError,
    PromptError,
    StoreError,
)
from solver.job import Job, PartlyReadError, load_job
from solver.models import internlm3
from solver.models.profiles import PROFILES
from solver.prompts import PromptTemplate
from solver.records import Message
from solver.run.open import (
    TRUSTED,
    VALIDATORS,
    Asked,
    Say,
    Served,
    fingerprint,
    first_prompt,
    placed,
    read_model,
    read_table,
    read_template,
)
from solver.run.place import Place, look_at
from solver.run.settled import Settled, settle
from solver.store import fingerprint_faults

SMALL = 256 * 2**20  # bytes of weights that are hashed to compare them with those of a run; more are left to the run


@dataclass(slots=True)
class Found:
    """What a job leads to.

    job: as settled; template, asked, served: None where there are faults, and `served` where the model must be
    downloaded first; no_ids: why token ids are not known; uncompared: keys of the fingerprint that only the run itself
    can compare; errors: each fault with the error it belongs to.
    """

    job: Job
    place: Place
    settled: Settled
    template: PromptTemplate | None = None
    asked: Asked | None = None
    served: Served | None = None
    no_ids: str | None = None
    messages: Sequence[Message] = ()
    token_ids: Sequence[int] | None = None
    uncompared: Sequence[str] = ()
    errors: list[tuple[type[FaultsError], Fault]] = field(default_factory=list)

    def note(self, error: type[FaultsError], faults: Iterable[Fault]) -> None:
        """Remember faults."""
        self.errors += ((error, fault) for fault in faults)

    @property
    def faults(self) -> list[Fault]:
        """Everything that is wrong."""
        return [fault for _, fault in self.errors]

    def raise_faults(self) -> None:
        """Raise what is wrong, if anything is: FaultsError, or MachineError where only the machine is to blame."""
        kinds = {kind for kind, _ in self.errors}
        if self.place.machine and self.faults == [self.place.fault]:
            raise MachineError(str(self.place.fault))
        if self.errors:
            raise (kinds.pop() if len(kinds) == 1 else JobError)(self.faults)
        engine.check_machine(self.job.engine)

    def notes(self) -> list[str]:
        """What does not stop a run but should be known."""
        told = list(self.asked.table.notes) if self.asked else []
        if self.job.model.trust_remote_code and self.job.engine.get("kind", "vllm") in engine.NEEDS_MODEL:
            told.append(TRUSTED)
            if self.served is not None and self.served.model is not None and internlm3.wants_view(self.served.model):
                told.append("InternLM3 does not need it: without it the run uses a prepared view and is faster")
        return told + ([other] if (other := self.other_bos()) else [])

    def other_bos(self) -> str:
        """In words, that the tokenizer begins a prompt with another token than the profile; "" where it does not."""
        profile, tokenizer = PROFILES.get(self.settled.profile or ""), self.served.tokenizer if self.served else None
        if not profile or not profile.bos or not tokenizer or tokenizer.bos == tokenizer.specials.get(profile.bos, -1):
            return ""
        found = "none" if tokenizer.bos is None else f"the id {tokenizer.bos}"
        return f"prompts of {self.settled.profile} begin with {profile.bos}; this tokenizer puts {found} first"


def read_job(path: str | Path, overrides: Sequence[str] = ()) -> Job:
    """The job file with its strategy and engine blocks checked.

    Raises JobError with every fault: of the job, and of what its sound blocks name (table, template, model, output).
    """
    try:
        return placed(load_job(path, overrides, VALIDATORS))
    except PartlyReadError as error:
        more = [] if error.rest is None else examine(placed(error.rest), wrong=error.wrong).faults
        raise JobError([*error.faults, *more]) from None


def examine(
    job: Job, command: Sequence[str] = (), *, wrong: Collection[str] = (), served: Served | None = None
) -> Found:
    """Look at everything that a job names. Raises no fault: see `Found.raise_faults`.

    command: the words of the run, to tell how to run elsewhere; wrong: blocks that cannot be relied on; served: the
    model, where it was just brought here.
    """
    found = Found(job, look_at(Path(job.output.dir)), Settled(job), served=served)
    of_model = [] if {"model", "engine"} & set(wrong) else _serve(found)
    job = found.job
    of_template: list[Fault] = []
    of_table: list[Fault] = []
    if "prompt" not in wrong:
        found.template = read_template(job, of_template)
    if "input" not in wrong:
        found.asked = read_table(job, found.template, of_table)
    found.note(PromptError, of_template)
    found.note(InputError, of_table)
    found.errors += of_model
    if found.place.fault is not None and not {"output", "name"} & set(wrong):
        found.note(JobError, [found.place.fault])
    if found.asked is not None and not wrong:
        _prompt(found)
        _compare(found, command)
    return found


def download(job: Job, found: Found, command: Sequence[str], say: Say, *, live: bool = False) -> Found:
    """What a job without faults leads to once its model is here: its files may settle more than its name did.

    job: as it was written; live: show the download on a terminal. Raises FaultsError or MachineError.
    """
    if found.served is not None and (found.served.model is None or found.served.model.pulled):
        return found
    found = examine(job, command, served=read_model(job, download=True, say=say, live=live))
    found.raise_faults()
    return found


def _serve(found: Found) -> list[tuple[type[FaultsError], Fault]]:
    """The model as far as it is here, and the engine's own files; then what they settle of the job."""
    job, faults = found.job, Found(found.job, found.place, found.settled)
    try:
        found.served = found.served or read_model(job, download=False)
        if found.served is None:
            found.no_ids = "are known once the model's tokenizer is here; `solver run` downloads the model"
        engine.distribution(job.engine, found.served.model if found.served else None)
    except ModelError as error:
        faults.note(ModelError, error.faults)
    except FaultsError as error:
        faults.note(JobError, error.faults)
    except MachineError as error:  # the tokenizer wants a package that only an engine extra brings
        found.no_ids = f"are not known here: {error}"
    served = found.served or Served()
    source = served.tokenizer.template_source if served.tokenizer else ""
    found.settled = settle(job, served.model or _here(job), source)
    found.job = found.settled.job
    _profile_faults(found, faults)
    return faults.errors


def _profile_faults(found: Found, faults: Found) -> None:
    """What a strict profile refuses: known by the model's name, so before anything is downloaded, or by its files."""
    profile = PROFILES.get(found.settled.profile or "")
    if profile is None or not profile.strict:
        return
    wanted, most = found.job.engine.get("max_model_len"), profile.context
    told = any(fault.where == "engine.max_model_len" for fault in faults.faults)
    if most and isinstance(wanted, int) and wanted > most and not told:
        what = f"{wanted} is more than the {most} tokens that {found.settled.profile} has positions for"
        faults.note(JobError, [Fault("engine.max_model_len", what, f"Set at most {most}")])
    if other := found.other_bos():
        fix = f"Give a model whose tokenizer begins with {profile.bos}, or set model.profile: none if it is another"
        faults.note(ModelError, [Fault("model.source", other, fix)])


def _here(job: Job) -> models.LocalModel | None:
    """A model whose tokenizer cannot be read here: its configuration can."""
    if job.engine.get("kind", "vllm") not in engine.NEEDS_MODEL:
        return None
    with suppress(ModelError):
        return models.find(job.model.source, job.model.revision)
    return None


def _prompt(found: Found) -> None:
    """The first prompt: here a chat template that refuses the messages is met."""
    assert found.asked is not None
    try:
        found.messages, found.token_ids = first_prompt(found.asked, found.served or Served())
    except FaultsError as error:
        found.note(type(error), error.faults)


def _draws(key: str) -> bool:
    """Whether a value decides how tokens are drawn, and so is a part of the fingerprint."""
    return key.startswith(("prompt.", "sampling.")) and key not in ("sampling.max_tokens", "sampling.logprobs")


def _compare(found: Found, command: Sequence[str]) -> None:
    """Whether the run directory holds samples of another distribution, as far as that is known without the model."""
    if not found.place.is_run or found.asked is None or found.errors:
        return
    served = found.served or Served()
    new = fingerprint(found.asked, served, at_most=SMALL)
    needs_model = found.job.engine.get("kind", "vllm") in engine.NEEDS_MODEL
    code = ["code"] if found.job.model.trust_remote_code else []
    wanted = ["weights", "config", "tokenizer", "chat_template", *code] if needs_model else []
    found.uncompared = [key for name in wanted if (key := f"model.{name}") not in new]
    if needs_model and served.model is None:
        found.uncompared = [*found.uncompared, "engine.dtype"]
    found.uncompared = [*found.uncompared, *(key for key in sorted(found.settled.open) if _draws(key))]
    elsewhere = f"{shlex.join(command)} -o output.dir=NEW_DIRECTORY"
    try:
        found.note(FingerprintError, fingerprint_faults(found.place.path, new, elsewhere, found.uncompared))
    except StoreError as error:
        found.note(JobError, [Fault("output.dir", str(error))])
