"""What is different since the last run of a directory, in words: the job's fields, and the rows of its input.

In: the `job.yaml` that the last run left, the job now, the survey, and the store. Out: a line each. What would draw
from another distribution never gets this far: the fingerprint refuses it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solver.job import Job, resolved
from solver.schema import scalars
from solver.strict_yaml import read, read_file, shown

if TYPE_CHECKING:
    from solver.problems import Survey
    from solver.store import Store

_EFFECTS = {
    "sampling.logprobs": "only new samples have it",
    "strategy.": "problems are decided anew, from the samples there are",
    "input.": "rows are known by their content",
    "model.reasoning": "problems are decided anew, from the samples there are",
    "model.": "what it stands for is the same",
    "prompt.": "what it stands for is the same",
    "": "changes nothing that is sampled",
}
"""What a field does, by how its key begins; those that are told apart by their values are in `_effect`."""
_ABSENT = "not set"
_LATER = ("input.on_bad_row", "model.profile", "model.reasoning", "prompt.system_role")
"""Fields that jobs did not have at first: where they were absent, nothing was changed by their coming."""


def changes(store: "Store", job: Job, survey: "Survey") -> list[str]:
    """What changed since the last run, a line each; call it before the new job is written over the old."""
    return [*_fields_changed(store.path, job), *_rows_changed(store, survey)]


def _fields_changed(directory: Path, job: Job) -> Iterator[str]:
    before, after = _fields(directory / "job.yaml"), _fields_of(resolved(job, directory))
    if not before:
        return
    for key in sorted(before.keys() | after.keys(), key=[*after, *before].index):
        old, new = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if old != new and not (old == _ABSENT and key.startswith(_LATER)):
            yield f"{key}: was {_shown(old)}, is now {_shown(new)}; {_effect(key, old, new)}"


def _effect(key: str, old: Any, new: Any) -> str:
    """What a changed field does to a run whose samples stay what they are."""
    if key == "sampling.n":
        return "only samples that are not there are drawn" if _grew(old, new) else f"the first {new} samples vote"
    if key in ("sampling.max_tokens", "engine.max_model_len", "engine.context"):
        redone = "only what was cut is drawn again"
        return redone if _grew(old, new) else "changes nothing that is sampled already"
    return next(told for start, told in _EFFECTS.items() if key.startswith(start))


def _grew(old: Any, new: Any) -> bool:
    """Whether a cap was raised or taken away."""
    if isinstance(old, int) and isinstance(new, int):
        return new > old
    return isinstance(old, int)


def _rows_changed(store: "Store", survey: "Survey") -> Iterator[str]:
    """Rows with a result that are no longer in the input; new rows, where the last run ended with nothing missing."""
    had, still = store.rows_with_results(survey.row_ids())
    if gone := had - still:
        rows = "1 row of the last run is" if gone == 1 else f"{gone:,} rows of the last run are"
        yield f"{rows} no longer in the input: kept in the samples, left out of the results"
    if store.was_finished and not store.notes and (added := survey.rows - still):
        yield f"{added:,} {'row is' if added == 1 else 'rows are'} new in the input"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value if value == _ABSENT else shown(value).removeprefix("the text ")
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _fields(path: Path) -> dict[str, Any]:
    """The fields of a job file by their dotted keys; none where it cannot be read."""
    known = read_file(path, _Unexpanded())
    return {} if known.found else _dotted(known.value)


def _fields_of(text: str) -> dict[str, Any]:
    return _dotted(read(text, "job", _Unexpanded()).value)


def _dotted(tree: Any) -> dict[str, Any]:
    flat = {".".join(keys): value for keys, value in scalars(tree, ())} if isinstance(tree, dict) else {}
    return {key: value for key, value in flat.items() if value not in ("{}", "[]")}


class _Unexpanded(Mapping[str, str]):
    """An environment in which every variable stands for itself, so that what came from it is compared as written."""

    def __getitem__(self, name: str) -> str:
        return f"${{{name}}}"

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0
