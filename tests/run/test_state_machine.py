"""A run directory in the hands of somebody who edits, kills, damages and resumes without end, against a plain model.

The model is a dictionary: which copies of which samples lie in the shards. From it and the table of problems follow, by
a few lines without any of solver's own code, what the next run must ask of the engine and what the results must say.
"""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from desk import Desk
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from reaper import Ending, Reaper, agreed_at, answer_of, asked, said

from solver.problems import InputSpec, open_table, survey
from solver.store import Store

Copy = tuple[str, int]
"""(status, output tokens) of one durable copy; None of them is ever taken back."""

HALF, FULL = 20, 70  # caps: under the first, long replies are cut


@pytest.fixture(scope="module")
def reaper() -> Iterator[Reaper]:
    with Reaper() as one:
        yield one


class Hands(RuleBasedStateMachine):
    """Rules are what a person does; every rule that runs something compares everything with the model."""

    reaper: Reaper

    @initialize(seed=st.integers(0, 2**32), strategy=st.sampled_from(["self-consistency", "two-agree"]))
    def begin(self, seed: int, strategy: str) -> None:
        self.chance = random.Random(seed)
        self.desk = Desk(Path(tempfile.mkdtemp()))
        self.blocks: dict[str, Any] = {
            "sampling": {"n": 3, "max_tokens": FULL},
            "engine": {"slots": 8, "seconds": 0.002},
            "strategy": {"name": strategy},
        }
        self.names = iter(range(10**6))
        self.rows = [self._row(f"What is {number}?") for number in range(6)]
        self.copies: dict[tuple[str, int], list[Copy]] = {}
        self.told = 0
        self._lay()

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            shutil.rmtree(self.desk.home)

    def _row(self, problem: str) -> dict[str, Any]:
        return {"id": f"r{next(self.names)}", "problem": problem, "answer": self.chance.choice(["1", "2", "3"])}

    def _lay(self) -> None:
        self.desk.lay(self.rows, [""], **self.blocks)

    # What a person edits

    @rule(n=st.integers(1, 6))
    def more_or_fewer_samples(self, n: int) -> None:
        self.blocks["sampling"]["n"] = n
        self._lay()

    @rule(cap=st.sampled_from([HALF, FULL]))
    def another_cap(self, cap: int) -> None:
        self.blocks["sampling"]["max_tokens"] = cap
        self._lay()

    @rule(name=st.sampled_from(["self-consistency", "two-agree"]), slots=st.sampled_from([1, 8]))
    def another_strategy(self, name: str, slots: int) -> None:
        self.blocks["strategy"]["name"] = name
        self.blocks["engine"]["slots"] = slots
        self.blocks["output"] = {"flush_seconds": 1 + 2 * slots}
        self._lay()

    @rule(
        at=st.integers(0, 100), what=st.sampled_from(["add", "repeat", "change", "move", "remove", "reference", "id"])
    )
    def edit_the_table(self, at: int, what: str) -> None:
        at %= len(self.rows)
        row = self.rows[at]
        if what in ("add", "repeat") and len(self.rows) < 12:
            self.rows.insert(at, self._row(row["problem"] if what == "repeat" else f"What is {next(self.names)}?"))
        elif what == "change":
            self.rows[at] = {**row, "problem": f"What is {next(self.names)}?"}
        elif what == "move":
            self.rows.append(self.rows.pop(at))
        elif what == "remove" and len(self.rows) > 1:
            del self.rows[at]
        elif what == "reference":
            self.rows[at] = {**row, "answer": self.chance.choice(["1", "2", "3"])}
        elif what == "id":
            self.rows[at] = {**row, "id": f"r{next(self.names)}"}
        self._lay()

    # What a person runs

    @rule()
    def run(self) -> None:
        self._after_a_run(self.reaper.life("run", self.desk))

    @rule(mark=st.sampled_from(["forked", "opened", "asked", "finish"]), seconds=st.floats(0, 0.1))
    def run_and_kill(self, mark: str, seconds: float) -> None:
        self._after_a_run(self.reaper.life("run", self.desk, kill=(mark, seconds)))

    @rule()
    def two_runs_at_once(self) -> None:
        endings = self.reaper.lives(2, "run", self.desk)
        codes = sorted(ending.code for ending in endings if ending.code is not None)
        assert codes in ([0, 0], [0, 75]), endings
        assert all(ending.code == 0 or ending.error == "LockedError" for ending in endings)
        self._asked_only_what_was_owed(all_of_it=True)
        self._look(lost=set())
        self._tables_say_what_the_model_says()

    @precondition(lambda self: self._begun())
    @rule(what=st.sampled_from(["sampling.temperature=0.5", "sampling.seed=7", "prompt.template=cot"]))
    def another_distribution_is_refused(self, what: str) -> None:
        before = self._shards()
        ending = self.reaper.life("run", self.desk, what)
        assert (ending.code, ending.error) == (2, "FingerprintError") and what.split("=", maxsplit=1)[0] in ending.said
        assert self._shards() == before

    @precondition(lambda self: self._begun() and (self.desk.out / "job.yaml").exists())
    @rule(n=st.integers(1, 6), kill=st.booleans())
    def revote(self, n: int, kill: bool) -> None:
        before = len(asked(self.desk))
        moment = ("forked", self.chance.uniform(0, 0.15)) if kill else None
        ending = self.reaper.life("revote", self.desk, f"sampling.n={n}", kill=moment)
        assert ending.killed or ending.code in (0, 3), ending
        self._look(lost=set())
        assert len(asked(self.desk)) == before, "a revote generated"

    @precondition(lambda self: self._shards())
    @rule(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), verify=st.booleans())
    def damage_and_run(self, where: float, bit: int, verify: bool) -> None:
        path = self.chance.choice(self._shards())
        lost = {(row["row_id"], row["k"]) for row in _rows(path)} if path.parent.name == "samples" else set()
        data = bytearray(path.read_bytes())
        data[int(where * len(data))] ^= 1 << bit
        path.write_bytes(data)
        for attempt in range(3):
            ending = self.reaper.life("run", self.desk, verify=verify or attempt > 0)
            assert ending.code in (0, 1), ending
            if ending.code == 0 and (verify or attempt > 0):
                break
        assert ending.code == 0, ending
        self.told = len(asked(self.desk))
        self._look(lost=lost)
        self._tables_say_what_the_model_says()

    # What must be so

    def _begun(self) -> bool:
        return (self.desk.out / "_solver" / "fingerprint.json").exists()

    def _shards(self) -> list[Path]:
        folders = [self.desk.out / name for name in ("samples", "results")]
        return sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir())

    def _after_a_run(self, ending: Ending) -> None:
        assert ending.killed or ending.code == 0, ending
        self._asked_only_what_was_owed(all_of_it=not ending.killed)
        self._look(lost=set())
        if not ending.killed:
            self._tables_say_what_the_model_says()
            assert Store.read(self.desk.out).finished

    def _look(self, lost: set[tuple[str, int]]) -> None:
        """Read every shard: no copy may have gone but those of a damaged one; a finish sets replaced ones aside."""
        now = _copies(self.desk.out / "samples")
        aside = _copies(self.desk.out / "_solver" / "superseded" / "samples")
        for key, copies in self.copies.items():
            if key not in lost:
                there = [*now.get(key, []), *aside.get(key, [])]
                assert not Counter(copies) - Counter(there), f"a durable copy of {key} is gone"
        self.copies = now

    def _row_ids(self) -> list[str]:
        table = open_table(InputSpec(str(self.desk.home / "problems.jsonl")))
        stamps = survey(table, ["problem"])
        return [stamps.row_id(row).hex() for row in range(len(self.rows))]

    def _stands(self, row_id: str, k: int) -> Copy | None:
        """The copy that answers this call under the cap of now, or None."""
        copies = [copy for copy in self.copies.get((row_id, k), []) if copy[0] != "cancelled"]
        whole = [copy for copy in copies if copy[0] == "ok"]
        if whole or not copies:
            return whole[0] if whole else None
        longest = max(copies, key=lambda copy: copy[1])
        return longest if longest[1] >= self.blocks["sampling"]["max_tokens"] else None

    def _answers(self, row_id: str, problem: str) -> list[str | None]:
        """What samples 0 .. n - 1 say once they are there; None for a cut one."""
        answers = []
        for k in range(self.blocks["sampling"]["n"]):
            stands = self._stands(row_id, k)
            cap = self.blocks["sampling"]["max_tokens"] if stands is None else FULL if stands[0] == "ok" else HALF
            cut = stands is not None and stands[0] == "truncated"
            answers.append(None if cut else answer_of(said(problem, k), cap))
        return answers

    def _asked_only_what_was_owed(self, *, all_of_it: bool) -> None:
        """Of the last life: what it asked, against what the model held before it."""
        lines = asked(self.desk)
        ours = [line[1:] for line in lines[self.told :]]
        self.told = len(lines)
        assert len(set(ours)) == len(ours), "asked twice in one life"
        may, must = set(), set()
        for row_id, row in zip(self._row_ids(), self.rows, strict=True):
            missing = {(row_id, k) for k in range(self.blocks["sampling"]["n"]) if self._stands(row_id, k) is None}
            may |= missing
            if self.blocks["strategy"]["name"] == "two-agree":
                last = agreed_at(self._answers(row_id, row["problem"]))
                missing = {(row_id, k) for row_id, k in missing if k <= last}
            must |= missing
        assert set(ours) <= may, "what was durable was generated again"
        assert not all_of_it or must <= set(ours), "what was owed was not asked"

    def _tables_say_what_the_model_says(self) -> None:
        lying = [row for path in self._shards() if path.parent.name == "results" for row in _rows(path)]
        found = {row["row_id"]: row for row in lying}
        expected = {
            row_id: self._expected(number, row_id, row)
            for number, (row_id, row) in enumerate(zip(self._row_ids(), self.rows, strict=True))
        }
        assert len(found) == len(lying) and found.keys() == expected.keys()
        for row_id, wanted in expected.items():
            assert {name: found[row_id][name] for name in wanted} == wanted, row_id

    def _expected(self, number: int, row_id: str, row: dict[str, Any]) -> dict[str, Any]:
        answers = self._answers(row_id, row["problem"])
        if self.blocks["strategy"]["name"] == "two-agree":
            answers = answers[: agreed_at(answers) + 1]
        valid = [answer for answer in answers if answer is not None]
        counts = Counter(valid).most_common()  # equal counts in order of first appearance: the lowest k
        winner, votes = counts[0] if counts else (None, 0)
        return {
            "row": number,
            "id": row["id"],
            "problem": row["problem"],
            "reference": row["answer"],
            "predicted": winner,
            "correct": winner == row["answer"],
            "votes": votes,
            "n_samples": len(answers),
            "n_valid": len(valid),
            "n_truncated": answers.count(None),
            "agreement": votes / len(valid) if valid else None,
            "tie": len(counts) > 1 and counts[1][1] == votes,
            "status": "ok" if valid else "no_answer",
        }


def _copies(folder: Path) -> dict[tuple[str, int], list[Copy]]:
    found: dict[tuple[str, int], list[Copy]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        for row in _rows(path):
            found.setdefault((row["row_id"], row["k"]), []).append((row["status"], row["output_tokens"]))
    return found


def _rows(path: Path) -> Sequence[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.ParquetFile(path, page_checksum_verification=True).read().to_pylist()
    return rows


def drive(reaper: Reaper, examples: int, steps: int, *, derandomize: bool) -> None:
    Hands.reaper = reaper
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=derandomize,
        database=None,
        phases=[Phase.generate],  # what depends on the moment of a kill cannot be made smaller by trying again
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Hands, settings=profile)


def test_sixty_things_that_people_do_to_a_run(reaper: Reaper) -> None:
    drive(reaper, 3, 20, derandomize=True)


@pytest.mark.soak
def test_two_thousand_things_that_people_do_to_a_run(reaper: Reaper) -> None:
    drive(reaper, 20, 100, derandomize=False)
    print("\nstate machine: 20 directories x 100 steps: every table and every request as the model says")
