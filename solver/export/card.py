"""The dataset card: what the data is, what it was made by, and what every filter left."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from solver import __version__
from solver.export.asked import Asked
from solver.store import Store
from solver.strict_yaml import read_file

Counts = Mapping[str, Sequence[int]]


def origin(store: Store) -> dict[str, Any]:
    """Name, model, revision, fingerprint and sampling of the run, as far as it says; no path of this machine."""
    told: dict[str, Any] = {"run": (store.summary or {}).get("name", store.path.resolve().name)}
    told["model"] = (store.summary or {}).get("model")
    told["finished"] = store.finished
    job = _job(store)
    told["revision"] = (job.get("model") or {}).get("revision")
    told["template"] = Path(str((job.get("prompt") or {}).get("template", ""))).name or None
    told["sampling"] = job.get("sampling")
    told["strategy"] = job.get("strategy")
    fingerprint = store.path / "_solver" / "fingerprint.json"
    told["fingerprint"] = json.loads(fingerprint.read_text()) if fingerprint.exists() else None
    return told


def _job(store: Store) -> Mapping[str, Any]:
    path = store.path / "job.yaml"
    value = read_file(path, _Unset()).value if path.exists() else {}
    return value if isinstance(value, Mapping) else {}


class _Unset(dict[str, str]):
    """An environment in which every variable is its own name: nothing of this machine gets into a card."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> str:
        return "${" + name + "}"

    def get(self, name: str, default: Any = None) -> Any:
        """The name, always."""
        return self[name]


def card(asked: Asked, told: Mapping[str, Any], counts: Counts, last: Mapping[str, int]) -> str:
    """README.md, with the header that `datasets` and both hubs read. last: what stands below the filters, by name."""
    splits = ("train", "test") if asked.holdout else ("train",)
    files = [{"split": split, "path": f"{split}/*.{asked.files}"} for split in splits]
    head: dict[str, Any] = {"license": asked.license} if asked.license else {}
    head |= {"configs": [{"config_name": "default", "data_files": files}], "tags": ["solver", asked.format]}
    chain = "\n".join(f"| {name} | {count[0]:,} | {count[1]:,} |" for name, count in counts.items())
    written = "\n".join(f"| {name} | | {count:,} |" for name, count in last.items())
    return f"""---
{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---

# {told["run"]}: {asked.format}

Made by `solver export` {__version__} from the responses of {told["model"] or "a model that the run does not name"}.
{_labels(asked)}

| license | {asked.license or "not given: `--license` sets it"} |
|---|---|
| run | {told["run"]}, {"complete" if told["finished"] else "not complete"} |
| model | {told["model"]}, revision {told["revision"]} |
| prompt template | {told["template"]} |

## What was kept

| filter | problems | responses |
|---|---|---|
{chain}
{written}

## How it was made

```json
{json.dumps({"export": _options(asked), "run": dict(told)}, indent=1, ensure_ascii=False, default=str)}
```
"""


def _labels(asked: Asked) -> str:
    if asked.format in ("table", "labels"):
        return "`label_source` says what a row's label rests on."
    rule = (
        f"the class that won, agreement at least {asked.min_agreement:g}, margin at least {asked.min_margin:g}, no tie"
    )
    return {
        "verified": "Every row is `verified`: its label comes from comparing the answer with the reference.",
        "voted": f"Every row is `voted`: no reference was looked at; right is {rule}.",
        "either": f"`label_source` says of each row whether it is `verified` by a reference or `voted` ({rule}).",
    }[asked.labels]


def _options(asked: Asked) -> dict[str, Any]:
    options = {name: value for name, value in asdict(asked).items() if name != "out"}
    return options | {"benchmarks": [Path(path).name for path in asked.benchmarks]}
