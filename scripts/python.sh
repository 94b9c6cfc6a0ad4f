#!/usr/bin/env bash
# Makes the project's Python environments, from locked requirements with hashes.
#
#   scripts/python.sh [cpu|cuda]   .state/python: vLLM and what it needs, 5 GB (default: cpu)
#   scripts/python.sh sdk          .state/sdk: the OpenAI and LangChain SDKs, for the end-to-end tests
#   scripts/python.sh lock         writes the locked requirements anew from the *.in files
#   scripts/python.sh check        compares the compiled code in .state/python with its sources
#
# Does nothing where an environment already matches its lock. From the environment:
#   PYTHON            the interpreter to build on (default: python3); 3.11 to 3.13, with its shared library
#   TORCH_INDEX_URL   a package index with CPU-only builds of torch (saves 3 GB; torch then comes without a hash)
set -euo pipefail
cd "$(dirname "$0")/.."

readonly STATE=.state
readonly UV=$STATE/uv/bin/uv
readonly LOCKS=engine-bridge/vllm/python
readonly TORCH=2.13.0
PYTHON=${PYTHON:-python3}
# Gigabytes take their time: at a terminal uv shows how far it is.
QUIET=--quiet
[[ ! -t 2 ]] || QUIET=
# Packages are compiled once, here: the gateway reads compiled code and writes none (ADR 19). Python compares it with the source's hash.
export UV_COMPILE_BYTECODE=1 PYC_INVALIDATION_MODE=CHECKED_HASH

say() { printf 'python: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# The gateway embeds the interpreter, so its shared library has to be there.
check_python() {
    command -v "$PYTHON" >/dev/null || fail "$PYTHON is not installed (Debian: apt-get install python3 python3-venv python3-dev)"
    "$PYTHON" - <<'CHECK' || exit 1
import os, sys, sysconfig

def fail(text):
    sys.exit(f"python: {text}")

version = ".".join(map(str, sys.version_info[:3]))
if not (3, 11) <= sys.version_info < (3, 14):
    fail(f"{sys.executable} is Python {version}; 3.11 to 3.13 is needed: install one and set PYTHON to it")
folder, library = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LDLIBRARY")
folders = [folder, os.path.join(folder, sysconfig.get_config_var("MULTIARCH") or "")]
if not library.endswith(".so") or not any(os.path.exists(os.path.join(path, library)) for path in folders):
    fail(f"the shared library of Python {version} is missing: Debian: apt-get install python3-dev; pyenv: install with"
         " PYTHON_CONFIGURE_OPTS=--enable-shared")
try:
    import ensurepip, venv
except ImportError:
    fail("the module venv is missing (Debian: apt-get install python3-venv)")
CHECK
}

install_uv() {
    local lock=$LOCKS/requirements-uv.txt
    is_current "$STATE/uv" "$lock" && return
    say "installing uv"
    "$PYTHON" -m venv --clear "$STATE/uv"
    "$STATE/uv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$lock"
    mark_current "$STATE/uv" "$lock"
}

# What an environment is made of: its lock, the interpreter, where torch came from, and how it is compiled.
fingerprint() {
    { sha256sum <"$1"; "$PYTHON" -c 'import sys; print(sys.version, sys.base_prefix)'; echo "${TORCH_INDEX_URL:-} $PYC_INVALIDATION_MODE"; } | sha256sum
}

is_current() { [[ -x $1/bin/python && -f $1/.lock.sha256 && $(<"$1/.lock.sha256") == "$(fingerprint "$2")" ]]; }
mark_current() { fingerprint "$2" >"$1/.lock.sha256"; }

# Makes the environment $1 hold exactly the locked requirements $2.
sync() {
    local environment=$1 lock=$2
    if is_current "$environment" "$lock"; then
        say "$environment is up to date"
        return
    fi
    rm -f "$environment/.lock.sha256"
    if ! same_python "$environment"; then
        say "making $environment"
        "$UV" venv --quiet --clear --python "$(command -v "$PYTHON")" "$environment"
    fi
    say "installing the $(grep -c '^[a-z0-9].*==' "$lock") packages of $lock"
    install "$environment" "$lock"
    mark_current "$environment" "$lock"
}

same_python() {
    local question='import sys; print(sys.version, sys.base_prefix)'
    [[ $("$1/bin/python" -c "$question" 2>/dev/null) == "$("$PYTHON" -c "$question")" ]]
}

install() {
    local environment=$1 lock=$2
    if [[ -z ${TORCH_INDEX_URL:-} || $lock != */requirements-cpu.txt ]]; then
        "$UV" pip sync $QUIET --python "$environment/bin/python" --require-hashes "$lock"
        return
    fi
    local without_torch
    without_torch=$(mktemp)
    # A requirement is a line that starts with its name; its hashes follow, indented.
    awk '/^[a-z0-9]/ { skip = /^(torch|triton|nvidia-[a-z0-9-]*|cuda-[a-z0-9-]*)==/ } !skip' "$lock" >"$without_torch"
    "$UV" pip sync $QUIET --python "$environment/bin/python" --require-hashes "$without_torch"
    rm -f "$without_torch"
    say "installing torch $TORCH+cpu from TORCH_INDEX_URL"
    "$UV" pip install $QUIET --python "$environment/bin/python" --no-deps --index-url "$TORCH_INDEX_URL" "torch==$TORCH+cpu"
}

lock() {
    local compile=("$UV" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header)
    "${compile[@]}" "$LOCKS/requirements-cpu.in" --override "$LOCKS/overrides-cpu.txt" -o "$LOCKS/requirements-cpu.txt"
    "${compile[@]}" "$LOCKS/requirements-cuda.in" -o "$LOCKS/requirements-cuda.txt"
    "${compile[@]}" tests/python/requirements.in -o tests/python/requirements.txt
}

check_python
mkdir -p "$STATE"
install_uv
case ${1:-cpu} in
    cpu | cuda) sync "$STATE/python" "$LOCKS/requirements-${1:-cpu}.txt" ;;
    sdk) sync "$STATE/sdk" tests/python/requirements.txt ;;
    lock) lock ;;
    check) "$PYTHON" -I -S -B scripts/compiled_code.py "$STATE"/python/lib/python3.*/site-packages ;;
    *) fail "unknown: $1 (cpu, cuda, sdk, lock or check)" ;;
esac
