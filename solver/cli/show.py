"""`solver show RUN [ID]`: the summary of a run, or one problem with its classes and chosen samples."""

import json
from pathlib import Path
from typing import Any

import click

from solver.cli.plain import tell
from solver.cli.run import json_option
from solver.cli.words import line

WIDTH = 2000  # characters of a sample's text that are shown without --full


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False))
@click.argument("id", required=False)
@click.option("--full", is_flag=True, help="Show texts whole.")
@click.option("--price", type=click.FloatRange(min=0), help="Price of one GPU for an hour: tells what the run cost.")
@json_option
def show(run: str, id: str | None, full: bool, price: float | None, as_json: bool) -> int:
    """Show the statistics of RUN, or the problem ID: its classes, their spellings, and one sample of each."""
    from solver.store import Store

    with Store.read(Path(run)) as store:
        return _summary(store, as_json, price) if id is None else _problem(store, id, full, as_json)


def _summary(store: Any, as_json: bool, price: float | None) -> int:
    from solver.run import shown
    from solver.statistics import stats

    told = stats(store, price=price)
    if as_json:
        tell(json.dumps({"directory": str(store.path), "finished": store.finished, "stats": told.json()}))
        return 0
    tell(f"{told.name}: {'complete' if store.finished else 'not complete'}")
    tell("\n".join(told.lines()))
    where = shown(store.path.resolve())
    tell(f"\n  samples table  {where}/samples/\n  results table  {where}/results/")
    tell(f"\nnext: {line('show', where)} ID, with an id from the column `id` of the results table")
    return 0


def _problem(store: Any, wanted: str, full: bool, as_json: bool) -> int:
    row = store.result(wanted)
    if row is None:
        raise click.UsageError(f"no result with the id or row id `{wanted}` in {store.path}")
    samples = {(s.key.path, s.key.call, s.key.k): s for s in store.samples_of(bytes.fromhex(row["row_id"])).values()}
    if as_json:
        texts = [
            {"path": p, "k": k, "status": s.status, "text": s.text, "error": s.error}
            for (p, _, k), s in samples.items()
        ]
        tell(json.dumps({"result": row, "samples": texts}, default=str))
        return 0
    tell(_head(row))
    for number, one in enumerate(row["classes"]):
        members = [c for c in row["candidates"] if c["class_id"] == number]
        tell(_class(one, members))
        tell(_sample(members[0], samples, full))
    rest = [c for c in row["candidates"] if c["class_id"] is None]
    if rest:
        tell(f"\nwithout a vote: {', '.join(_silent(c) for c in rest)}")
    for why in _errors(samples):
        tell(why)
    return 0


def _head(row: dict[str, Any]) -> str:
    verdict = {True: "right", False: "wrong", None: _unjudged(row)}[row["correct"]]
    share = (
        "" if row["agreement"] is None else f" ({row['votes']} of {row['n_valid']} valid votes{', tie' * row['tie']})"
    )
    return "\n".join(
        [
            f"{row['id']}  (row {row['row']}, row id {row['row_id']})",
            "",
            row["problem"],
            "",
            f"reference  {row['reference'] if row['reference'] is not None else '-'}",
            f"predicted  {row['predicted'] if row['predicted'] is not None else '-'}{share}: {verdict}",
            f"samples    {row['n_samples']}, {row['n_truncated']} truncated, {row['output_tokens']:,} tokens",
            f"status     {row['status']}",
        ]
    )


def _unjudged(row: dict[str, Any]) -> str:
    """Why a result is neither right nor wrong."""
    if row["status"] in ("abstained", "wants_more"):
        return {"abstained": "abstained", "wants_more": "not decided"}[row["status"]]
    return "no reference" if row["reference"] is None else "its reference cannot be graded"


def _class(one: dict[str, Any], members: list[dict[str, Any]]) -> str:
    verdict = {True: "right", False: "wrong", None: ""}[members[0]["correct"]]
    spellings = ", ".join(one["spellings"])
    voters = ", ".join(str(c["k"]) for c in members)
    votes = f"{one['votes']} vote{'' if one['votes'] == 1 else 's'}"
    weight = "" if one["weight"] == one["votes"] else f", weight {one['weight']:.4g}"
    return f"\n── {one['answer']}  {votes}{weight} {verdict}\n   spelled: {spellings}   samples k: {voters}"


def _sample(candidate: dict[str, Any], samples: dict[Any, Any], full: bool) -> str:
    from solver.strategies.response import beginning, joined

    keys = [(key["path"], key["call"], key["k"]) for key in candidate["keys"]]
    parts = [samples[key] for key in keys if key in samples]
    if not parts or len(parts) < len(keys):
        return f"   k={candidate['k']}: its sample is not in the run"
    whole, tokens = joined(parts), sum(one.output_tokens for one in parts[beginning([one.data for one in parts]) :])
    text = whole if full or len(whole) <= WIDTH else f"{whole[:WIDTH]} ... (--full shows all)"
    body = "\n".join(f"   │ {line}" for line in text.splitlines())
    return f"   k={candidate['k']}, by {candidate['rule']}, {tokens} tokens:\n{body}"


def _errors(samples: dict[Any, Any]) -> list[str]:
    """What went wrong, and with which samples; those of the path `problem` say why it could not be asked at all."""
    told: dict[str, list[str]] = {}
    for (path, _, k), sample in sorted(samples.items()):
        if sample.error is not None:
            told.setdefault(f"{sample.status}: {sample.error}", []).extend([f"k={k}"] * (path != "problem"))
    return [f"\n{', '.join(ks)}{'  ' * bool(ks)}{why}" for why, ks in told.items()]


def _silent(candidate: dict[str, Any]) -> str:
    why = ", ".join(candidate["marks"]) or ("no answer" if candidate["answer"] is None else "not gradable")
    return f"k={candidate['k']} ({why})"
