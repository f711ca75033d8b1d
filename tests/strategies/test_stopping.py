"""Stopping rules: their arithmetic from the sources' formulas, and that `exact` never changes a winner."""

import asyncio
import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from room import Room

from solver import votes
from solver.answers import Grader
from solver.engine.scripted import Reply
from solver.records import Candidate, Request, Status
from solver.schema import short_strategy
from solver.strategies import make, validate
from solver.strategies.stopping import STOPS, Stop, ahead_with
from solver.strategies.stopping import make as rule
from solver.strategies.tally import Tally


async def stopped_at(stop: Stop, answers: Sequence[str | None], n: int, grader: Grader) -> tuple[int, Tally]:
    """After how many answers a rule is over."""
    tally = Tally()
    for k, answer in enumerate(answers):
        if tally.add(answer, k):
            tally.group(await grader.standings(tally.answers))
        if stop.over(tally, n - k - 1):
            break
    return len(tally), tally


def at(block: dict[str, object], answers: Sequence[str | None], n: int | None = None) -> int:
    async def once() -> int:
        async with Grader() as grader:
            return (await stopped_at(rule(block), answers, n or len(answers), grader))[0]

    return asyncio.run(once())


def by_integral(first: int, second: int) -> float:
    """1 - I_1/2(first + 1, second + 1), the integral of the Beta density from 1/2 to 1, term by term and exactly."""
    a, b = first + 1, second + 1
    scale = Fraction(math.factorial(a + b - 1), math.factorial(a - 1) * math.factorial(b - 1))
    terms = (
        Fraction((-1) ** i * math.comb(b - 1, i), a + i) * (1 - Fraction(1, 2 ** (a + i))) for i in range(b)
    )  # x^(a-1) (1-x)^(b-1), the second factor expanded
    return float(scale * sum(terms))


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 0), (4, 0), (5, 1), (7, 2), (20, 20), (29, 11)])
def test_beta_is_the_integral_of_the_paper(first: int, second: int) -> None:
    assert ahead_with(first, second) == pytest.approx(by_integral(first, second), abs=1e-12)


def test_beta_stops_after_four_equal_answers_and_not_after_three() -> None:
    assert ahead_with(3, 0) == 15 / 16 and ahead_with(4, 0) == 31 / 32
    beta = {"rule": "beta", "threshold": 0.95}
    assert at(beta, ["7"] * 40) == 4
    assert at(beta, ["7", "8", "7", "7", "7", "7", "7", "7"], 40) == 7, "6 to 1: 0.965; 5 to 1: 0.9375"
    assert at(beta, ["7", None, "7", None, "7.0", "14/2", "7"], 40) == 6, "what has no answer does not count"
    assert at(beta, ["7", "8"] * 20) == 40


def test_esc_stops_at_the_first_window_that_agrees_and_lets_only_it_vote() -> None:
    esc = {"rule": "esc", "window": 3}
    assert at(esc, ["1", "2", "2", "2", "2", "1", "3", "3", "3"], 12) == 9, "windows do not overlap"
    assert at(esc, ["1", "1", None, "1", "1", "1"], 12) == 6
    room = Room(lambda request: f"\\boxed{{{'112113222'[request.key.k]}}}")
    found = room.run(lambda ctx: make({"stop": esc}, 9).solve(ctx.problem, ctx))
    assert (found.vote.predicted, found.vote.votes, found.vote.n_valid) == ("2", 4, 9)
    assert [c.weight for c in found.candidates] == [0.0] * 6 + [1.0] * 3, "four 1 lose against the window of 2"


@pytest.mark.parametrize(
    ("answers", "n", "when"),
    [
        (["7"] * 9, 9, 5),  # 5 of 9
        (["7"] * 10, 10, 5),  # 5 to come may only tie, and the lowest k decides
        (["8", "7", "7", "7", "7", "7", "7"], 10, 7),  # 5 to 1 with 4 to come: at most a tie, but 8 came first
        (["7", None, "7", "7", "7"], 8, 5),  # 4 with 3 to come
        (["9", "7", "8", "8", "7", "7", "8"], 7, 6),  # 8 may only tie and came later; 9 came first and cannot tie
    ],
)
def test_exact_waits_until_nothing_can_change(answers: list[str], n: int, when: int) -> None:
    assert at({"rule": "exact"}, answers, n) == when


