"""From run to training data: what is kept, what it looks like, and that nothing goes without being counted."""

import asyncio
import json
import math
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from desk import Desk, environment
from runs import Asked as Problem
from runs import Said, answers, make_run

from solver.cli import main
from solver.errors import ExportError, MachineError, StoreError
from solver.export import Asked, Exported, export, in_holdout
from solver.export.writing import Split, appearing
from solver.records import Status
from solver.store import Store, result_of_row

THOUGHT = "<think>first I try</think>So \\boxed{1}"


def out(done: Exported, split: str = "train") -> list[dict[str, Any]]:
    """The rows that were written."""
    return pq.read_table(done.directory / split).to_pylist()  # type: ignore[no-any-return]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Right and wrong, one cut, one helped, a tie, one without a reference."""
    cut = Said("1", text="So \\boxed{1} but", status=Status.TRUNCATED)
    helped = Said("1", marks=("hinted",))
    mixed = Problem(
        [Said("1", text=THOUGHT), Said("2"), Said("1"), cut, helped, Said(None, text="no idea")], text="mixed"
    )
    unknown = answers("5", "5", "5", "6", reference=None, text="unknown")
    return make_run(tmp_path / "run", [mixed, unknown, answers("1", "2", text="tied")], model="hf:some/model")


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


def test_duplicates_and_benchmark_problems_go(tmp_path: Path) -> None:
    asked = "A farmer has seventeen sheep and all but nine of them run away today"
    run = make_run(tmp_path / "run", [answers("1", "1", text=asked), answers("1", text="Something else")])
    done = export(run, Asked("sft", tmp_path / "a", dedupe=("exact",)))
    assert done.counts["no exact duplicates"] == [2, 2]
    bench = tmp_path / "bench.jsonl"
    bench.write_text(json.dumps({"problem": f"Yesterday: {asked.lower()}!", "answer": "9"}) + "\n")
    clean = export(run, Asked("sft", tmp_path / "b", benchmarks=(str(bench),)))
    assert {row["id"] for row in out(clean)} == {"p1"}
    with pytest.raises(ExportError, match="nothing"):
        export(run, Asked("sft", tmp_path / "c", benchmarks=(str(tmp_path / "nothing.parquet"),)))
    assert not (tmp_path / "c").exists()


def test_near_duplicates_go(tmp_path: Path) -> None:
    words = " ".join(f"word{n}" for n in range(60))
    near = Problem([Said("1", text=f"{words} \\boxed{{1}}"), Said("1", text=f"{words} so \\boxed{{1}}"), Said("1")])
    unlike = [replace(answers("1"), text=text) for text in ("What is 12 + 7?", "What is 12 - 7?", "∀", "∃")]
    run = make_run(tmp_path / "run", [replace(near, text=f"{words} a"), replace(near, text=f"{words} b"), *unlike])
    done = export(run, Asked("sft", tmp_path / "o", dedupe=("near", "problems")))
    assert done.counts["no near-duplicate problems"][0] == 5
    assert [(row["id"], row["k"]) for row in out(done)] == [
        *(("p0", 0), ("p0", 2)),
        *((f"p{number}", 0) for number in (2, 3, 4, 5)),
    ]
    equal = export(run, Asked("sft", tmp_path / "equal", dedupe=("problems",), similarity=1.0))
    assert equal.counts["no near-duplicate problems"][0] == 6


