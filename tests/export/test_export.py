"""From run to training data: what is kept, what it looks like, and that nothing goes without being counted."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from runs import Asked as Problem
from runs import Said, answers, make_run
from written import THOUGHT, out

from solver.cli import main
from solver.errors import ExportError, StoreError
from solver.export import Asked, export, in_holdout
from solver.store import Store, result_of_row


def test_sft_keeps_right_responses_alone_and_counts_what_it_left_out(run: Path, tmp_path: Path) -> None:
    done = export(run, Asked("sft", tmp_path / "o", system="Think."))
    rows = out(done)
    assert [(row["id"], row["k"]) for row in rows] == [("p0", 0), ("p0", 2), ("p2", 0)]
    assert {row["label_source"] for row in rows} == {"verified"}
    assert rows[1]["messages"] == [
        {"role": "system", "content": "Think."},
        {"role": "user", "content": "mixed"},
        {"role": "assistant", "content": "So \\boxed{1}"},
    ]
    left = {name: tuple(at) for name, at in done.counts.items()}
    assert left == {
        "in the run": (3, 12),
        "candidates with a text": (3, 12),
        "not helped by a hint": (3, 11),
        "not truncated": (3, 10),
        "labelled (verified)": (2, 6),
        "right": (2, 3),
        "in the rows written": (2, 3),
    }
    assert done.rows == {"train": 3}


@pytest.mark.parametrize(
    ("reasoning", "message"),
    [
        ("inline", {"role": "assistant", "content": "<think>\nfirst I try\n</think>\n\nSo \\boxed{1}"}),
        ("none", {"role": "assistant", "content": "So \\boxed{1}"}),
        ("field", {"role": "assistant", "content": "So \\boxed{1}", "reasoning_content": "first I try"}),
    ],
)
def test_reasoning_stands_where_the_trainer_expects_it(tmp_path: Path, reasoning: str, message: dict[str, str]) -> None:
    text = "<|begin_of_thought|>first I try<|end_of_thought|>So \\boxed{1}" if reasoning == "none" else THOUGHT
    run = make_run(tmp_path / "run", [Problem([Said(None, text=text)])])
    done = export(run, Asked("kto", tmp_path / "o", reasoning=reasoning))
    assert out(done)[0]["completion"] == [message]


def test_votes_label_only_where_they_are_clear_and_say_so(run: Path, tmp_path: Path) -> None:
    voted = out(export(run, Asked("sft", tmp_path / "voted", labels="voted", min_agreement=0.5)))
    told = [(row["id"], row["label_source"], row["answer"]) for row in voted]
    assert told == [("p0", "voted", "1")] * 2 + [("p1", "voted", "5")] * 3  # the tie labels nothing
    assert not out(export(run, Asked("sft", tmp_path / "surer", labels="voted", min_agreement=0.8)))
    either = out(export(run, Asked("sft", tmp_path / "either", labels="either")))
    assert {(row["id"], row["label_source"]) for row in either} == {
        ("p0", "verified"),
        ("p1", "voted"),
        ("p2", "verified"),
    }
    assert not out(export(run, Asked("sft", tmp_path / "strict", labels="voted", min_margin=0.9)))


def test_helped_and_cut_responses_come_on_demand_and_marked(run: Path, tmp_path: Path) -> None:
    rows = out(export(run, Asked("sft", tmp_path / "o", hinted=True, keep_truncated=True)))
    assert {row["k"]: row["marks"] for row in rows if row["id"] == "p0"} == {
        0: [],
        2: [],
        3: ["truncated"],
        4: ["hinted"],
    }


def test_selection_by_difficulty_length_number_and_split(tmp_path: Path) -> None:
    easy, hard = answers("1", "1", "1", "1"), Problem([Said("1", 5), Said("1", 50), Said("2"), Said("3")])
    run = make_run(tmp_path / "run", [easy, hard, *[answers("1", "2")] * 30])
    some = {"pass_rate": (0.9, 1.0)}
    assert {row["id"] for row in out(export(run, Asked("sft", tmp_path / "a", **some)))} == {"p0"}  # type: ignore[arg-type]
    assert 50 not in {row["output_tokens"] for row in out(export(run, Asked("sft", tmp_path / "b", tokens=(0, 20))))}
    capped = export(run, Asked("sft", tmp_path / "c", per_problem=1))
    assert len(out(capped)) == 32 and capped.capped == 4
    split = export(run, Asked("sft", tmp_path / "d", holdout=0.5))
    train, test = ({row["row_id"] for row in out(split, name)} for name in ("train", "test"))
    assert not train & test and len(train | test) == 32 and train and test
    assert all(in_holdout(row["messages"][0]["content"], 0.5) for row in out(split, "test"))
    balanced = export(run, Asked("sft", tmp_path / "e", balance="difficulty"))
    assert balanced.counts["balanced by difficulty"][0] == 2  # one of each quarter that has any


def test_kto_in_balance_takes_as_many_wrong_as_right(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [answers("1", "1", "1", "2")])
    assert [row["label"] for row in out(export(run, Asked("kto", tmp_path / "a")))] == [True, True, True, False]
    assert [row["label"] for row in out(export(run, Asked("kto", tmp_path / "b", balance="labels")))] == [True, False]


def test_preferences_come_as_each_trainer_reads_them(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [answers("1", "2", "3", text="q"), answers("1", "1")])
    trl = export(run, Asked("dpo", tmp_path / "trl"))
    (row,) = out(trl)
    assert row["prompt"] == [{"role": "user", "content": "q"}]
    assert row["chosen"] == [{"role": "assistant", "content": "So \\boxed{1}"}]
    assert row["rejected"] == [{"role": "assistant", "content": "So \\boxed{2}"}]
    assert trl.counts["of a problem with right and wrong"] == [1, 3]
    (row,) = out(export(run, Asked("simpo", tmp_path / "lf", trainer="llamafactory")))
    assert row["chosen"] == {"role": "assistant", "content": "So \\boxed{1}"}
    entry = json.loads((tmp_path / "lf/dataset_info.json").read_text())["solver"]
    assert entry["ranking"] and set(entry["columns"].values()) <= set(row)
    tagged = out(export(run, Asked("kto", tmp_path / "kto", trainer="llamafactory")))
    assert [one["kto_tag"] for one in tagged] == [True, False, False, True, True]


LONG = (
    "Add them up: so \\boxed{1}. Check it: twice the half is \\boxed{1} again. "
    "Or count on fingers slowly, one by one by one: \\boxed{1}. Done."
)


@pytest.mark.parametrize(
    ("pairs", "chosen"),
    [
        ("shortest-longest", "Just one, that is all there is to it here, so \\boxed{1}"),
        ("fcs", "Add them up: so \\boxed{1}"),
        ("fcs-reflection", "Just one, that is all there is to it here, so \\boxed{1}"),
        ("gds", "Just one, that is all there is to it here, so \\boxed{1}"),
    ],
)
def test_short_right_answers_are_better_than_the_longest(tmp_path: Path, pairs: str, chosen: str) -> None:
    short = "Just one, that is all there is to it here, so \\boxed{1}"
    run = make_run(tmp_path / "run", [Problem([Said("1", text=LONG), Said("1", text=short), Said("2")])])
    (row,) = out(export(run, Asked("dpo", tmp_path / "o", pairs=pairs)))
    assert row["chosen"][0]["content"] == chosen
    assert row["rejected"][0]["content"] == LONG
    assert row["pairs"] == pairs


def test_a_response_cut_within_its_reasoning_still_says_its_answer(tmp_path: Path) -> None:
    text = f"<think>{LONG} {LONG}</think>It is \\boxed{{1}}"
    run = make_run(tmp_path / "run", [Problem([Said("1", text=text)] * 2)])
    for pairs, kept in (
        ("fcs", "Add them up: so \\boxed{1}"),
        ("fcs-reflection", "Add them up: so \\boxed{1}. Check it"),
    ):
        (row,) = out(export(run, Asked("dpo", tmp_path / pairs, pairs=pairs)))
        assert row["chosen"][0]["content"].removeprefix("<think>").lstrip().startswith(kept)
        assert len(row["chosen"][0]["content"]) < len(row["rejected"][0]["content"])


def test_trajectories_mark_where_each_part_lies(tmp_path: Path) -> None:
    turned = Said("1", text="I say \\boxed{2}. No, wait: it is \\boxed{1}")
    run = make_run(tmp_path / "run", [Problem([turned]), answers("1", "2")])
    within, joined = out(export(run, Asked("trajectory", tmp_path / "o", reflection="Hm, no.")))
    text = within["messages"][-1]["content"]
    parts = {one["kind"]: text[one["begin"] : one["end"]] for one in within["segments"]}
    assert within["chain"] == "within" and "boxed{2}" in parts["wrong"] and "boxed{1}" in parts["right"]
    text = joined["messages"][-1]["content"]
    parts = {one["kind"]: text[one["begin"] : one["end"]] for one in joined["segments"]}
    assert joined["chain"] == "joined" and joined["wrong_k"] == 1
    assert parts == {"wrong": "So \\boxed{2}", "reflection": "Hm, no.", "right": "So \\boxed{1}"}


def test_known_layouts_have_their_columns(run: Path, tmp_path: Path) -> None:
    rows = out(export(run, Asked("openr1", tmp_path / "a")))
    assert [row["correctness_count"] for row in rows] == [3, 1]  # the cut one is right, and said to be cut
    assert rows[0]["is_reasoning_complete"] == [True, True, True, False, True]
    assert len(rows[0]["generations"]) == len(rows[0]["correctness_math_verify"]) == len(rows[0]["finish_reasons"])
    solved = out(export(run, Asked("openmathreasoning", tmp_path / "b", labels="either")))
    assert {row["generation_model"] for row in solved} == {"hf:some/model"}
    assert {row["expected_answer"] for row in solved} == {"1", "5"}


def test_the_table_is_flat_complete_and_in_input_order(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [answers("1", "2"), answers(None), answers("=SUM(A1)", "-5", reference=None)])
    rows = out(export(run, Asked("table", tmp_path / "o")))
    assert [(row["id"], row["k"], row["answer"]) for row in rows] == [
        ("p0", 0, "1"),
        ("p0", 1, "2"),
        ("p1", 0, None),
        ("p2", 0, "=SUM(A1)"),
        ("p2", 1, "-5"),
    ]
    export(run, Asked("table", tmp_path / "csv", files="csv"))
    text = (tmp_path / "csv/train/part-00000.csv").read_text()
    assert '"\'=SUM(A1)"' in text and '"-5"' in text


def test_labels_say_what_was_labelled_and_why_not(tmp_path: Path) -> None:
    problems = [
        answers("1", "1", "2", reference=None),
        answers("1", "2", reference=None),
        answers(None, reference=None),
    ]
    run = make_run(tmp_path / "run", [*problems, answers("1", "2", "3", "1", "4", reference=None)])
    done = export(run, Asked("labels", tmp_path / "o", min_agreement=0.6))
    assert [(row["label"], row["why"]) for row in out(done)] == [
        ("labelled", None),
        ("abstained", "tie"),
        ("abstained", "no answer"),
        ("abstained", "agreement"),
    ]
    assert done.labels == {"labelled": 1, "abstained": 3}


def test_all_faults_are_told_at_once_and_nothing_is_touched(run: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("keep")
    wrong = Asked("sft", tmp_path / "full", files="csv", min_agreement=2, labels="vote", pairs="fcs")
    with pytest.raises(ExportError) as told:
        export(run, wrong)
    assert [fault.where for fault in told.value.faults] == ["--labels", "--min-agreement", "--as", "--pairs", "--out"]
    assert (tmp_path / "full/mine.txt").read_text() == "keep"


def test_a_damaged_run_leaves_nothing_behind(run: Path, tmp_path: Path) -> None:
    shard = next((run / "samples").iterdir())
    shard.write_bytes(shard.read_bytes()[:-20])
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(StoreError):
        export(run, Asked("table", tmp_path / "o"))
    assert {path.name for path in tmp_path.iterdir()} == before


def test_an_export_does_not_depend_on_how_the_run_was_written(tmp_path: Path) -> None:
    """Samples of one problem in several shards, problems out of order."""
    plain = make_run(tmp_path / "plain", [replace(answers("1", "2", "1"), text=f"q{n}") for n in range(40)])
    whole = export(plain, Asked("table", tmp_path / "a"))

    async def scattered() -> None:
        with Store.create_or_open(tmp_path / "scattered") as store:
            rows = list(Store.read(plain).samples())
            results = list(Store.read(plain).results())
            for part in (1, 0, 2):
                async with store.writer(worker=part) as writer:
                    for sample in rows:
                        if sample.key.k == part:
                            await writer.add(sample)
                    for row in reversed(results) if part == 2 else ():
                        await writer.add_result(result_of_row(row))
            store.finish({"name": "made"})

    asyncio.run(scattered())
    again = export(tmp_path / "scattered", Asked("table", tmp_path / "b"))
    assert out(again) == out(whole) and again.counts == whole.counts


def test_the_card_says_where_the_data_comes_from(run: Path, tmp_path: Path) -> None:
    export(run, Asked("sft", tmp_path / "o", license="apache-2.0"))
    card = (tmp_path / "o/README.md").read_text()
    assert "license: apache-2.0" in card and "hf:some/model" in card and "| not truncated | 3 | 10 |" in card
    assert str(tmp_path) not in card


def test_the_command_tells_the_counts(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["export", str(run), "sft", "--out", str(tmp_path / "o"), "--json", "--max-tokens", "100"])
    assert ended.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == {"train": 3} and told["filters"][0] == {
        "filter": "in the run",
        "problems": 3,
        "responses": 12,
    }
    with pytest.raises(SystemExit) as ended:
        main(["export", str(run), "sft", "--out", str(tmp_path / "o")])
    assert ended.value.code == 2 and "not empty" in capsys.readouterr().err
