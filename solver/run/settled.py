"""Settled: a job with nothing left open, and where every value of it came from.

In: a job as it was written, and its model as far as that is known. Out: `Settled`. What the job says wins; then the
model's profile (models/profiles.py), then its own generation_config.json, then this project's defaults. Before the
model is here its name alone decides, and `open` says what its files may still change.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from solver import engine
from solver.errors import FaultsError
from solver.job import Job
from solver.models import LocalModel
from solver.models.profiles import NO_PROFILE, PROFILES, Profile, Traits, recognise
from solver.prompts import load_template
from solver.records import Sampling
from solver.schema import as_written

JOB, DEFAULT, CONFIG, GENERATION = "job", "default", "config.json", "generation_config.json"
STATED: Mapping[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (1e-6, 1),
    "top_k": (0, 10_000_000),
    "min_p": (0, 1),
    "repetition_penalty": (1e-6, 10),
}
"""Fields that a generation_config.json may state, with the least and the most that is believed. Its caps on length are
not taken over: they are for chats, and cut reasoning short."""
NOTHING = Profile(names="", templates=())


@dataclass(frozen=True, slots=True)
class Settled:
    """A job as it will run. profile: the name of the model's, None without one; origins: dotted key -> where its value
    came from; open: keys that may change once the model's own files are here."""

    job: Job
    profile: str | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    open: frozenset[str] = frozenset()

    def values(self, model: LocalModel | None = None) -> Iterator[tuple[str, Any, str]]:
        """Every value that decides what is asked and how, as (dotted key, value, where it came from)."""
        job = self.job
        told = {"sampling": _sampling_of(job), "prompt": asdict(job.prompt), "engine": dict(job.engine)}
        blocks = as_written(told, (), job.unexpanded)
        known: dict[str, Any] = {f"sampling.{key}": value for key, value in blocks["sampling"].items()}
        known |= {f"prompt.{key}": value for key, value in blocks["prompt"].items() if key != "chat"}
        known |= {f"prompt.chat.{key}": value for key, value in blocks["prompt"]["chat"].items()}
        known |= {"model.profile": job.model.profile, "model.reasoning": job.model.reasoning}
        known["engine.max_model_len"] = blocks["engine"].get("max_model_len") or (model.context if model else None)
        for key, origin in self.origins.items():
            yield key, known.get(key), origin
        if model is not None and model.stop_ids:
            files = [name for name, ids in ((GENERATION, model.generation), (CONFIG, model.config)) if _has_ends(ids)]
            yield "stop ids of the model", model.stop_ids, " and ".join(files)


def settle(job: Job, model: LocalModel | None, chat_template: str = "") -> Settled:
    """Fill in what a job leaves open. model: None while it is not here; chat_template: its source, once known."""
    wants_model = job.engine.get("kind", "vllm") in engine.NEEDS_MODEL
    name = _profile(job, model, chat_template) if wants_model or job.model.profile else None
    filling = _Filling(job, model if wants_model else None, name)
    done = filling.done()
    told = name or (NO_PROFILE if wants_model and model is not None else job.model.profile)
    done = replace(done, model=replace(done.model, profile=told))
    origins = {"model.profile": _how(job, model, name)} | filling.origins
    unsure = frozenset(filling.unsure() if wants_model and model is None else ())
    return Settled(done, name, origins, unsure)


def _profile(job: Job, model: LocalModel | None, chat_template: str) -> str | None:
    if job.model.profile is not None:
        return None if job.model.profile == NO_PROFILE else job.model.profile
    traits = Traits(job.model.source, model.config if model else {}, chat_template)
    template = job.prompt.template if ("prompt", "template") in job.given else None
    return recognise(traits, template, job.prompt.chat)


def _how(job: Job, model: LocalModel | None, name: str | None) -> str:
    if job.model.profile is not None:
        return JOB
    if name is None:
        return DEFAULT
    return "the model's name" if recognise(Traits(job.model.source)) else "the model's files"


