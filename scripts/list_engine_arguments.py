"""Write solver/engine/vllm_arguments.json: the fields of vLLM's AsyncEngineArgs, per supported version.

    python scripts/list_engine_arguments.py                     # the installed vLLM
    python scripts/list_engine_arguments.py vllm-0.26.0.whl     # a wheel, not installed

The file lets `solver check` refuse a mistyped engine argument where vLLM is not installed. The source is
read, not imported. Versions already in the file are kept.
"""

import ast
import json
import re
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

TARGET = Path(__file__).parents[1] / "solver" / "engine" / "vllm_arguments.json"
CLASSES = ("EngineArgs", "AsyncEngineArgs")


def fields(source: str) -> list[str]:
    """Annotated names of the argument classes, in alphabetical order."""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name in CLASSES]
    names = {
        item.target.id
        for node in classes
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    return sorted(names)


def from_wheel(wheel: Path) -> tuple[str, str]:
    """Version (major.minor) and source of the argument classes in a wheel."""
    version = re.match(r"[^-]+-(\d+\.\d+)", wheel.name)
    if version is None:
        sys.exit(f"{wheel.name} is not a wheel's name")
    with zipfile.ZipFile(wheel) as archive:
        return version[1], archive.read("vllm/engine/arg_utils.py").decode()


def from_installed() -> tuple[str, str]:
    """Version (major.minor) and source of the argument classes of the vLLM in this environment."""
    spec = find_spec("vllm")
    if spec is None or spec.origin is None:
        sys.exit("vLLM is not installed here; give a wheel")
    root = Path(spec.origin).parent
    found = re.search(r"version = ['\"](\d+\.\d+)", (root / "_version.py").read_text())
    if found is None:
        sys.exit(f"no version in {root / '_version.py'}")
    return found[1], (root / "engine" / "arg_utils.py").read_text()


def main() -> None:
    known = json.loads(TARGET.read_text()) if TARGET.is_file() else {}
    sources = [from_wheel(Path(name)) for name in sys.argv[1:]] or [from_installed()]
    known |= {version: fields(source) for version, source in sources}
    TARGET.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    print({version: len(names) for version, names in known.items()})


if __name__ == "__main__":
    main()
