"""Strategies on the real engine: one start, every stopping rule and wrapper, and the accounts of what was cancelled."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ABACUS, Loop

from solver import engine
from solver.answers import Grader
from solver.engine import EngineSetting
from solver.problems import problems
from solver.progress import Counters
from solver.records import Outcome, Result, Sample
from solver.run import read_input, read_job
from solver.run.drive import Driver, Work
from solver.run.stop import Stop
from solver.schema import short_strategy
from solver.strategies import make
from solver.strategies.setting import Setting

JOB = """
input: {{path: {data}, limit: 12}}
model: {{source: {model}}}
prompt: {{template: plain}}
sampling: {{n: 12, max_tokens: 256}}
"""
BLOCKS: dict[str, Mapping[str, Any]] = {
    "fixed": short_strategy("fixed"),
    "beta": short_strategy("beta:0.9"),
    "esc": short_strategy("esc:3"),
    "exact": short_strategy("exact"),
    "cascade": {"name": "cascade", "probe": 3, "within": short_strategy("beta:0.9")},
    "abstain": {"name": "abstain", "below": 0.5, "within": short_strategy("beta:0.9")},
    "weighted": {"choose": {"rule": "weighted", "by": "logprob"}},
}


class Kept:
    """A sink in memory."""

    full = False

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.results: list[Result] = []

    async def add(self, sample: Sample) -> None:
        self.samples.append(sample)

    async def add_result(self, result: Result) -> None:
        self.results.append(result)

    async def flush(self) -> None:
        """Nothing waits here."""


@pytest.fixture(scope="module")
def found(loop: Loop, setting: EngineSetting, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kept]:
    """What every strategy makes of the same problems, one after the other on one engine."""
    path = tmp_path_factory.mktemp("job") / "job.yaml"
    data = Path(ABACUS).parent / "data" / "demo.parquet"
    path.write_text(JOB.format(data=data, model=ABACUS))
    return loop.do(_all(path, setting))


async def _all(path: Path, told: EngineSetting) -> dict[str, Kept]:
    job = read_job(path)
    asked = read_input(job)
    made = engine.open_engine(replace(told, block={**told.block, "max_num_seqs": 64}))
    await made.start()
    try:
        async with Grader() as grader:
            found = {}
            for name, block in BLOCKS.items():
                found[name] = kept = Kept()

                def of(driver: Driver) -> Setting:
                    return Setting(
                        ask=driver.ask,
                        abort=driver.abort,
                        record=driver.record,
                        template=asked.template,
                        tokenizer=told.tokenizer,
                        chat={},
                        sampling=job.sampling,
                        seed=0,
                        grader=grader,
                        context=made.context,
                    )

                work = Work(
                    engine=made,
                    strategy=make(block, job.n),
                    sink=kept,
                    resumes=False,
                    stored=lambda _: {},
                    decision=lambda result, settled: 0,
                    setting=of,
                )
                await Driver(work, Counters(), Stop()).run(problems(asked.table, asked.survey))
            return found
    finally:
        await made.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_strategy_decides_every_problem_and_accounts_for_every_token(found: dict[str, Kept], name: str) -> None:
    kept = found[name]
    assert len(kept.results) == 12
    assert {result.status for result in kept.results} <= {Outcome.OK, Outcome.ABSTAINED}
    for result in kept.results:
        own = [sample for sample in kept.samples if sample.key.row_id == result.problem.row_id]
        assert result.output_tokens == sum(sample.output_tokens for sample in own)
        assert len(result.candidates) == result.n_samples <= 12


def test_rules_that_stop_draw_fewer_and_ask_for_no_more(found: dict[str, Kept]) -> None:
    whole = sum(result.n_samples for result in found["fixed"].results)
    assert whole == 144
    for name in ("beta", "esc", "exact", "cascade"):
        assert sum(result.n_samples for result in found[name].results) < whole
        assert len(found[name].samples) == sum(result.n_samples for result in found[name].results), "nothing in vain"
    assert sum(result.n_samples for result in found["beta"].results) < 0.8 * whole


def test_likelihoods_weigh(found: dict[str, Kept]) -> None:
    weights = [candidate.weight for result in found["weighted"].results for candidate in result.candidates]
    assert all(0 < weight < 1 for weight in weights) and len(set(weights)) > 20
