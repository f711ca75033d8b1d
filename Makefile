# Everything a user or a contributor types. Works with any POSIX sh; `make demo PYTHON=/path/to/python3.11` picks a Python.
.PHONY: demo test soak compat setup lint types lock clean
.NOTPARALLEL:

# 200 problems on the tiny model that comes along, by real vLLM on the CPU; a second time it finds everything done.
demo: setup
	@.venv/bin/solver run jobs/demo.yaml

test: setup
	@.venv/bin/python -m pytest

# The long proofs that nothing finished is lost: kills, power cuts, full disks, broken engines. Prints its figures.
soak: setup
	@.venv/bin/python -m pytest -m soak -s

# Every export loaded by TRL's, LLaMA-Factory's and axolotl's own code, in environments of their own under build/.
compat: setup
	@.venv/bin/python scripts/compat.py

# Makes .venv when it is missing, incomplete or older than its lock; otherwise does nothing.
setup:
	@sh scripts/setup_cpu.sh

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

types: setup
	@.venv/bin/mypy

# Resolves the CPU stack anew from pyproject.toml; the next `make test` installs it.
lock: setup
	@.venv/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@.venv/bin/python scripts/lock_cpu.py

# Caches and builds only: never .venv, never a run.
clean:
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find solver scripts tests -name __pycache__ -type d -prune -exec rm -rf {} +
