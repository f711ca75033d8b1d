"""Make the hashed lock of the CPU stack: requirements/cpu.txt, and requirements/uv.txt for the fallback installer.

In: pyproject.toml (base, `cpu` and `dev`) and the package index that uv is configured for. Out: every transitive
dependency at one exact version, with the hashes of the wheels that Python 3.11 on Linux x86_64 or aarch64 can take,
and no address. torch is left out (requirements/cpu-torch.txt says why), and so are the packages in LEFT_OUT.

Run it with `make lock`; it needs uv on the PATH or beside the running Python.
"""

import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MACHINES = ("x86_64", "aarch64")
GLIBC = "2_31"  # the newest one that a wheel in the stack asks for (llguidance)

# Declared, but left out on purpose. The torch* three serve images, video and sound; the index's builds of them are CUDA
# builds, and importing one beside a CPU torch fails ("operator torchvision::nms does not exist"). triton has no CPU
# backend, so vLLM turns it off on the CPU; it would only cost a gigabyte.
LEFT_OUT = ("torchaudio", "torchcodec", "torchvision", "triton")

# torch itself is not resolved (its CPU build is not on the index), so what it declares is said here.
# tests/test_setup.py compares the lock with what the installed torch declares.
TORCH_NEEDS = (
    "filelock",
    "fsspec>=0.8.5",
    "jinja2",
    "networkx>=2.5.1",
    "setuptools<82",
    "sympy>=1.13.3",
    "typing-extensions>=4.10.0",
)

HEADER = """\
# Made by scripts/lock_cpu.py (`make lock`); do not edit. Python 3.11 on Linux, x86_64 and aarch64.
# Install with: pip install --no-deps --require-hashes --only-binary :all: -r {name}
"""


@dataclass(frozen=True, slots=True)
class Pin:
    """One package at one version, with the sha256 of each wheel that may be installed."""

    name: str
    version: str
    hashes: frozenset[str]
    machines: frozenset[str]

    def joined(self, other: "Pin") -> "Pin":
        """The same version for the machines of both."""
        return Pin(self.name, self.version, self.hashes | other.hashes, self.machines | other.machines)

    def lines(self) -> str:
        """The requirement as pip reads it."""
        marker = "".join(f'; platform_machine == "{m}"' for m in self.machines if len(self.machines) < len(MACHINES))
        hashes = "".join(f" \\\n    --hash=sha256:{digest}" for digest in sorted(self.hashes))
        return f"{self.name}=={self.version}{marker}{hashes}\n"


def wanted() -> list[str]:
    """The requirements that pyproject.toml declares for the CPU stack, and torch's own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["cpu"], *extras["dev"], *TORCH_NEEDS]


def find_uv() -> str:
    """uv beside this Python or on the PATH; ends the script with one line when there is none."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    return found or sys.exit("lock: no uv: run `pip install --require-hashes -r requirements/uv.txt` first")


def resolve(requirements: list[str], machine: str, excluded: tuple[str, ...] = ()) -> list[Pin]:
    """Every package that the requirements need on one machine; `excluded` ones count as never needed."""
    with tempfile.TemporaryDirectory() as scratch:
        wants, never, lock = (Path(scratch, name) for name in ("wants.in", "never.in", "pylock.toml"))
        wants.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        never.write_text("".join(f"{name}; python_version < '3'\n" for name in excluded), encoding="utf-8")
        command = [find_uv(), "pip", "compile", str(wants), "--override", str(never), "--output-file", str(lock)]
        command += ["--python-version", "3.11", "--python-platform", f"{machine}-manylinux_{GLIBC}"]
        command += ["--format", "pylock.toml", "--only-binary", ":all:", "--quiet"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"lock: uv could not resolve for {machine}:\n{done.stderr}")
        packages = tomllib.loads(lock.read_text(encoding="utf-8"))["packages"]
    return [
        Pin(
            package["name"],
            package["version"],
            frozenset(wheel["hashes"]["sha256"] for wheel in package["wheels"]),
            frozenset({machine}),
        )
        for package in packages
    ]


def merge(pins: list[Pin]) -> list[Pin]:
    """One pin per package and version, sorted; `lines` adds a marker to what only one machine needs."""
    merged: dict[tuple[str, str], Pin] = {}
    for pin in pins:
        key = (pin.name, pin.version)
        merged[key] = merged[key].joined(pin) if key in merged else pin
    return [merged[key] for key in sorted(merged)]


def write(name: str, pins: list[Pin]) -> None:
    """Publish one lock file under requirements/."""
    text = HEADER.format(name=name) + "".join(pin.lines() for pin in pins)
    (ROOT / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(pins)} packages, {text.count('--hash')} hashes")


def main() -> None:
    """Resolve for every machine and write both files."""
    stack = [pin for machine in MACHINES for pin in resolve(wanted(), machine, ("torch", *LEFT_OUT))]
    write("requirements/cpu.txt", merge(stack))
    write("requirements/uv.txt", merge([pin for machine in MACHINES for pin in resolve(["uv>=0.13.8"], machine)]))


if __name__ == "__main__":
    main()
