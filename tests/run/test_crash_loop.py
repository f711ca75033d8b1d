"""The first promise, on the whole line: what is durable is never lost and never asked for again, however often and
whenever the process is killed: at work, at finish, in a revote, in a compact, with a strategy that stops early.
"""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from desk import Desk
from reaper import Reaper, asked

from solver.store import Store

PROBLEMS, N, CAP = 48, 6, 50
ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": str(1 + i % 3), "level": i} for i in range(PROBLEMS)]


@pytest.fixture(scope="module")
def reaper() -> Iterator[Reaper]:
    with Reaper() as one:
        yield one


@dataclass
class Trial:
    """A run directory under fire: counts kills, and looks after each whether what was durable is still there."""

    reaper: Reaper
    desk: Desk
    chance: random.Random
    kills: int = 0
    lives: int = 0
    kept: dict[str, bytes] = field(default_factory=dict)

    def live(self, verb: str, *overrides: str, kill: tuple[str, float] | None, **more: object) -> bool:
        """One life; whether it was killed. Anything but a kill or exit code 0 is a failure."""
        ending = self.reaper.life(verb, self.desk, *overrides, kill=kill, **more)
        assert ending.killed or ending.code == 0, ending
        self.lives += 1
        self.kills += ending.killed
        self.look()
        return ending.killed

    def look(self) -> None:
        """No durable samples shard may go or change; new ones are remembered."""
        now = digests(self.desk.out / "samples")
        aside = digests(self.desk.out / "_solver" / "superseded" / "samples")  # by a finish: replaced copies were in it
        assert self.kept.items() <= {**aside, **now}.items(), "a durable shard is gone or is another"
        self.kept = now

    def moment(self, *marks: tuple[str, float]) -> tuple[str, float]:
        """When to kill: so long after a mark, at most."""
        mark, most = self.chance.choice(marks)
        return mark, self.chance.uniform(0.0, most)


def digests(folder: Path) -> dict[str, bytes]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.name: hashlib.blake2b(path.read_bytes()).digest() for path in paths}


def rows_of(folder: Path) -> list[dict[str, Any]]:
    """Every row as it lies, with the epoch of its shard."""
    found: list[dict[str, Any]] = []
    for path in sorted(folder.iterdir()):
        found += [{"epoch": int(path.name.split("-")[1]), **row} for row in pq.read_table(path).to_pylist()]
    return found