def test_without_datasketch_near_duplicates_are_refused_and_the_way_to_it_is_said(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasketch", None)
    with pytest.raises(MachineError, match="pip install"):
        export(run, Asked("sft", tmp_path / "o", dedupe=("near",)))
    assert not (tmp_path / "o").exists()


def test_what_no_row_holds_is_counted_too(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [answers("1", "1", "1", "2"), answers("1", "1")])
    pairs = export(run, Asked("dpo", tmp_path / "a"))
    assert pairs.counts["in the rows written"] == [1, 2], "two right responses have no wrong one left"
    even = export(run, Asked("kto", tmp_path / "b", balance="labels"))
    assert even.counts["in the rows written"] == [1, 2]


def test_samples_of_problems_without_a_result_are_said_to_be_left_out(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", [answers("1", "2")])
    asyncio.run(_growing(tmp_path / "growing", whole))
    done = export(tmp_path / "growing", Asked("table", tmp_path / "o"))
    assert (done.waiting, done.rows) == (2, {"train": 0})
    assert "samples of problems without a result" in "".join(done.lines())
    assert "| samples of problems without a result | | 2 |" in (tmp_path / "o/README.md").read_text()


async def _growing(path: Path, whole: Path) -> None:
    """A run that has samples and no result yet."""
    with Store.create_or_open(path) as store:
        async with store.writer() as writer:
            for sample in Store.read(whole).samples():
                await writer.add(sample)


def test_equal_problems_are_never_in_both_splits(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [replace(answers("1"), text=f"q{n % 8}") for n in range(64)])
    done = export(run, Asked("sft", tmp_path / "o", holdout=0.5))
    train, test = ({row["messages"][0]["content"] for row in out(done, name)} for name in ("train", "test"))
    assert train and test and not train & test


def test_a_label_needs_a_vote_that_stands(tmp_path: Path) -> None:
    """A rule that wants more samples, or a strategy that kept silent, has labelled nothing."""
    desk = Desk(tmp_path).lay([{"problem": "q", "id": "q"}], ["\\boxed{1}"])
    desk.run()
    desk.revote("sampling.n=8")
    (row,) = out(export(desk.out, Asked("labels", tmp_path / "more")))
    assert (row["label"], row["why"]) == ("abstained", "the rule wants more samples")
    assert not out(export(desk.out, Asked("sft", tmp_path / "sft", labels="voted")))


def test_an_option_that_does_nothing_is_refused(run: Path, tmp_path: Path) -> None:
    idle = Asked("labels", tmp_path / "o", dedupe=("exact",), system="Think.", pass_rate=(0.1, 0.9))
    with pytest.raises(ExportError) as told:
        export(run, idle)
    assert {fault.where for fault in told.value.faults} == {"--dedupe", "--system", "--pass-rate"}
    for wrong in (
        Asked("sft", tmp_path / "o", min_agreement=0.9),
        Asked("openr1", tmp_path / "o", reasoning="field"),
        Asked("sft", tmp_path / "o", similarity=0.9),
    ):
        with pytest.raises(ExportError):
            export(run, wrong)


def test_words_that_are_no_utf8_are_a_fault_and_no_traceback(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError) as told:
        export(run, Asked("sft", tmp_path / "o", system="caf\udce9", license="\udce9"))
    assert [fault.where for fault in told.value.faults] == ["--system", "--license"]


def test_json_lines_hold_no_number_that_json_has_no_word_for(tmp_path: Path) -> None:
    schema = pa.schema([("hard", pa.float64())])
    split = Split(tmp_path / "train", "jsonl", schema)
    for value in (math.nan, 1.5, -math.inf):
        split.add({"hard": value})
    split.close()
    lines = (tmp_path / "train/part-00000.jsonl").read_text().splitlines()
    assert lines == ['{"hard":null}', '{"hard":1.5}', '{"hard":null}']


def test_what_a_killed_export_left_goes_with_the_next_one(run: Path, tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from solver.export.writing import Split, appearing
with appearing(Path({str(tmp_path / "o")!r})) as work:
    (work / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], env=environment(), check=False)
    (left,) = tmp_path.glob(".o.exporting-*")
    with appearing(tmp_path / "o") as work:
        assert not left.exists() and work.exists()
        with suppress(ValueError), appearing(tmp_path / "o") as other:
            assert work.exists() and other != work, "a live export is left alone"
            raise ValueError


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
