"""Candidates become a vote with its evidence: who won, by how much, whether it was a tie, and who did not vote."""

import asyncio
from collections.abc import Sequence
from random import Random

from hypothesis import given
from hypothesis import strategies as st

import solver
from solver.answers import Grader
from solver.records import Candidate, Vote
from solver.votes import classed, classes, vote, weighed


def candidates(answers: Sequence[str | None]) -> list[Candidate]:
    return [Candidate((), k, answer) for k, answer in enumerate(answers)]


def graded(answers: Sequence[str | None], reference: str | None = None) -> tuple[Candidate, ...]:
    async def once() -> tuple[Candidate, ...]:
        async with Grader() as grader:
            return await classes(candidates(answers), grader, reference)

    return asyncio.run(once())


def test_the_majority_wins_and_shows_its_evidence() -> None:
    members = graded(["7", "1/2", "0.5", None, r"\frac12", "50%", "0.5"], reference="1/2")
    result = vote(members)
    assert (result.predicted, result.correct, result.votes, result.n_valid) == ("0.5", True, 5, 6)
    assert (result.agreement, result.margin, result.tie) == (5 / 6, 4 / 6, False)
    assert result.classes[0].spellings == ("0.5", "1/2", r"\frac12", "50%")
    assert [member.class_id for member in members] == [1, 0, 0, None, 0, 0, 0]
    assert [member.correct for member in members] == [False, True, True, False, True, True, True]


def test_class_ids_point_into_the_classes_of_the_vote() -> None:
    members = graded(["3", "4", "5", "4", "5", "5"])
    result = vote(members)
    assert [one.answer for one in result.classes] == ["5", "4", "3"]
    for member in members:
        assert member.class_id is not None and result.classes[member.class_id].answer == member.answer
    assert {member.correct for member in members} == {None} and result.correct is None


def test_a_tie_goes_to_the_lowest_k_and_is_flagged() -> None:
    result = vote(graded(["9", "8", "8", "9"]))
    assert (result.predicted, result.tie, result.margin, result.agreement) == ("9", True, 0.0, 0.5)


def test_nothing_gradable_is_no_prediction_and_wrong_when_there_is_a_reference() -> None:
    assert vote(graded([None, "", "(x+1)(x-2"])) == Vote(None, None, 0, 0, None, None, False, ())
    assert vote(graded([None, ""], reference="5")) == Vote(None, False, 0, 0, None, None, False, ())
    assert vote([]) == Vote(None, None, 0, 0, None, None, False, ())


def test_an_ungradable_reference_judges_nobody() -> None:
    for reference in (None, "", "(x+1)(x-2"):
        assert {member.correct for member in graded(["5", None], reference)} == {None}


def test_a_wrong_majority_is_wrong() -> None:
    members = graded(["5", "5", "6"], reference="6")
    assert (vote(members).predicted, vote(members).correct) == ("5", False)
    assert [member.correct for member in members] == [False, False, True]


def test_the_reference_judges_classes_but_never_shapes_them() -> None:
    without, beside = graded(["5", "5 cm", "7"]), graded(["5", "5 cm", "7"], reference="5 m")
    assert [member.class_id for member in without] == [member.class_id for member in beside] == [0, 0, 1]
    assert [member.correct for member in beside] == [False, False, False]


def test_residue_votes_with_the_numbers_it_equals() -> None:
    result = vote(graded([r"\frac{6}{8}+1", "1.75", r"2\sqrt{3}", "2√3", r"\sqrt{12}"], reference=r"2\sqrt3"))
    assert (result.predicted, result.votes, result.correct) == (r"2\sqrt{3}", 3, True)
    assert result.classes[1].votes == 2


def test_weights_decide_and_renumber() -> None:
    members = graded(["3", "3", "4"], reference="4")
    result = vote(members, [1.0, 1.0, 5.0])
    assert (result.predicted, result.correct, result.votes, result.agreement) == ("4", True, 1, 1 / 3)
    assert result.margin == (5 - 2) / 7 and [one.weight for one in result.classes] == [5.0, 2.0]
    kept = weighed(members, [1.0, 1.0, 5.0])
    assert vote(kept) == result
    assert [(member.class_id, member.weight) for member in kept] == [(1, 1.0), (1, 1.0), (0, 5.0)]


def test_equal_weight_is_a_tie_that_more_votes_break() -> None:
    result = vote(graded(["3", "4", "4"]), [2.0, 1.0, 1.0])
    assert (result.predicted, result.tie, result.votes) == ("4", True, 2)


@given(st.lists(st.one_of(st.none(), st.integers(0, 4)), max_size=20), st.integers(0, 2**32))
def test_the_order_of_candidates_never_changes_the_vote(ids: list[int | None], seed: int) -> None:
    members = classed(candidates([None if one is None else str(one) for one in ids]), ids, 2)
    shuffled = list(members)
    Random(seed).shuffle(shuffled)
    result = vote(members)
    assert vote(shuffled) == result
    assert sum(one.votes for one in result.classes) == result.n_valid == sum(one is not None for one in ids)
    keys = [(-one.weight, -one.votes) for one in result.classes]
    assert keys == sorted(keys)
    used = {member.class_id for member in members} - {None}
    assert used == set(range(len(result.classes)))


def test_a_plain_list_of_answers_votes_too() -> None:
    result = solver.vote(["7", "1/2", "0.5", None, "", r"\frac12", r"\frac{\sqrt 4}{4}"])
    assert (result.predicted, result.votes, result.n_valid, result.tie) == ("1/2", 4, 5, False)
    assert result.classes[0].spellings == ("1/2", "0.5", r"\frac12", r"\frac{\sqrt 4}{4}")
    assert solver.vote(["7", "8"], weights=[1.0, 2.0]).predicted == "8"
    assert solver.vote([]) == solver.vote([None, ""]) == Vote(None, None, 0, 0, None, None, False, ())
