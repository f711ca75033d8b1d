"""One way of one round of the engine benchmark, in a process of its own: bench_engine.py starts this script.

    python scripts/bench_ways.py WAY PLAN.json RESULT.json

WAY: `solver` is the real line (solver.run.run: store, self-consistency, VllmEngine, answers, votes, tables), with an
engine whose every request ends at its forced length; `one` is one LLM.generate over all requests, `one-ids` the same
without detokenizing, `chunks` is LLM.generate over a few problems at a time. Same prompts, lengths, sampling and engine
settings in all of them. Timed is what follows the start of the engine and a warm-up; for `solver` that includes
everything up to the finished tables, but not the end of vLLM's process.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench_lengths import WARM_UP, WARM_UP_TOKENS, Lengths, mean_context

import solver.engine
from solver.engine import EngineSetting, Watch, arguments
from solver.engine.vllm import VllmEngine
from solver.job import Job
from solver.models import LocalModel
from solver.problems import problems
from solver.records import Request, SampleKey
from solver.run import read_input, read_job, read_model, run
from solver.strategies.context import sample_seed

WAYS = ("solver", "one", "one-ids", "chunks")
WARM_UPS = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """What every way is given. job: path of the job file; chunk: problems per LLM.generate call of `chunks`."""

    job: str
    lengths: Lengths
    seeded: bool
    chunk: int

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), "utf-8")

    @classmethod
    def read(cls, path: Path) -> "Plan":
        told = json.loads(path.read_text("utf-8"))
        return cls(**told | {"lengths": Lengths(**told["lengths"])})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the plan: its prompt, the tokens it will generate, its key."""

    ids: Sequence[int]
    length: int
    key: SampleKey


class ForcedEngine(VllmEngine):
    """VllmEngine whose responses end at the plan's lengths and nowhere else; notes when it was ready and done."""

    ready = last = closing = cpu = 0.0

    def __init__(self, setting: EngineSetting, plan: Plan) -> None:
        assert setting.model is not None
        super().__init__(replace(setting, model=_endless(setting.model)))
        self._plan = plan

    async def start(self) -> None:
        """Start and warm up."""
        import asyncio

        await super().start()
        model, tokenizer = self._setting.model, self._setting.tokenizer
        assert model is not None and tokenizer is not None
        ids = tokenizer.prompt([{"role": "user", "content": WARM_UP}])
        sampling = read_job(self._plan.job).sampling
        keys = [SampleKey(b"", WARM_UP, 0, k) for k in range(WARM_UPS)]
        asks = [self.generate(Request(key, "answer", (), "", ids, sampling, key.k)) for key in keys]
        await asyncio.gather(*asks)
        self.ready, self.cpu = time.perf_counter(), time.process_time()

    async def generate(self, request: Request, watch: Watch | None = None) -> Any:
        """One sample; the time of the last one is kept."""
        sample = await super().generate(request, watch)
        self.last = time.perf_counter()
        return sample

    async def close(self) -> None:
        """End vLLM's process; that time is not the line's."""
        begun = time.perf_counter()
        self.cpu = time.process_time() - self.cpu
        await super().close()
        self.closing += time.perf_counter() - begun

    def _parameters(self, request: Request, watch: Watch | None) -> Any:
        key = request.key
        length = WARM_UP_TOKENS if key.path == WARM_UP else self._plan.lengths.of(key.row_id, key.k)
        params = super()._parameters(replace(request, sampling=replace(request.sampling, max_tokens=length)), watch)
        params.ignore_eos = True
        if not self._plan.seeded:
            params.seed = None
        return params


def _endless(model: LocalModel) -> LocalModel:
    """The model without its end-of-sequence ids, so that none of them stops a response."""
    config = {key: value for key, value in model.config.items() if key != "eos_token_id"}
    return replace(model, config=config, generation={})


def by_solver(plan: Plan, job: Job) -> dict[str, Any]:
    """The whole line, as `solver run` drives it."""
    made: list[ForcedEngine] = []

    def forced(setting: EngineSetting) -> ForcedEngine:
        made.append(ForcedEngine(setting, plan))
        return made[-1]

    solver.engine.ENGINES = {**solver.engine.ENGINES, "vllm": forced}
    summary = run(job, ["bench"], say=print, quiet=True)
    ended = time.perf_counter()
    (engine,) = made
    return {
        "seconds": ended - engine.ready - engine.closing,
        "after_last": ended - engine.last - engine.closing,
        "tokens": summary.output_tokens,
        "stored_tokens": summary.stats.output_tokens,
        "samples": summary.samples,
        "cpu": engine.cpu,
    }


