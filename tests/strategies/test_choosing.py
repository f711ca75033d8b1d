"""Choosing and wrapping: weights from hand-made scores, when a cascade goes on, when nothing is said."""

import json
from collections.abc import Mapping
from dataclasses import replace
from math import exp
from typing import Any

import pytest
from room import Room

from solver.engine import Watch
from solver.errors import InputError
from solver.records import Outcome, Request, Result, Sample
from solver.strategies import make
from solver.strategies.context import Context
from solver.strategies.mbr import expected, rouge_l, token_f1, tokens
from solver.strategies.usc import chosen, question


def solved(room: Room, block: Mapping[str, Any], n: int = 4, **columns: Any) -> Result:
    async def one(ctx: Context) -> Result:
        ctx.problem = replace(ctx.problem, columns=columns)
        return await make(block, n).solve(ctx.problem, ctx)

    found: Result = room.run(one)
    return found


def saying(answers: str) -> Room:
    return Room(lambda request: f"so \\boxed{{{answers[request.key.k]}}}")


class Likely(Room):
    """Samples have the mean log-probabilities that the test gives."""

    means = (-0.1, -2.0, -2.0, -2.0)

    async def _ask(self, request: Request, watch: Watch | None) -> Sample:
        sample = await super()._ask(request, watch)
        assert request.sampling.logprobs == 0, "asked for"
        return replace(sample, mean_logprob=self.means[request.key.k])


def test_weighted_by_likelihood_sums_the_mean_probability_of_a_token() -> None:
    room = Likely(lambda request: f"\\boxed{{{'1222'[request.key.k]}}}")
    found = solved(room, {"choose": {"rule": "weighted", "by": "logprob"}})
    assert found.vote.predicted == "1" and found.vote.votes == 1, f"{exp(-0.1):.3f} against {3 * exp(-2):.3f}"
    assert [c.weight for c in found.candidates] == pytest.approx([exp(mean) for mean in Likely.means])
    assert found.vote.classes[1].weight == pytest.approx(3 * exp(-2))


def test_weighted_and_best_of_n_read_a_column_of_scores() -> None:
    block = {"rule": "weighted", "by": "column", "column": "scores"}
    scores = [0.9, 0.4, 0.6, None]
    assert solved(saying("1222"), {"choose": block}, scores=scores).vote.predicted == "2", "1.0 against 0.9"
    best = solved(saying("1222"), {"choose": block | {"rule": "best-of-n"}}, scores=scores)
    assert best.vote.predicted == "1" and [c.weight for c in best.candidates] == [0.9, 0.0, 0.6, 0.0]
    below = solved(saying("1222"), {"choose": block | {"rule": "best-of-n"}}, scores=[-3.0, -5.0, -4.0, None])
    assert below.vote.predicted == "1", "scores may be negative"


def test_a_column_that_is_not_there_is_said() -> None:
    block = {"choose": {"rule": "best-of-n", "by": "column", "column": "scores"}}
    with pytest.raises(InputError, match=r"no column `scores`. Did you mean `score`"):
        solved(saying("1222"), block, score=[1, 2, 3, 4])
    with pytest.raises(InputError, match="one number for each sample"):
        solved(saying("1222"), block, scores=0.5)


def test_mbr_with_equality_is_the_majority() -> None:
    found = solved(saying("12233"), {"choose": {"rule": "mbr"}}, 5)
    assert (found.vote.predicted, found.vote.votes, found.vote.tie) == ("2", 2, True)
    assert found.vote.classes[0].weight == 2 / 5


def test_utilities_by_hand() -> None:
    assert token_f1(("a", "b", "c"), ("b", "c", "d", "e")) == pytest.approx(2 * 2 / 7)
    assert token_f1(("a", "a"), ("a",)) == pytest.approx(2 / 3) and token_f1((), ()) == 0.0
    assert rouge_l(tokens("police killed the gunman"), tokens("police kill the gunman")) == 3 / 4
    assert rouge_l(tuple("abcde"), tuple("eadbc")) == pytest.approx(2 * 3 / 10), "abc in order"
    assert tokens("答案是 Two cats.") == ("答", "案", "是", "two", "cats", ".")
    assert expected(token_f1, [("a",), ("a", "b"), ("c",)]) == pytest.approx([(1 + 2 / 3) / 3, (1 + 2 / 3) / 3, 1 / 3])


