"""A run directory that somebody prepared: nothing outside it is read, moved or written, and what is wrong is said."""

import json
from pathlib import Path
from typing import Any

import pytest
from desk import Desk

from solver.errors import NotARunError, StoreError
from solver.store import Store

ROWS = [{"id": f"p{i}", "problem": f"What is {i}?", "answer": "1"} for i in range(3)]


def outside(desk: Desk) -> tuple[Path, dict[Path, bytes]]:
    """A folder beside the run that nobody may touch, with a shard in it, and its bytes."""
    folder = desk.home / "outside"
    folder.mkdir()
    shard = next((desk.out / "samples").iterdir())
    (folder / shard.name).write_bytes(shard.read_bytes())
    (folder / "notes.txt").write_text("mine")
    return folder, {path: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    "where",
    [
        *(
            "samples",
            "results",
            "_solver",
            "_solver/tmp",
            "_solver/logs",
            "_solver/bad/samples",
            "README.md",
            "job.yaml",
        ),
        *(
            "samples/part-0009-00-000000.parquet",
            "results/part-0009-00-000000.parquet",
            "manifest.json",
            "_solver/lock",
        ),
        *("_solver/owner.json", "_solver/logs/engine-0002.log", "_solver/swap.json", "_solver/void/0001-0000.json"),
    ],
)
def test_a_symbolic_link_leads_nobody_out_of_the_run(desk: Desk, where: str) -> None:
    desk.lay(ROWS, ["\\boxed{1}"]).run()
    folder, before = outside(desk)
    link = desk.out / where
    if link.exists():
        link.rename(desk.home / "aside")
    target = folder if not link.suffix else folder / "notes.txt"
    target = next(path for path in before if path.suffix == ".parquet") if link.suffix == ".parquet" else target
    link.symlink_to(target)
    for command in (desk.run, desk.revote, lambda: list(Store.read(desk.out).samples())):
        with pytest.raises(NotARunError, match="is a symbolic link; a run directory holds its own files"):
            command()
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_the_run_directory_itself_may_be_reached_by_a_link(desk: Desk) -> None:
    (desk.home / "big-disk").mkdir()
    desk.out.symlink_to(desk.home / "big-disk")
    assert desk.lay(ROWS, ["\\boxed{1}"]).run().samples == 12
    assert desk.run().samples == 0


EVIL_NAMES = [
    "../outside/part-0001-00-000000.parquet",
    "/{outside}/part-0001-00-000000.parquet",
    "..",
    "part-1.parquet\0",
]


@pytest.mark.parametrize("name", EVIL_NAMES)
@pytest.mark.parametrize("key", ["new", "old"])
def test_an_exchange_that_names_files_elsewhere_moves_nothing(desk: Desk, name: str, key: str) -> None:
    desk.lay(ROWS, ["\\boxed{1}"]).run()
    folder, before = outside(desk)
    swap = {"id": "x", "new": [], "old": []} | {key: [name.format(outside=folder)]}
    (desk.out / "_solver/swap.json").write_text(json.dumps(swap))
    with pytest.raises(StoreError, match="names files that are not shards; nothing was touched"):
        desk.run()
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "content",
    [{"files": [{"path": "../outside/notes.txt", "footer": "00"}]}, {"files": 3}, {"files": ["x"]}, {"epoch": "x"}],
)
def test_a_manifest_that_names_files_elsewhere_opens_none_of_them(desk: Desk, content: dict[str, Any]) -> None:
    desk.lay(ROWS, ["\\boxed{1}"]).run()
    folder, before = outside(desk)
    manifest = json.loads((desk.out / "manifest.json").read_text())
    (desk.out / "manifest.json").write_text(json.dumps(manifest | content))
    try:
        desk.run()
    except StoreError as error:
        assert "manifest.json" in str(error)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    "content", ['{"epoch": 1, "rows": ["../../x"]}', '{"epoch": "a"}', "[]", "{", '{"rows": [1], "epoch": 1}']
)
def test_a_list_of_void_results_that_is_none_is_one_clear_error(desk: Desk, content: str) -> None:
    desk.lay(ROWS, ["\\boxed{1}"]).run()
    (desk.out / "_solver/void/0001-0000.json").write_text(content)
    with pytest.raises(StoreError, match=r"void/0001-0000\.json"):
        desk.run()


def test_names_beside_the_shards_are_never_taken_for_shards(desk: Desk) -> None:
    desk.lay(ROWS, ["\\boxed{1}"]).run()
    for name in ("part-0001-00-000000.parquet.evil", ".part-0001-00-000009.parquet", "part-..-00-000000.parquet"):
        (desk.out / "samples" / name).write_bytes(b"not a shard")
    assert desk.run().samples == 0 and len(desk.samples()) == 12
