"""`solver.stats`, `solver.compare` and `solver.open_run` over small runs whose numbers can be counted by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from runs import Asked, Said, answers, make_run

import solver
from solver.cli import cli
from solver.errors import StoreError
from solver.records import Status
from solver.statistics import bootstrap
from solver.statistics.overthinking import new_ways, solutions
from solver.statistics.paired import mcnemar

EASY = answers("1", "1", "1", "1")
SPLIT = answers("1", "1", "2", "3")
LOST = answers("2", "2", "2", "1")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", [EASY, SPLIT, LOST, answers("5", None, "5", "6", reference=None)])


def test_the_curve_of_a_small_run(run: Path) -> None:
    told = solver.stats(run)
    assert [point.k for point in told.curve] == [1, 2, 3, 4] and {point.problems for point in told.curve} == {3}
    assert told.curve[0].pass_at.value == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)
    assert told.curve[0].maj_at.value == pytest.approx(told.curve[0].pass_at.value)
    assert told.curve[3].pass_at.value == 1.0 and told.curve[3].maj_at.value == pytest.approx(2 / 3)
    assert told.curve[1].tokens == 20 and not told.early and told.curve[0].left_out == 0
    assert told.tokens_per_problem == 40 and told.tokens_per_right == 60


def test_what_agreement_promises_and_what_it_keeps(run: Path) -> None:
    told = solver.stats(run).calibration
    assert [(one.low, one.problems, one.judged) for one in told.bins] == [
        (0.4, 1, 1),
        (0.6, 1, 0),
        (0.7, 1, 1),
        (0.9, 1, 1),
    ]
    assert told.error == pytest.approx((abs(1 - 0.5) + abs(0 - 0.75) + abs(1 - 1)) / 3)


def test_bands_lengths_and_shares(tmp_path: Path) -> None:
    cut = Said(None, 50, "and so", Status.TRUNCATED)
    asked = [
        Asked([Said("1", 10), Said("1", 30), Said("2", 100), cut]),
        Asked([Said("2", 20), Said(None, 5, "no idea")]),
    ]
    told = solver.stats(make_run(tmp_path / "run", asked))
    assert {band.name: band.problems for band in told.difficulty if band.problems} == {"never right": 1, "25 to 50%": 1}
    assert (told.lengths["right"].candidates, told.lengths["right"].mean) == (2, 20)
    assert (told.lengths["wrong"].candidates, told.lengths["wrong"].median) == (3, 20), "100, 20, 5"
    assert told.lengths["truncated"].mean == 50 and told.headline.truncated == 1


def test_helped_candidates_say_nothing_about_the_model(tmp_path: Path) -> None:
    helped = Asked([Said("2"), Said("1", marks=("hinted",))])
    told = solver.stats(make_run(tmp_path / "run", [helped]))
    assert told.headline.pass_at_1.value == 0 and told.curve[-1].k == 1 and told.apart == 1


def test_where_a_rule_may_stop_early_only_what_is_always_drawn_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three right ones and a stop tell of luck as much as of skill: beyond the first samples nothing is unbiased."""
    monkeypatch.setattr("solver.statistics.whole.least_of", lambda store: 2)
    told = solver.stats(make_run(tmp_path / "run", [answers("1", "1"), answers("2", "1", "1", "1"), answers("1")]))
    assert [(point.k, point.problems, point.left_out) for point in told.curve] == [(1, 3, 0), (2, 2, 1)]
    assert told.curve[1].pass_at.value == 1.0 and told.curve[1].maj_at.value == pytest.approx((1 + 0.5) / 2)
    assert "only the first 2 samples" in str(told)


def test_pass_at_1_of_a_run_that_stops_early_counts_only_what_is_drawn_in_any_case(tmp_path: Path) -> None:
    """Were all counted, problems that went on because their first samples disagreed would pull it their way."""
    job = "strategy: {name: self-consistency, stop: {rule: esc, window: 2}}\nsampling: {n: 4}\n"
    run = make_run(tmp_path / "run", [answers("1", "1"), answers("2", "1", "1", "1")], job=job)
    told = solver.stats(run)
    assert told.least == 2 and told.headline.pass_at_1.value == told.curve[0].pass_at.value == 0.75
    assert solver.compare([run, run]).sides[1].pass_at_1.value == 0.75


def test_no_references_no_accuracy_but_everything_else(tmp_path: Path) -> None:
    told = solver.stats(
        make_run(tmp_path / "run", [answers("1", "2", reference=None), answers("3", "3", reference=None)])
    )
    assert (told.curve, told.difficulty, told.calibration.error, told.tokens_per_right) == ([], [], None, None)
    assert [one.problems for one in told.calibration.bins] == [1, 1] and "pass@" not in str(told)
    assert told.lengths["all"].candidates == 4 and told.lengths["right"].candidates == 0