def requests(plan: Plan, job: Job) -> list[Asked]:
    """Every request of the plan in the order of the input, siblings beside each other. Raises ValueError."""
    table = read_input(job)
    served = read_model(job, download=False)
    assert served is not None and served.tokenizer is not None and served.model is not None
    asked = []
    for problem in problems(table.table, table.survey):
        ids = served.tokenizer.prompt(table.template.messages(problem), "", job.prompt.chat)
        for k in range(job.n):
            length = plan.lengths.of(problem.row_id, k)
            if served.model.context is not None and len(ids) + length > served.model.context:
                raise ValueError(f"a prompt of {len(ids)} and a response of {length} tokens exceed the context")
            asked.append(Asked(ids, length, SampleKey(problem.row_id, "answer", 0, k)))
    return asked


def by_llm(plan: Plan, job: Job, way: str) -> dict[str, Any]:
    """vLLM's own LLM.generate: over all requests at once, or over the plan's chunk of problems at a time."""
    from vllm import LLM

    asked = requests(plan, job)
    llm = LLM(**_settings(job))
    detokenize = way != "one-ids"
    _generate(llm, [Asked(asked[0].ids[:4], WARM_UP_TOKENS, asked[0].key)] * WARM_UPS, plan, job, detokenize)
    size = plan.chunk * job.n if way == "chunks" else len(asked)
    begun, cpu = time.perf_counter(), time.process_time()
    counts = [
        count
        for start in range(0, len(asked), size)
        for count in _generate(llm, asked[start : start + size], plan, job, detokenize)
    ]
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return {"seconds": seconds, "tokens": sum(counts), "samples": len(counts), "cpu": cpu}


def _generate(llm: Any, asked: Sequence[Asked], plan: Plan, job: Job, detokenize: bool) -> list[int]:
    from vllm import SamplingParams

    told = job.sampling
    params = [
        SamplingParams(
            temperature=told.temperature,
            top_p=told.top_p,
            top_k=told.top_k,
            min_p=told.min_p,
            repetition_penalty=told.repetition_penalty,
            max_tokens=one.length,
            ignore_eos=True,
            seed=sample_seed(job.seed, one.key) if plan.seeded else None,
            detokenize=detokenize,
        )
        for one in asked
    ]
    outputs = llm.generate([{"prompt_token_ids": list(one.ids)} for one in asked], params, use_tqdm=False)
    return [len(output.outputs[0].token_ids) for output in outputs]


def _settings(job: Job) -> dict[str, Any]:
    """What `solver` gives AsyncLLM, but for priorities, which a plain generate does not use."""
    from vllm.platforms import current_platform

    served = read_model(job, download=False)
    assert served is not None and served.model is not None
    fields = {key: value for key, value in job.engine.items() if key != "kind"}
    chosen = arguments.complete(fields, served.model, on_cpu=current_platform.is_cpu())
    del chosen["scheduling_policy"]
    return {"model": str(served.model.path), **chosen}


def environment() -> None:
    """The variables that `solver` sets before it imports vLLM, for every way alike."""
    import torch

    cpus = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    os.environ.update(arguments.environment(on_cpu=torch.version.cuda is None, cpus=cpus, memory_gib=memory))


def planned(plan: Plan, job: Job) -> dict[str, Any]:
    """What must be generated, and the mean context of a generated token."""
    asked = requests(plan, job)
    pairs = [(len(one.ids), one.length) for one in asked]
    return {"planned": sum(one.length for one in asked), "context": mean_context(pairs)}


def device() -> str:
    """The GPU's name, or nothing."""
    import torch

    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else ""


def main() -> None:
    way, plan_path, result = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    environment()
    plan = Plan.read(plan_path)
    job = read_job(plan.job)
    expected = planned(plan, job)
    measured = by_solver(plan, job) if way == "solver" else by_llm(plan, job, way)
    import vllm

    about = {"vllm": vllm.__version__, "torch": version("torch"), "device": device()}
    about["OpenMP threads"] = os.environ.get("OMP_NUM_THREADS", "")
    result.write_text(json.dumps({"way": way} | expected | measured | {"about": about}), "utf-8")


if __name__ == "__main__":
    main()
