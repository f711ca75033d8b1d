"""The house: who may import whom, how big a room may be, and what must not be paid for before it is used."""

import ast
import importlib
import io
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "solver"
FILES = sorted(ROOT.rglob("*.py"))
NAMES = {
    path: ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__") for path in FILES
}
MODULES = frozenset(NAMES.values())

FLOORS = [
    {"", "errors", "records", "redact", "answers"},  # "": the package itself, which imports when a name is used
    {
        "job",
        "fingerprint",
        "schema",
        "strict_yaml",
        "problems",
        "prompts",
        "models",
        "engine",
        "store",
        "votes",
        "progress",
    },
    {"strategies", "statistics", "export", "grade"},
    {"run", "report", "replay", "opened"},
    {"cluster"},
    {"cli", "__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = {"vllm", "torch", "ray", "modelscope", "sympy", "math_verify", "pandas", "transformers", "pebble"}
LATE = {"solver.answers.warm"}
"""Modules that live in worker processes only, where heavy imports are the point."""

every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def statements(node: ast.AST, *, functions: bool) -> Iterator[ast.AST]:
    """Every node that runs: without TYPE_CHECKING blocks, and on demand without what waits inside functions."""
    for child in ast.iter_child_nodes(node):
        if typing_only(child):
            yield from (x for part in child.orelse for x in [part, *statements(part, functions=functions)])  # type: ignore[attr-defined]
        elif functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from statements(child, functions=functions)


def imports(path: Path, *, functions: bool) -> Iterator[str]:
    """Absolute names that a file imports; `from solver import engine` counts as solver.engine."""
    for node in statements(parsed(path), functions=functions):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"{path}: relative imports hide the arrows"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from (name if name in MODULES else node.module for name in inner)


def room(module: str) -> str:
    return [*module.split("."), ""][1]


@every_file
def test_imports_point_to_the_same_floor_or_down(path: Path) -> None:
    own = room(NAMES[path])
    assert own in FLOOR, f"{own} has no floor: give it one here and in DESIGN.md"
    for name in imports(path, functions=True):
        if name == "solver" or name.startswith("solver."):
            assert FLOOR[room(name)] <= FLOOR[own], f"{NAMES[path]} imports {name}, which stands above it"


@every_file
def test_nothing_heavy_is_imported_before_it_is_needed(path: Path) -> None:
    if NAMES[path] not in LATE:
        heavy = {name for name in imports(path, functions=False) if name.split(".")[0] in HEAVY}
        assert not heavy
    if path != ROOT / "engine" / "vllm.py":
        assert "vllm" not in {name.split(".")[0] for name in imports(path, functions=True)}, "only engine/vllm.py may"


def test_late_modules_are_imported_nowhere() -> None:
    for path in FILES:
        assert not LATE & set(imports(path, functions=True)), path


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("solver.answers", {"sympy", "math_verify", "pebble", "numpy", "pyarrow"}),
        ("solver.cli", {"pyarrow", "pydantic", "numpy", "yaml", "jinja2", "asyncio"}),
        ("solver.store", {"sympy", "torch", "vllm", "pandas", "pydantic"}),
        ("solver.run", {"sympy", "torch", "vllm", "transformers", "modelscope"}),
    ],
)
def test_importing_a_room_brings_nothing_it_does_not_need(name: str, without: set[str]) -> None:
    code = f"import {name}, sys; print(*sorted({without!r} & set(sys.modules)))"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert told.stdout.split() == []


@every_file
def test_a_room_is_small_enough_to_read(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= 320  # "about 300"
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno and node.end_lineno - node.lineno < 60, node.name
    assert not {"utils", "helpers", "manager", "base"} & set(NAMES[path].split("."))


@every_file
def test_public_things_say_what_they_are(path: Path) -> None:
    tree = parsed(path)
    assert ast.get_docstring(tree), "a module says what comes in and what goes out"
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    protocols = [node for node in classes if any(ast.unparse(parent) == "Protocol" for parent in node.bases)]
    told = {node.name for protocol in protocols for node in functions(protocol)}  # said once, in the protocol
    for node in [*functions(tree), *classes]:
        assert ast.get_docstring(node) or node.name.startswith("_"), f"{node.name} has no docstring"
    for holder in classes:
        for node in () if holder.name.startswith("_") else functions(holder):
            known = node.name.startswith("_") or node.name in told or decorated(node)
            assert known or ast.get_docstring(node), f"{holder.name}.{node.name} has no docstring"


def functions(node: ast.Module | ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [child for child in node.body if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)]


def decorated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(x).endswith((".setter", "overload")) for x in node.decorator_list)


@every_file
def test_broad_excepts_give_their_reason(path: Path) -> None:
    text = path.read_text("utf-8")
    comments = {t.start[0] for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: bare except"
            broad = {"Exception", "BaseException"} & {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
            cleans_up = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            assert not broad or cleans_up or {node.lineno, node.lineno + 1} & comments, (
                f"line {node.lineno} swallows without saying why"
            )


@every_file
def test_no_room_knows_the_demo_model(path: Path) -> None:
    assert "abacus" not in path.read_text("utf-8").lower()


def with_exports() -> list[Path]:
    return [path for path in FILES if path.name == "__init__.py" and "\n__all__" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", with_exports(), ids=lambda path: path.parent.name)
def test_what_a_package_exports_is_what_it_says(path: Path) -> None:
    module, tree = importlib.import_module(NAMES[path]), parsed(path)
    exported = set(module.__all__)
    assert all(getattr(module, name) is not None for name in exported)
    here = {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    here |= {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{NAMES[path]}.")
        for alias in node.names
    }
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    offered = {name for name in here if not name.startswith("_")}
    assert offered - used <= exported, "neither used here nor exported"
    assert exported <= offered | used | {"__version__"}


def test_templates_and_data_ship_with_the_package_and_know_no_demo_model() -> None:
    for path in ROOT.rglob("*"):
        if path.is_file() and path.suffix in (".jinja", ".json"):
            assert "abacus" not in path.read_text("utf-8").lower()