def test_an_empty_run_says_so_without_a_fault(tmp_path: Path) -> None:
    told = solver.stats(make_run(tmp_path / "run", []))
    assert told.headline.problems == 0 and told.curve == [] and told.tokens_per_problem is None
    assert json.loads(json.dumps(told.json()))["headline"]["problems"] == 0
    opened = solver.open_run(tmp_path / "run")
    assert opened.results_table(["id"]).num_rows == opened.samples_table().num_rows == 0


def test_solutions_of_a_response_that_goes_on_after_the_answer() -> None:
    text = r"Add: 2+3 is \boxed{5}. Wait, count: one two three four \boxed{6}? No, add: 2+3 is \boxed{5.0}. Done."
    parts = solutions(text, ["5"])
    assert [part.right for part in parts] == [True, False, True] and parts[-1].end == len(text)
    assert solutions("no box", ["5"]) == [] and solutions(r"\boxed{5", ["5"]) == []
    same = (
        r"We add two and three now. \boxed{5} We add two and three now. \boxed{5} Or count on fingers: it is \boxed{5}"
    )
    assert new_ways(same, solutions(same, ["5"])) == [True, False, True]


def test_overthinking_by_hand(tmp_path: Path) -> None:
    half = r"aaaa bbbb cccc \boxed{1}"
    twice = Said("1", 100, half + half)
    wrong = Said("2", 100, half.replace("{1}", "{2}"))
    told = solver.stats(make_run(tmp_path / "run", [Asked([twice, wrong])])).overthinking
    assert (told.responses, told.with_right) == (2, 1)
    assert told.outcome.value == pytest.approx((0.5 + 0) / 2), "T1 is half of T; a wrong response counts 0"
    assert told.process.value == pytest.approx((0.5 + 1) / 2), "the second solution says the same again"
    assert (told.first_right, told.solutions, told.redundant) == (50, 1.5, 1)


def test_a_response_that_boxes_nothing_is_one_solution_and_overthinks_nothing(tmp_path: Path) -> None:
    said = [Said("1", 50, "It is 1."), Said("2", 50, "It is 2.")]
    told = solver.stats(make_run(tmp_path / "run", [Asked(said)])).overthinking
    assert (told.with_right, told.outcome.value, told.process.value, told.first_right) == (1, 0.5, 1.0, 50)


def test_cost_from_what_the_manifest_adds_up(tmp_path: Path) -> None:
    path = make_run(tmp_path / "run", [EASY], total={"seconds": 7200.0, "gpus": 4})
    told = solver.stats(path, price=2.5).cost
    assert told is not None and (told.gpu_hours, told.money) == (8.0, 20.0)
    assert "8.00 GPU hours, 20.00 at the price given" in str(solver.stats(path, price=2.5))
    assert solver.stats(make_run(tmp_path / "old", [EASY])).cost is None


# Intervals


def cover(problems: int, accuracy: float, trials: int, samples: int = 8) -> tuple[float, float]:
    """How often the bootstrap's intervals of pass@1 and maj@k hold the truth; problems differ in difficulty."""
    from solver.statistics.estimators import maj_at, pass_at

    dice, hits = np.random.default_rng(problems + int(100 * accuracy)), np.zeros(2)
    grid = np.linspace(0.0005, 0.9995, 1000)
    shape = 1.5 * accuracy, 1.5 * (1 - accuracy)
    density = grid ** (shape[0] - 1) * (1 - grid) ** (shape[1] - 1)
    chances = density / density.sum()
    voted = [maj_at(right, [samples - right] if right < samples else [], 0)[-1] for right in range(samples + 1)]
    counts = np.arange(samples + 1)
    binomial = np.array([math.comb(samples, c) for c in counts])
    by_grid = binomial * grid[:, None] ** counts * (1 - grid[:, None]) ** (samples - counts)
    truth = np.array([(chances * grid).sum(), (chances @ by_grid) @ np.array(voted)])
    for trial in range(trials):
        right = dice.binomial(samples, dice.choice(grid, size=problems, p=chances))
        values = np.stack([pass_at(np.full(problems, samples), right, 1)[:, 0], np.array(voted)[right]], axis=1)
        _, low, high = bootstrap(values, seed=trial, resamples=400)
        hits += (low <= truth) & (truth <= high)
    return float(hits[0] / trials), float(hits[1] / trials)


@pytest.mark.parametrize("accuracy", [0.2, 0.5, 0.9])
def test_intervals_cover_the_truth(accuracy: float) -> None:
    for covered in cover(200, accuracy, 300):
        assert 0.91 <= covered <= 0.985, "300 trials tell 95% to within 2.5 points; soak tells it closer"