def test_mbr_lets_answers_that_nearly_agree_lend_each_other_weight() -> None:
    said = ["old red fox", "old red fox jumps", "red fox jumps high", "blue whale", "blue whale"]
    room = Room(lambda request: f"\\boxed{{\\text{{{said[request.key.k]}}}}}")
    assert solved(room, {}, 5).vote.predicted == "\\text{blue whale}"
    room = Room(lambda request: f"\\boxed{{\\text{{{said[request.key.k]}}}}}")
    found = solved(room, {"choose": {"rule": "mbr", "utility": "token-f1"}}, 5)
    assert "red fox" in (found.vote.predicted or "") and found.vote.votes == 1


def test_usc_shows_every_response_and_takes_the_one_that_is_named() -> None:
    def script(request: Request) -> str:
        if request.key.path != "usc":
            return f"so \\boxed{{{'1223'[request.key.k]}}}"
        (turn,) = request.messages
        assert request.sampling.temperature == 0 and "What is two and two?" in turn["content"]
        assert all(f"Response {number}:\nso \\boxed" in turn["content"] for number in (1, 2, 3, 4))
        return "Response 2 and Response 3 agree, but the best is\nResponse 4"

    room = Room(script)
    found = solved(room, {"choose": {"rule": "usc"}})
    assert found.vote.predicted == "3" and [c.weight for c in found.candidates] == [0, 0, 0, 1]
    assert [s.role for s in room.recorded] == ["answer"] * 4 + ["choose"] and found.n_samples == 4
    assert solved(room, {"choose": {"rule": "usc"}}).vote == found.vote and not room.asked, "resumed from the store"


def test_usc_asks_nothing_where_all_agree_and_falls_back_on_the_majority() -> None:
    room = saying("2222")
    assert solved(room, {"choose": {"rule": "usc"}}).vote.votes == 4 and len(room.asked) == 4
    room = Room(lambda r: "hard to say" if r.key.path == "usc" else f"\\boxed{{{'1223'[r.key.k]}}}")
    assert solved(room, {"choose": {"rule": "usc"}}).vote.predicted == "2"


@pytest.mark.parametrize(
    ("reply", "place"),
    [
        ("Response 3", 2),
        ("回答 2", 1),
        ("最一致的是回答：1", 0),
        ("2", 1),
        ("Response 9", None),
        ("1 or 2", None),
        ("", None),
    ],
)
def test_what_usc_reads_from_a_reply(reply: str, place: int | None) -> None:
    assert chosen(reply, 3) == place


def test_usc_asks_in_the_language_of_the_problem() -> None:
    assert "回答 1：\n甲" in question("多少？", ["甲", "乙"], "zh")[0]["content"]


def test_a_cascade_spends_more_only_where_the_first_few_disagree() -> None:
    block = {"name": "cascade", "probe": 3, "within": {}}
    agree, differ = saying("1112222222"), saying("1212222222")
    found = solved(agree, block, 10)
    assert (found.n_samples, found.vote.predicted, len(agree.asked)) == (3, "1", 3)
    found = solved(differ, block, 10)
    assert (found.n_samples, found.vote.predicted, len(differ.asked)) == (10, "2", 10), (
        "the first three are not drawn again"
    )
    assert solved(saying("1212222222"), block | {"agree": 0.6}, 10).n_samples == 3
    beta = solved(saying("1222222222"), block | {"within": "beta:0.95"}, 10)
    assert (beta.n_samples, beta.vote.predicted) == (7, "2")


def test_who_abstains_predicts_nothing_and_shows_why() -> None:
    block = {"name": "abstain", "below": 0.6, "within": {}}
    found = solved(saying("1122"), block)
    assert (found.status, found.vote.predicted, found.vote.correct) == (Outcome.ABSTAINED, None, None)
    assert [c.votes for c in found.vote.classes] == [2, 2] and found.n_samples == 4
    assert solved(saying("1222"), block).status is Outcome.OK
    assert solved(Room(lambda _: "no idea"), block).status is Outcome.NO_ANSWER


@pytest.mark.parametrize(
    "block",
    [
        {"choose": {"rule": "usc"}},
        {"choose": {"rule": "mbr", "utility": "rouge-l", "over": "text"}},
        {"name": "cascade", "within": {"stop": {"rule": "beta"}, "choose": {"rule": "usc"}}},
        {"name": "abstain", "below": 0.9, "within": {"name": "cascade", "within": "esc"}},
    ],
    ids=lambda block: json.dumps(block)[:40],
)
def test_whatever_is_stored_is_not_asked_again(block: Mapping[str, Any]) -> None:
    room = Room(lambda r: "Response 1" if r.key.path == "usc" else f"\\boxed{{{r.seed % 3}}}")
    whole = solved(room, block, 9)
    spent, asked = room.spent, {request.key for request in room.asked}
    again = solved(room, block, 9)
    assert again.vote == whole.vote and room.spent == spent
    assert not asked & {request.key for request in room.asked if room.stored[request.key].finished}