def test_exact_expects_classes_to_merge_and_to_part() -> None:
    """`5 cm` and `5 m` are apart, a bare 5 is with neither then; a text may yet say the same as a number."""
    exact = {"rule": "exact"}
    assert at(exact, ["5", "5", "5 cm", "5 cm", "5", "7", "7", "7"], 9) == 8
    assert at(exact, ["x=5", "7", "7", "7", "7"], 6) > 3, "x=5 may join whatever comes"


ANSWERS = ["5", "5 cm", "5 m", "7", "7.0", "x=5", "5 or 7", "\\{5,7\\}", "5,7", "apple", "R", "10 to 20", None, ""]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=14))
def test_exact_has_the_winner_of_all_n_whatever_comes(answers: list[str | None]) -> None:
    """Among the answers are all that the grader merges or parts by what else is in the bag."""

    async def once() -> tuple[set[int | None], int | None]:
        async with Grader() as grader:
            count, _ = await stopped_at(rule({"rule": "exact"}), answers, len(answers), grader)
            every = [Candidate((), k, answer) for k, answer in enumerate(answers)]
            full = votes.vote(await votes.classes(every, grader, None)).predicted
            few = votes.vote(await votes.classes(every[:count], grader, None)).predicted
            ids = dict(zip(answers, await grader.classify(answers), strict=True))
            return {ids.get(few)}, ids.get(full)

    few, full = asyncio.run(once())
    assert few == {full}


@pytest.mark.parametrize(
    ("stop", "alike", "least"), [({"rule": "beta"}, 4, 4), ({"rule": "esc"}, 5, 5), ({"rule": "exact"}, 20, 20)]
)
def test_what_a_rule_is_sure_to_need_is_asked_side_by_side_and_nothing_else(
    stop: dict[str, object], alike: int, least: int
) -> None:
    room = Room(lambda request: "\\boxed{4}")
    found = room.run(lambda ctx: make({"stop": stop}, 40).solve(ctx.problem, ctx))
    assert found.n_samples == alike and found.vote.predicted == "4"
    assert len(room.asked) == room.most == least, "four equal answers are the fewest that end beta:0.95"


def test_idle_slots_take_samples_that_may_not_be_needed_and_they_are_cancelled() -> None:
    room = Room(lambda request: Reply("\\boxed{4}", seconds=0.01 * request.key.k), spare=lambda: 3)
    found = room.run(lambda ctx: make({"stop": {"rule": "beta"}}, 40).solve(ctx.problem, ctx))
    assert (found.n_samples, len(room.asked)) == (4, 4 + 3)
    assert Status.CANCELLED in {s.status for s in room.recorded if s.key.k >= 4}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([{"rule": "beta"}, {"rule": "esc", "window": 3}, {"rule": "exact"}]), st.data())
def test_no_rule_is_over_before_it_has_what_it_needs(block: dict[str, object], data: st.DataObject) -> None:
    """And it takes no more than that where every answer is the leader's."""
    n = data.draw(st.integers(1, 12))
    answers = data.draw(st.lists(st.sampled_from(["1", "2", "3"]), min_size=n, max_size=n))

    async def once() -> None:
        stop, tally, earliest = rule(block), Tally(), rule(block).needs(Tally(), n)
        async with Grader() as grader:
            for k, answer in enumerate(answers):
                if tally.add(answer, k):
                    tally.group(await grader.standings(tally.answers))
                left = n - k - 1
                if stop.over(tally, left):
                    assert k + 1 >= earliest
                    return
                assert 1 <= stop.needs(tally, left) <= left
                earliest = max(earliest, k + 1 + stop.needs(tally, left))

    asyncio.run(once())