def tables(run: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Both tables as any program sees them, in canonical order, `cancelled` rows aside."""
    samples = [row for row in rows_of(run / "samples") if row["status"] != "cancelled"]
    results = rows_of(run / "results")
    for row in [*samples, *results]:
        del row["epoch"]
    keys = [(row["row_id"], row["path"], row["call"], row["k"]) for row in samples]
    assert len(set(keys)) == len(keys), "a finished sample is there twice"
    assert len({row["row_id"] for row in results}) == len(results), "a problem has two results"
    samples.sort(key=lambda row: (row["row_id"], row["path"], row["call"], row["k"]))
    return samples, sorted(results, key=lambda row: row["row"])


def nothing_was_asked_again(desk: Desk) -> None:
    """No request for a key of which a finished copy lay in a shard of an earlier epoch; none twice in one life."""
    durable: dict[tuple[str, int], int] = {}
    for row in rows_of(desk.out / "samples"):
        if row["status"] != "cancelled":
            durable.setdefault((row["row_id"], row["k"]), row["epoch"])
    again = [line for line in asked(desk) if durable.get(line[1:], line[0]) < line[0]]
    assert not again, f"{len(again)} durable samples were asked for again"
    assert max(Counter(asked(desk)).values()) == 1, "asked twice in one life"


def laid(home: Path, strategy: str, n: int, seconds: float = 0.004) -> Desk:
    home.mkdir(exist_ok=True)
    sampling = {"n": n, "max_tokens": CAP}
    return Desk(home).lay(ROWS, [""], sampling=sampling, engine={"seconds": seconds}, strategy={"name": strategy})


def uninterrupted(reaper: Reaper, home: Path, strategy: str, n: int) -> tuple[Any, Any]:
    desk = laid(home, strategy, n, seconds=0.0)
    assert reaper.life("run", desk).code == 0
    return tables(desk.out)


def at_work(reaper: Reaper, home: Path, kills: int, strategy: str, chance: random.Random) -> tuple[Trial, int]:
    """Kill a run until it has died so often; when it gets to its end first, it is asked for more samples."""
    trial, n = Trial(reaper, laid(home / strategy, strategy, N), chance), N
    while trial.kills < kills:
        moment = trial.moment(("asked", 0.15), ("asked", 0.15), ("opened", 0.03), ("forked", 0.06))
        n += 0 if trial.live("run", f"sampling.n={n}", kill=moment) else 2
    trial.live("run", f"sampling.n={n}", kill=None)
    assert tables(trial.desk.out) == uninterrupted(reaper, home / f"{strategy}-whole", strategy, n)
    assert Store.read(trial.desk.out).finished
    nothing_was_asked_again(trial.desk)
    return trial, n


def at_finish_and_revote(trial: Trial, kills: int, n: int) -> None:
    """Results are exchanged in every life: fewer samples vote, then all again. A reader sees one whole table."""
    whole, asked_before = tables(trial.desk.out), len(asked(trial.desk))
    first, turn = trial.kills, 0
    while trial.kills < first + kills:
        verb = ("run", "revote")[turn // 2 % 2]
        fewer = f"sampling.n={n - turn % 2}"
        trial.live(verb, fewer, kill=trial.moment(("finish", 0.06), ("finish", 0.03), ("forked", 0.2)))
        seen = list(Store.read(trial.desk.out).results(["row_id", "n_samples"]))
        assert len(seen) == len({row["row_id"] for row in seen}) == PROBLEMS
        assert {row["n_samples"] for row in seen} <= {n, n - 1}
        turn += 1
    trial.live("run", f"sampling.n={n}", kill=None)
    assert tables(trial.desk.out) == whole
    assert len(asked(trial.desk)) == asked_before, "a revote, or a run that lacks nothing, generated"


def in_compact(trial: Trial, kills: int) -> None:
    """A killed compact leaves nothing, or all of it; never half, and never a change to what it read."""
    desk, first, number = trial.desk, trial.kills, 0
    whole, asked_before = tables(desk.out), len(asked(desk))
    before = {path: digests(path) for path in (desk.out / "samples", desk.out / "results")}
    while trial.kills < first + kills or not number:
        new = desk.home / f"new{number}"
        killed = trial.live(
            "compact", kill=trial.moment(("forked", 0.12)) if trial.kills < first + kills else None, new=new
        )
        assert new.exists() or killed
        if new.exists():
            assert tables(new) == whole and Store.read(new).finished
            number += 1
    assert {path: digests(path) for path in before} == before
    moved = Desk(desk.home)
    moved.job, moved.out = new / "job.yaml", new
    ending = trial.reaper.life("run", moved, job=str(moved.job))
    assert (ending.code, ending.samples, ending.problems) == (0, 0, 0)
    assert tables(new) == whole and len(asked(desk)) == asked_before


def crash_loop(reaper: Reaper, home: Path, kills: int, seed: int) -> str:
    chance = random.Random(seed)
    trial, n = at_work(reaper, home, kills * 18 // 50, "self-consistency", chance)
    at_finish_and_revote(trial, kills * 14 // 50, n)
    in_compact(trial, kills * 6 // 50)
    early, _ = at_work(reaper, home, kills - trial.kills, "two-agree", chance)
    total, lives = trial.kills + early.kills, trial.lives + early.lives
    assert total == kills
    everything = len(asked(trial.desk)) + len(asked(early.desk))
    durable = sum(len(tables(one.desk.out)[0]) for one in (trial, early))
    return (
        f"crash loop: {total} kills in {lives} lives: 0 lost, 0 duplicated, 0 of {durable:,} durable samples "
        f"generated again; {everything - durable:,} that were not yet durable were"
    )


def test_fifty_kills_at_any_moment_lose_nothing_and_repeat_nothing(reaper: Reaper, tmp_path: Path) -> None:
    crash_loop(reaper, tmp_path, 50, 7)


@pytest.mark.soak
def test_three_hundred_kills(reaper: Reaper, tmp_path: Path) -> None:
    print(f"\n{crash_loop(reaper, tmp_path, 300, 8)}")