class _Filling:
    """The values of one job one by one; `origins` grows with them."""

    def __init__(self, job: Job, model: LocalModel | None, name: str | None) -> None:
        self.job, self.model, self.name = job, model, name
        self.profile = NOTHING if name is None else PROFILES[name]
        self.origins: dict[str, str] = {}

    def done(self) -> Job:
        """The job with every value filled in."""
        job = replace(self.job, prompt=replace(self.job.prompt, template=self._template()))
        tags = self._value("model.reasoning", job.model.reasoning, self.profile.reasoning)
        role = self.profile.system_role if self.profile.system_role != "system" else None
        prompt = replace(
            job.prompt,
            system=self._value("prompt.system", job.prompt.system, self._system(job)),
            system_role=self._value("prompt.system_role", job.prompt.system_role, role),
            chat=self._chat(),
        )
        sampling = {key: self._sampled(key, value) for key, value in _sampling_of(job).items()}
        numbers = {key: sampling.pop(key) for key in ("n", "seed")}
        sampling["schema"] = job.sampling.schema
        block = self._engine()
        model = replace(job.model, reasoning=tags)
        return replace(job, model=model, prompt=prompt, sampling=Sampling(**sampling), engine=block, **numbers)

    def unsure(self) -> Iterator[str]:
        """Keys that the files of a model that is not here yet may change."""
        for key, origin in self.origins.items():
            stated = key.removeprefix("sampling.") in STATED or key == "engine.max_model_len"
            if key in ("sampling.n", "sampling.seed") or origin == JOB:
                continue
            if key == "sampling.stop_token_ids" or (origin == DEFAULT and (self.name is None or stated)):
                yield key
        if self.name is None and self.job.model.profile is None:
            yield from ("model.profile", "prompt.chat")

    def _value(self, key: str, written: Any, wanted: Any) -> Any:
        """One value: the job's, else the profile's, else what the job has by default."""
        if tuple(key.split(".")) in self.job.given:
            self.origins[key] = JOB
        elif wanted is not None:
            self.origins[key] = f"profile {self.name}"
            return wanted
        else:
            self.origins[key] = DEFAULT
        return written

    def _template(self) -> str:
        best = self.profile.templates[0] if self.profile.templates else None
        return str(self._value("prompt.template", self.job.prompt.template, best))

    def _system(self, job: Job) -> str | None:
        """The profile's own system message, unless the prompt that the job names brings one."""
        if self.profile.system is None:
            return None
        with suppress(FaultsError):  # told when the template itself is read
            if load_template(job.prompt.template).brings_system:
                return None
        return self.profile.system

    def _chat(self) -> dict[str, Any]:
        chat = dict(self.job.prompt.chat)
        self.origins |= {f"prompt.chat.{key}": JOB for key in chat}
        for key, value in self.profile.chat.items():
            if key not in chat:
                chat[key] = value
                self.origins[f"prompt.chat.{key}"] = f"profile {self.name}"
        return chat

    def _sampled(self, key: str, written: Any) -> Any:
        wanted = self.profile.sampling.get(key)
        if key == "stop_token_ids":
            wanted = self._stop_ids() or None
        value = self._value(f"sampling.{key}", written, wanted)
        if self.origins[f"sampling.{key}"] == DEFAULT and key in STATED and self.model is not None:
            stated = self.model.generation.get(key)
            if isinstance(stated, int | float) and _believed(key, stated):
                self.origins[f"sampling.{key}"] = GENERATION
                return int(stated) if key == "top_k" else float(stated)
        return value

    def _stop_ids(self) -> tuple[int, ...]:
        """Ends that the model's own files do not name; none beyond its vocabulary."""
        if self.model is None:
            return tuple(self.profile.stop_ids)
        size = self.model.config.get("vocab_size")
        known, limit = self.model.stop_ids, size if isinstance(size, int) else None
        return tuple(i for i in self.profile.stop_ids if i not in known and (limit is None or i < limit))

    def _engine(self) -> Mapping[str, Any]:
        block, key = self.job.engine, "engine.max_model_len"
        if block.get("kind", "vllm") not in engine.NEEDS_MODEL:
            return block
        positions, cap = self.model.context if self.model else None, self.profile.context
        if "max_model_len" in block:
            self.origins[key] = JOB
        elif cap is not None:
            self.origins[key] = f"profile {self.name}" if positions is None or cap <= positions else CONFIG
            return {**block, "max_model_len": min(cap, positions or cap)}
        else:
            self.origins[key] = CONFIG if positions else DEFAULT
        return block


def _sampling_of(job: Job) -> dict[str, Any]:
    """Every field of the `sampling:` block."""
    own = {one.name: getattr(job.sampling, one.name) for one in fields(job.sampling) if one.name != "schema"}
    return {"n": job.n} | own | {"seed": job.seed}


def _believed(key: str, stated: float) -> bool:
    least, most = STATED[key]
    return not isinstance(stated, bool) and least <= stated <= most


def _has_ends(ids: Mapping[str, Any]) -> bool:
    return ids.get("eos_token_id") is not None
