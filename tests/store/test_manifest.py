"""What stands beside the tables, and the doors: what is refused, and in which words."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from store_rows import problems, row_id, sample, shards, write

from solver.errors import FingerprintError, StoreError
from solver.store import Store

OLD = {"model": {"content": "abc", "dtype": "bfloat16"}, "sampling": {"temperature": 1.0, "stop": []}, "seed": 1}


def test_a_changed_fingerprint_lists_every_key_old_and_new(tmp_path: Path) -> None:
    with Store.create_or_open(tmp_path / "run") as store:
        store.check_fingerprint(OLD, "never shown")
    new = {"model": {"content": "abd", "dtype": "bfloat16"}, "sampling": {"stop": ["\n"]}, "seed": "1", "template": "x"}
    with Store.create_or_open(tmp_path / "run") as store:
        store.check_fingerprint(json.loads(json.dumps(OLD)), "never shown")
        with pytest.raises(FingerprintError) as refused:
            store.check_fingerprint(new, "solver run job.yaml -o output.dir=runs/two")
        store.check_fingerprint(OLD, "a refusal changes nothing")
    told = {fault.where: fault.what for fault in refused.value.faults}
    assert told == {
        "model.content": 'was "abc", is now "abd"',
        "sampling.stop": 'was [], is now ["\\n"]',
        "sampling.temperature": "was 1.0, is now absent",
        "seed": 'was 1, is now "1"',
        "template": 'was absent, is now "x"',
    }
    assert str(refused.value).endswith("To draw the new kind: solver run job.yaml -o output.dir=runs/two")
    assert refused.value.exit_code == 2


def test_the_manifest_lists_every_file_as_it_lies(tmp_path: Path) -> None:
    run = tmp_path / "run"
    problems(run, range(3))
    with Store.create_or_open(run) as store:
        store.write_job("name: x\n")
        store.finish({"name": "math", "model": "abacus", "accuracy": 0.5})
    manifest = json.loads((run / "manifest.json").read_text())
    files = {file["path"]: file for file in manifest["files"]}
    assert sorted(files) == [f"{table}/part-0001-00-000000.parquet" for table in ("results", "samples")]
    for path, file in files.items():
        data = (run / path).read_bytes()
        footer = data[-8 - int.from_bytes(data[-8:-4], "little") :]
        assert file["bytes"] == len(data) and file["rows"] == (6 if "samples" in path else 3)
        assert file["footer"] == hashlib.blake2b(footer, digest_size=16).hexdigest()
    assert manifest["summary"] == {"name": "math", "model": "abacus", "accuracy": 0.5}
    assert manifest["epoch"] == 2 and {"python", "pyarrow", "numpy"} <= manifest["versions"].keys()
    assert (run / "job.yaml").read_text() == "name: x\n"


def test_the_card_names_both_tables_and_stays_one_card(tmp_path: Path) -> None:
    run = tmp_path / "run"
    problems(run, range(3))
    with Store.create_or_open(run) as store:
        store.finish({"name": "math\n---\n# not a heading", "model": "abacus"})
    card = (run / "README.md").read_text()
    assert card.startswith("---\nconfigs:\n- config_name: results\n  data_files: results/*.parquet\n")
    assert "- config_name: samples\n  data_files: samples/*.parquet\n" in card
    assert "# math --- # not a heading\n" in card and "abacus" in card
    assert "| `results` | 3 |" in card and "| `samples` | 6 |" in card


def test_a_directory_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="not empty and not a run directory; nothing was touched"):
        Store.create_or_open(tmp_path)
    with pytest.raises(StoreError, match="is not a run directory"):
        Store.read(tmp_path)
    with pytest.raises(StoreError, match="does not exist"):
        Store.read(tmp_path / "run")
    with pytest.raises(StoreError, match="Not a directory"):
        Store.create_or_open(tmp_path / "thesis.tex")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_new_run_directory_may_be_deep_and_a_half_made_one_is_completed(tmp_path: Path) -> None:
    run = tmp_path / "a" / "b" / "run"
    (run / "_solver").mkdir(parents=True)
    write(run, [sample(1)])
    assert Store.read(run).sample_count(row_id(1)) == 1


def test_temporaries_of_a_killed_owner_are_removed_and_strange_files_left(tmp_path: Path) -> None:
    run = tmp_path / "run"
    write(run, [sample(1)])
    (run / "_solver" / "tmp" / "half").write_text("PAR1")
    (run / "samples" / "notes.parquet").write_text("mine")
    with Store.create_or_open(run) as store:
        assert not (run / "_solver" / "tmp" / "half").exists() and not store.notes
        assert store.sample_count(row_id(1)) == 1
    assert len(shards(run, "samples")) == 2


def test_the_store_opens_without_a_gpu_stack_and_the_errors_without_arrow(tmp_path: Path) -> None:
    script = (
        "import sys; import solver.errors, solver.records; assert 'pyarrow' not in sys.modules\n"
        "import solver.store; assert not {'torch', 'vllm', 'ray', 'sympy', 'pandas'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])
