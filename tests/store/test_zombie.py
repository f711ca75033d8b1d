"""A writer that outlived its owner: wherever it was stopped, it adds nothing behind the back of the next one."""

import asyncio
import builtins
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from store_rows import DECISION, EXTRA, put, result, row_id, sample

from solver.errors import StoreError
from solver.store import Store, Writer

ROWS = [sample(1, 0), sample(1, 1)], [result(1)]


@contextmanager
def stopped_at(step: int, meanwhile: Any) -> Iterator[list[str]]:
    """Before the `step`-th call that concerns the disk, the next owner comes and does what it does."""
    seen: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "fsync", "rename", "stat", "unlink"):
            real = getattr(os, name)

            def counted(*args: Any, real: Any = real, name: str = name, **kw: Any) -> Any:
                seen.append(name)
                if len(seen) == step + 1:
                    meanwhile()
                return real(*args, **kw)

            patch.setattr(os, name, counted)
        real_open = builtins.open

        def opened(file: Any, *args: Any, **kw: Any) -> Any:
            if "tmp" in str(file) and "xb" in args:
                seen.append("create")
                if len(seen) == step + 1:
                    meanwhile()
            return real_open(file, *args, **kw)

        patch.setattr(builtins, "open", opened)
        yield seen


def test_a_writer_stopped_anywhere_leaves_no_second_copy(tmp_path: Path) -> None:
    refused = seen_by_the_next = 0
    for step in range(200):
        run = tmp_path / f"run{step}"
        with Store.create_or_open(run) as store:
            zombie = Writer(run, epoch=store.epoch or 0, worker=1, extra=EXTRA)
        taken: list[bool] = []

        def next_owner(run: Path = run, taken: list[bool] = taken) -> None:
            taken.append(True)
            with Store.create_or_open(run) as owner:
                held = owner.samples_of(row_id(1))
                put(owner, [one for one in ROWS[0] if one.key not in held], ROWS[1])
                owner.finish({}, [(row_id(1), DECISION, 1)])

        async def work(zombie: Writer = zombie) -> None:
            for one in ROWS[0]:
                await zombie.add(one)
            await zombie.add_result(ROWS[1][0])
            await zombie.close()

        with stopped_at(step, next_owner):
            try:
                asyncio.run(work())
            except StoreError:
                refused += 1
        if not taken:
            break
        lying = [path.name for name in ("samples", "results") for path in sorted((run / name).iterdir())]
        tables = [Store.read(run).samples(), Store.read(run).results()]
        assert [len(list(rows)) for rows in tables] == [2, 1]
        assert len(lying) == 2 and Store.read(run).finished, f"stopped at step {step}: {lying}"
        seen_by_the_next += any(name.startswith("part-0001-01") for name in lying)
    assert 10 < step < 200 and refused > 5 and seen_by_the_next > 5, (step, refused, seen_by_the_next)
