"""What stands beside the tables: the manifest (written last), the dataset card, and the fingerprint of the samples."""

import json
import platform
import shlex
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from solver.errors import Fault, FingerprintError, StoreError
from solver.store.layout import Layout
from solver.store.lock import now
from solver.store.publish import disk_errors, publish_text
from solver.store.shards import Shard, footer_hash, list_shards, opened, sealed, shard_at
from solver.store.swap import as_we_wrote, read_json

_CARD = """---
configs:
- config_name: results
  data_files: results/*.parquet
  default: true
- config_name: samples
  data_files: samples/*.parquet
---

# {name}

Chains of thought sampled by `solver`{model}, with one vote per problem.

| table | rows | what a row is |
|---|---|---|
| `results` | {results} | one problem: the predicted answer, its votes and the evidence |
| `samples` | {samples} | one sample: what the model said |

Both tables are plain parquet and share the column `row_id`. Open them as the folder lies:

```python
from datasets import load_dataset

results = load_dataset("path/to/this/folder", "results", split="train")
samples = load_dataset("path/to/this/folder", "samples", split="train")
```

`manifest.json` lists every file with its rows, bytes and footer hash. `_solver/` is the state of the run: leave it
where it is and the same command goes on from here.
"""


def write_manifest(
    layout: Layout, files: Sequence[Mapping[str, Any]], *, epoch: int, swap: str | None, summary: Mapping[str, Any]
) -> None:
    """Publish `manifest.json` over these files (see `describe`). `summary` is the caller's, as JSON."""
    manifest = {
        "format": 1,
        "finished": now(),
        "epoch": epoch,
        "swap": swap,
        "distinct": True,  # the samples listed here are one copy of each key
        "versions": _versions(),
        "summary": dict(summary),
        "files": [dict(file) for file in files],
    }
    publish_text(layout.manifest, layout.tmp, json.dumps(manifest, indent=1) + "\n")


def describe(shards: Sequence[Shard], rows: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
    """For each shard its path within the run, rows, bytes and footer hash. Raises CorruptShardError.

    rows: of shards that were read before, by name; a sealed one of these need not be opened again.
    """
    return [_describe(shard, (rows or {}).get(shard.relative)) for shard in shards]


def settled(layout: Layout) -> set[str]:
    """The samples shards, as `Shard.relative`, among which the last finish left no key twice."""
    written = read_json(layout.manifest) or {}
    with as_we_wrote(layout.manifest):
        return {file["path"] for file in written.get("files", ())} if written.get("distinct") is True else set()


def missing(layout: Layout) -> list[Shard]:
    """Shards that the manifest lists and that are neither in their table nor where this package sets shards aside.

    Oldest first. Raises StoreError for a manifest that is not as we wrote it.
    """
    written = read_json(layout.manifest) or {}
    with as_we_wrote(layout.manifest):
        listed = [shard_at(layout.run / str(file["path"])) for file in written.get("files", ())]
    tables = (layout.samples, layout.results)
    here = {shard.path for table in tables for shard in list_shards(table)}
    gone = (shard for shard in listed if shard and shard.path.parent in tables and shard.path not in here)
    return sorted(shard for shard in gone if not _moved(layout, shard))


def refuse_gaps(layout: Layout) -> None:
    """Raises StoreError for a reader of tables of which shards are gone."""
    if gone := missing(layout):
        more = f" and {len(gone) - 1} more are" if len(gone) > 1 else " is"
        raise StoreError(
            f"{gone[0].path}{more} gone, though manifest.json lists what belongs there. Put back what was taken away, "
            f"or make it again: solver run {shlex.quote(str(layout.run / 'job.yaml'))}"
        )


def _moved(layout: Layout, shard: Shard) -> bool:
    """Whether a shard lies where this package sets shards aside (names that were taken get a number), or is back."""
    asides = (layout.aside(reason, shard.path.parent.name) for reason in ("bad", "superseded"))
    return any(any(folder.glob(f"{shard.path.name}*")) for folder in asides if folder.is_dir()) or shard.path.exists()


def _describe(shard: Shard, rows: int | None) -> dict[str, Any]:
    with disk_errors("read", shard.path):
        known = rows if rows is not None and sealed(shard) else None
    if known is None:
        with opened(shard) as file:
            rows = file.metadata.num_rows
    with disk_errors("read", shard.path):
        size = shard.path.stat().st_size
        return {"path": shard.relative, "rows": rows, "bytes": size, "footer": footer_hash(shard.path)}


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("cot-batch-solver", "pyarrow", "numpy", "vllm", "math-verify"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def begin_card(layout: Layout, about: Mapping[str, Any]) -> None:
    """Publish a dataset card without counts where there is none, so that an unfinished run loads as it lies too."""
    if not (layout.run / "README.md").exists():
        write_card(layout, samples="not finished", results="not finished", summary=about)


def write_card(layout: Layout, *, samples: int | str, results: int | str, summary: Mapping[str, Any]) -> None:
    """Publish the dataset card; the summary's `name` and `model` are shown when it has them."""
    name = _one_line(summary.get("name") or layout.run.resolve().name)
    model = f" from {_one_line(summary['model'])}" if summary.get("model") else ""
    text = _CARD.format(name=name, model=model, results=results, samples=samples)
    publish_text(layout.run / "README.md", layout.tmp, text)


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def check_fingerprint(layout: Layout, new: Mapping[str, Any], command_for_new_dir: str) -> None:
    """Record what samples are drawn from, or raise FingerprintError with a fault per key that differs, old and new."""
    fresh = json.loads(json.dumps(new))
    if read_json(layout.fingerprint) is None:
        publish_text(layout.fingerprint, layout.tmp, json.dumps(fresh, indent=1, sort_keys=True) + "\n")
    elif faults := fingerprint_faults(layout.run, fresh, command_for_new_dir):
        raise FingerprintError(faults)


def fingerprint_faults(
    run: Path, new: Mapping[str, Any], command_for_new_dir: str, unknown: Collection[str] = ()
) -> list[Fault]:
    """A fault per key in which a run directory's samples differ from `new`; none where it holds no fingerprint.

    unknown: keys that cannot be compared yet, and all below them. Raises StoreError for what is not JSON.
    """
    old = read_json(Layout(run).fingerprint)
    if old is None:
        return []
    before, after = _flat(old), _flat(json.loads(json.dumps(new)))
    differing = sorted(
        key
        for key in before.keys() | after.keys()
        if before.get(key, _ABSENT) != after.get(key, _ABSENT) and not any(_under(key, known) for known in unknown)
    )
    fix = f"{run} keeps its samples, all of one kind. To draw the new kind: {command_for_new_dir}"
    return [
        Fault(key, f"was {before.get(key, _ABSENT)}, is now {after.get(key, _ABSENT)}", fix * (key == differing[-1]))
        for key in differing
    ]


_ABSENT = "absent"


def _under(key: str, block: str) -> bool:
    return key == block or key.startswith(f"{block}.")


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested keys as dotted ones; values as JSON, so that 1 and true and "1" differ."""
    flat: dict[str, str] = {}
    for key, inner in value.items():
        if isinstance(inner, Mapping) and inner:
            flat.update(_flat(inner, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = json.dumps(inner, ensure_ascii=False, sort_keys=True)
    return flat
