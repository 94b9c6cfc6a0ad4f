#!/usr/bin/env bash
# Asks vLLM's own server anew, then the gateway, compares their answers field by field, and prints every difference.
#
#   scripts/differential.sh [FOLDER]    writes the report of each model there too, as JSON
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phase.sh

export BLINDLLAMA_REFERENCE=$PWD/.state/vllm_reference
if [ -n "${1:-}" ]; then
  mkdir -p "$1"
  BLINDLLAMA_DIFFERENTIAL_REPORT=$(realpath "$1")
  export BLINDLLAMA_DIFFERENTIAL_REPORT
fi
phase "vLLM's own server" .state/python/bin/python scripts/vllm_reference.py --output "$BLINDLLAMA_REFERENCE"
phase "build" cargo build --quiet --locked --workspace --bins
phase "the gateway" cargo test --quiet --locked --workspace --test end_to_end -- differential::
