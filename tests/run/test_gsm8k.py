"""Real input that nobody here wrote: GSM8K's 1,319 test problems through the whole line, where the file lies."""

import json
from pathlib import Path

import pytest

from solver.run import read_job, run
from solver.store import Store

GSM8K = Path(__file__).parents[3] / "shared" / "data" / "gsm8k" / "test.jsonl"


@pytest.mark.skipif(not GSM8K.is_file(), reason="the GSM8K file is not beside this checkout")
def test_gsm8k_goes_through_and_its_accuracy_is_the_true_one(tmp_path: Path) -> None:
    """Every third problem is answered right, the others wrong; the reply's spelling is not the reference's."""
    rows = [json.loads(line) for line in GSM8K.read_text().splitlines()]
    right = {row["question"]: row["answer"].rsplit("#### ", 1)[1].replace(",", "") for row in rows[::3]}
    replies = {text: [f"So it is \\boxed{{{number}.0}} dollars."] for text, number in right.items()}
    (tmp_path / "replies.json").write_text(json.dumps(replies))
    (tmp_path / "job.yaml").write_text(
        f"input: {{path: {GSM8K}}}\nprompt: {{template: plain}}\nsampling: {{n: 4}}\noutput: {{dir: out}}\n"
        f"engine: {{kind: scripted, replies: {tmp_path / 'replies.json'}}}\n"
    )
    summary = run(read_job(tmp_path / "job.yaml"), ["solver"], quiet=True)
    assert (summary.stats.problems, summary.samples) == (1319, 4 * 1319)
    assert summary.stats.referenced == 1319
    assert summary.stats.majority.value == pytest.approx(len(right) / 1319)
    results = {row["row"]: row for row in Store.read(tmp_path / "out").results()}
    assert [results[row]["problem"] for row in range(1319)] == [row["question"] for row in rows]
    assert [results[row]["answer"] for row in range(1319)] == [row["answer"] for row in rows]
    references = [results[row]["reference"].replace(",", "") for row in range(1319)]
    assert references == [row["answer"].rsplit("#### ", 1)[1].replace(",", "") for row in rows]
