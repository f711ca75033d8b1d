"""Grade the labelled suite beside this file and print where the answers part from the labels.

    python tests/answers/suite_report.py [--pairs | --responses]

Reads suite/pairs-*.jsonl and suite/responses-*.jsonl (their meaning: suite/README.md) and prints accuracy by
category, every wrong merge, every wrong split and every response whose answer was read differently. One grader serves
all pairs, both ways round: `Grader.equivalent` is what `solver.equivalent` asks, without a new worker for every pair.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from solver import extract
from solver.answers import Grader

SUITE = Path(__file__).with_name("suite")
Row = dict[str, Any]


def rows(kind: str) -> list[Row]:
    """The rows of every part of one kind, in file order."""
    parts = sorted(SUITE.glob(f"{kind}*.jsonl"))
    return [json.loads(line) for part in parts for line in part.read_text("utf-8").splitlines()]


async def grade_pairs(grader: Grader, pairs: list[Row]) -> None:
    """Adds to each pair what the grader said of it, and whether it said the same of the pair turned round."""
    for pair in pairs:
        pair["said"] = await grader.equivalent(pair["a"], pair["b"])
        pair["symmetric"] = pair["said"] == await grader.equivalent(pair["b"], pair["a"])
        pair["right"] = pair["said"] == pair["equal"]


async def grade_responses(grader: Grader, responses: list[Row]) -> None:
    """Adds to each response the answer that was read and the rule that read it."""
    for response in responses:
        found = extract(response["text"], truncated=response["truncated"])
        response["said"], response["rule"] = (found.answer, found.rule) if found else (None, None)
        if found is None or response["answer"] is None:
            response["right"] = found is None and response["answer"] is None
        else:
            response["right"] = await grader.equivalent(found.answer, response["answer"])


def share(graded: Iterable[Row]) -> str:
    """Right ones of all, in words and per cent."""
    marks = [row["right"] for row in graded]
    return f"{sum(marks):5} of {len(marks):5}  {sum(marks) / len(marks):7.1%}" if marks else "    none"


def table(graded: list[Row]) -> None:
    """Accuracy by category and by language."""
    for field in ("category", "lang"):
        for name in Counter(row[field] for row in graded):
            print(f"  {name:28}{share(row for row in graded if row[field] == name)}")
    print(f"  {'all':28}{share(graded)}")


def list_pairs(title: str, pairs: list[Row]) -> None:
    """The pairs of one kind of mistake."""
    print(f"\n{title}: {len(pairs)}")
    for pair in pairs:
        print(f"  [{pair['category']}]  {pair['a']!r}  |  {pair['b']!r}  {pair.get('why', '')}".rstrip())


def report_pairs(pairs: list[Row]) -> None:
    """Everything about the pairs."""
    print(f"Pairs: {len(pairs)}, of them unequal {sum(not pair['equal'] for pair in pairs) / len(pairs):.1%}")
    table(pairs)
    list_pairs("Wrong merges", [pair for pair in pairs if pair["said"] and not pair["equal"]])
    list_pairs("Wrong splits", [pair for pair in pairs if pair["equal"] and not pair["said"]])
    list_pairs("Other verdict when turned round", [pair for pair in pairs if not pair["symmetric"]])


def report_responses(responses: list[Row]) -> None:
    """Everything about the responses."""
    print(f"\nResponses: {len(responses)}")
    table(responses)
    wrong = [response for response in responses if not response["right"]]
    print(f"\nRead differently: {len(wrong)}")
    for response in wrong:
        label, said, rule = response["answer"], response["said"], response["rule"]
        print(f"  [{response['category']}]  label {label!r}, read {said!r} by {rule}")
        print(f"      ...{response['text'][-160:]!r}  {response.get('why', '')}".rstrip())


async def main() -> None:
    """Grades what was asked for and prints it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--pairs", action="store_true", help="the pairs only")
    only.add_argument("--responses", action="store_true", help="the responses only")
    asked = parser.parse_args()
    began = time.perf_counter()
    async with Grader(workers=2) as grader:
        if not asked.responses:
            pairs = rows("pairs")
            await grade_pairs(grader, pairs)
            report_pairs(pairs)
        if not asked.pairs:
            responses = rows("responses")
            await grade_responses(grader, responses)
            report_responses(responses)
    print(f"\n{time.perf_counter() - began:.1f} s")


if __name__ == "__main__":  # the grader starts worker processes, which import this file
    asyncio.run(main())