def test_a_decision_does_not_depend_on_which_sample_was_ready_first() -> None:
    def script(order: Sequence[float]) -> Room:
        def reply(request: Request) -> Reply:
            k = request.key.k
            return Reply(f"\\boxed{{{'1211111122'[k]}}}", seconds=order[k] / 500)

        return Room(reply)

    results = [
        script(order).run(lambda ctx: make({"stop": {"rule": "beta"}}, 10).solve(ctx.problem, ctx))
        for order in (range(10), range(10, 0, -1), [3, 0, 3, 0, 3, 0, 3, 0, 3, 0])
    ]
    assert len({(r.n_samples, r.vote.predicted) for r in results}) == 1


@pytest.mark.parametrize("name", STOPS)
def test_every_rule_goes_on_where_it_was_and_asks_nothing_twice(name: str) -> None:
    room = Room(lambda request: f"\\boxed{{{1 + (request.seed % 3 == 0)}}}")
    whole = room.run(lambda ctx: make({"stop": {"rule": name}}, 12).solve(ctx.problem, ctx))
    again = room.run(lambda ctx: make({"stop": {"rule": name}}, 12).solve(ctx.problem, ctx))
    assert again.vote == whole.vote and again.candidates == whole.candidates
    assert not [request for request in room.asked if request.key.k < whole.n_samples]


@pytest.mark.parametrize(
    ("block", "where", "hint"),
    [
        ({"stop": {"rule": "betta"}}, "stop.rule", "`beta`"),
        ({"stop": {"rule": "beta", "treshold": 0.9}}, "stop.treshold", "`threshold`"),
        ({"stop": {"rule": "beta", "threshold": 1}}, "stop.threshold", ""),
        ({"stop": {"rule": "esc", "window": 0}}, "stop.window", ""),
        ({"stop": "esc"}, "stop", ""),
        ({"stopp": {}}, "stopp", "`stop`"),
        ({"stop": {"rule": "exact"}, "choose": {"rule": "mbr"}}, "stop.rule", "majority"),
        ({"name": "cascade", "probe": 0}, "probe", ""),
        ({"name": "cascade", "within": {"stop": {"rule": "x"}}}, "within.stop.rule", ""),
        ({"name": "abstain", "below": 2}, "below", ""),
        ({"name": "abstain", "within": "beta:7"}, "within.stop.threshold", ""),
        ({"name": "cascade", "within": "abstain"}, "within.name", "votes"),
        ({"choose": {"rule": "weighted", "by": "column"}}, "choose.column", "list"),
        ({"choose": {"rule": "mbr", "utility": "rouge"}}, "choose.utility", "`rouge-l`"),
        ({"choose": {"rule": "usc", "language": "fr"}}, "choose.language", ""),
    ],
)
def test_a_wrong_block_is_told_where_and_how_to_mend_it(block: dict[str, object], where: str, hint: str) -> None:
    (fault,) = validate(block)
    assert fault.where == where and hint in fault.fix + fault.what


def test_all_faults_are_told_at_once() -> None:
    wrong = {"stop": {"rule": "beta", "threshold": 2}, "choose": {"rule": "mbr", "over": "x"}, "extra": 1}
    assert {fault.where for fault in validate(wrong)} == {"stop.threshold", "choose.over", "extra"}


@pytest.mark.parametrize(
    ("block", "least"),
    [
        ("fixed", 16),
        ("beta:0.95", 4),
        ("beta:0.99", 6),
        ("esc:5", 5),
        ("exact", 8),
        ({"name": "cascade", "probe": 3}, 3),
        ({"name": "abstain", "within": "esc:4"}, 4),
        ({"name": "deepconf", "warmup": 6}, 6),
        ({"name": "deepconf", "mode": "offline"}, 16),
        ({"name": "refine", "stop": {"rule": "beta"}}, 4),
    ],
)
def test_what_is_drawn_whatever_comes_out(block: str | dict[str, object], least: int) -> None:
    """Statistics may only use these: more samples of a problem tell that the first ones disagreed."""
    made = make(short_strategy(block) if isinstance(block, str) else block, 16)
    assert getattr(made, "least", 16) == least


@pytest.mark.parametrize("name", ["fixed", "beta", "esc", "exact"])
@pytest.mark.parametrize("n", [3, 11, 12])
def test_all_alike_a_rule_stops_at_its_least(name: str, n: int) -> None:
    assert at({"rule": name}, ["7"] * n) == rule({"rule": name}).least(n)