@pytest.mark.soak
def test_coverage_in_numbers() -> None:
    """95% within 2 points for 200 problems and more; for 30 it is reported."""
    for problems in (30, 200, 500):
        for accuracy in (0.2, 0.35, 0.5, 0.7, 0.9):
            covered = cover(problems, accuracy, 3000)
            print(f"{problems} problems, accuracy {accuracy}: pass@1 {covered[0]:.1%}, maj@8 {covered[1]:.1%}")
            if problems >= 200:
                assert all(0.93 <= one <= 0.97 for one in covered)


def test_a_column_without_values_has_no_interval_and_gaps_are_left_out() -> None:
    values = np.array([[1.0, np.nan, 0.5], [0.0, np.nan, np.nan], [1.0, np.nan, 0.5]])
    mean, low, high = bootstrap(values)
    assert mean[0] == pytest.approx(2 / 3) and math.isnan(mean[1]) and math.isnan(low[1])
    assert (mean[2], low[2], high[2]) == (0.5, 0.5, 0.5)
    assert all(len(part) == 3 for part in bootstrap(np.empty((0, 3))))


def test_so_many_problems_that_the_bootstrap_is_left_out_give_the_same_interval(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(1).random((3000, 1))
    drawn = bootstrap(values, resamples=2000)
    monkeypatch.setattr("solver.statistics.intervals.MOST_RESAMPLED", 10)
    normal = bootstrap(values)
    assert [float(one[0]) for one in normal] == pytest.approx([float(one[0]) for one in drawn], abs=0.001)


# Comparing


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    one = make_run(tmp_path / "a", [EASY, SPLIT, LOST, LOST], name="plain")
    two = make_run(tmp_path / "b", [EASY, LOST, EASY, EASY, EASY], name="better")
    told = solver.compare([one, two])
    assert (told.shared, told.judged, told.by) == (4, 4, "row id")
    assert [side.majority.value for side in told.sides] == [0.5, 0.75]
    only = told.differences[0]
    assert (only.majority.value, only.only_first, only.only_this, only.p) == (0.25, 1, 2, 1.0)
    assert only.pass_at_1.value == pytest.approx((0 - 0.25 + 0.75 + 0.75) / 4) and only.tokens.value == 0
    shown = CliRunner().invoke(cli, ["compare", str(one), str(two)], standalone_mode=False).output
    assert "better minus plain" in shown and "+25.0 points" in shown


def test_runs_whose_prompts_read_other_columns_are_matched_by_text(tmp_path: Path) -> None:
    one = make_run(tmp_path / "a", [answers("1", text="same"), answers("1", text="other"), answers("2", text="same")])
    others = [answers("2", text="same"), answers("2", text="same"), answers("1", text="new")]
    two = make_run(tmp_path / "b", others, first_id=1000)
    told = solver.compare([one, two])
    assert (told.shared, told.by) == (2, "problem text") and told.sides[0].name.endswith("a")
    assert (told.differences[0].only_first, told.differences[0].only_this) == (1, 0)


def test_runs_that_share_nothing_are_told_apart(tmp_path: Path) -> None:
    one = make_run(tmp_path / "a", [answers("1", text="x")])
    two = make_run(tmp_path / "b", [])
    with pytest.raises(StoreError, match="share no problem"):
        solver.compare([one, two])


def test_mcnemar_against_the_binomial_by_hand() -> None:
    assert mcnemar(0, 0) == 1.0 and mcnemar(5, 5) == 1.0
    assert mcnemar(0, 5) == pytest.approx(2 / 32) and mcnemar(2, 8) == pytest.approx(2 * (1 + 10 + 45) / 1024)


# In a notebook


def test_an_open_run_gives_tables_records_and_statistics(run: Path) -> None:
    with solver.open_run(run) as opened:
        assert [result.problem.id for result in opened.results()] == ["p0", "p1", "p2", "p3"]
        assert opened["p1"].vote.predicted == "1" and len(opened.texts("p1")) == 4
        assert opened.results_table(["id", "predicted"]).to_pydict()["id"] == ["p0", "p1", "p2", "p3"]
        assert opened.samples_table().num_rows == 16 == sum(1 for _ in opened.samples())
        assert opened.stats().headline.problems == 4 and "complete" in repr(opened)
        assert "pass@1" in opened._repr_html_() and "<script" not in opened._repr_html_()
        with pytest.raises(KeyError):
            opened["nobody"]
    with pytest.raises(StoreError):
        solver.open_run(run.parent)


def test_show_tells_the_statistics(run: Path) -> None:
    shown = CliRunner().invoke(cli, ["show", str(run)], standalone_mode=False).output
    for words in ("accuracy over samples", "agreement and accuracy", "difficulty", "output tokens"):
        assert words in shown
    told = json.loads(CliRunner().invoke(cli, ["show", str(run), "--json"], standalone_mode=False).output)
    assert told["stats"]["curve"][3]["k"] == 4 and told["stats"]["headline"]["problems"] == 4
