"""The numbers a run ends with: counted by hand, and intervals that cover what they claim."""

import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from solver.statistics import COLUMNS, NOTHING, Moments, Share, Stats, summarize, wilson
from solver.store import RESULTS


def row(*correct: bool | None, reference: str | None = "1", **fields: Any) -> dict[str, Any]:
    given = {
        "reference": reference,
        "correct": None,
        "n_samples": len(correct),
        "n_valid": len(correct),
        "n_truncated": 0,
        "agreement": 1.0,
        "tie": False,
        "output_tokens": 10 * len(correct),
        "status": "ok",
        "candidates": [{"k": k, "correct": one, "marks": []} for k, one in enumerate(correct)],
    }
    return given | fields


def counted(rows: Sequence[dict[str, Any]], batch: int = 4) -> Stats:
    """Over a table of these rows, in small batches."""
    schema = pa.schema([RESULTS.field(name) for name in dict.fromkeys(name.partition(".")[0] for name in COLUMNS)])
    return summarize(pa.Table.from_pylist(list(rows), schema).to_batches(max_chunksize=batch))


def test_a_small_table_counted_by_hand() -> None:
    stats = counted(
        [
            row(True, True, False, True, correct=True, agreement=0.75),
            row(False, False, True, False, correct=False, agreement=0.75, tie=True, n_truncated=1),
            row(None, None, None, None, reference=None, agreement=0.5),
            row(
                False, False, False, False, correct=False, n_valid=0, agreement=None, status="no_answer", n_truncated=4
            ),
            row(correct=False, n_valid=0, agreement=None, status="failed"),
            row(correct=False, agreement=None, status="wants_more"),
        ]
    )
    assert (stats.problems, stats.failed, stats.no_answer, stats.wants_more, stats.ties) == (6, 1, 1, 1, 1)
    assert (stats.samples, stats.valid, stats.truncated, stats.output_tokens) == (16, 12, 5, 160)
    assert stats.referenced == 4, "without the one without a reference and the undecided one"
    assert stats.pass_at_1.value == pytest.approx((3 / 4 + 1 / 4 + 0 + 0) / 4)
    assert stats.majority.value == pytest.approx(1 / 4)
    assert stats.agreement.value == pytest.approx((0.75 + 0.75 + 0.5) / 3)
    assert stats.truncated_share == pytest.approx(5 / 16)


def test_nothing_counted_is_no_number() -> None:
    stats = counted([])
    assert (stats.pass_at_1, stats.majority, stats.agreement) == (NOTHING, NOTHING, NOTHING)
    assert stats.truncated_share is None and str(stats.majority) == "-"
    assert counted([row(None, reference=None)]).majority == NOTHING


def test_wilson_against_published_values() -> None:
    # Newcombe 1998 (Statistics in Medicine 17, table I, method 3), and R's binom::binom.wilson for 5 of 10
    for right, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (5, 10, 0.2366, 0.7634),
    ):
        found = wilson(right, count)
        assert found.value == pytest.approx(right / count)
        assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))
    assert wilson(20, 20).high == 1.0 and wilson(20, 20).low == pytest.approx(1 - 0.1611, abs=6e-5)


def covers(share: Share, truth: float) -> bool:
    assert share.low is not None and share.high is not None
    return share.low <= truth <= share.high


@pytest.mark.parametrize("truth", [0.1, 0.5, 0.9])
def test_wilson_covers_the_truth_about_95_times_of_100(truth: float) -> None:
    dice = random.Random(7)
    hits = sum(covers(wilson(sum(dice.random() < truth for _ in range(100)), 100), truth) for _ in range(1000))
    assert 0.92 <= hits / 1000 <= 0.98


def test_the_interval_of_pass_at_1_treats_problems_not_samples_as_the_unit() -> None:
    """Problems differ (rates from a beta distribution): an interval over independent samples would be too narrow."""
    dice, hits, truth = random.Random(11), 0, 2 / 3
    for _ in range(300):
        rates = [dice.betavariate(1.0, 0.5) for _ in range(60)]
        rows = [row(*(dice.random() < rate for _ in range(8)), correct=True) for rate in rates]
        hits += covers(counted(rows).pass_at_1, truth)
    assert 0.91 <= hits / 300 <= 0.98


def test_an_estimate_from_one_problem_says_nothing() -> None:
    only = counted([row(True, True, correct=True)]).pass_at_1
    assert (only.value, only.low, only.high) == (1.0, 0.0, 1.0)


def test_moments_are_exact_where_naive_sums_are_not() -> None:
    moments = Moments()
    for value in (1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16):
        moments.add(np.array([value]))
    assert moments.mean == 1e9 + 10 and moments.count == 4
    halves = Moments()
    for block in ((0.0,), (1.0, 0.0, 1.0), ()):
        halves.add(np.array(block))
    found = halves.interval()
    assert found.low is not None and found.value == 0.5
    assert found.low == pytest.approx(max(0.0, 0.5 - 1.959964 * math.sqrt((1 / 3) / 4)))


def test_a_share_reads_as_percent_with_its_interval() -> None:
    assert str(Share(0.5, 0.25, 0.75)) == "50.0% (95%: 25.0% to 75.0%)"
