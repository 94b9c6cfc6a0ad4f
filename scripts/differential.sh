#!/usr/bin/env bash
# Asks vLLM's own server anew, then the gateway, and compares their answers to the letter.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phase.sh

export BLINDLLAMA_REFERENCE=$PWD/.state/vllm_reference.json
phase "vLLM's own server" .state/python/bin/python scripts/vllm_reference.py --output "$BLINDLLAMA_REFERENCE"
phase "build" cargo build --quiet --locked --workspace --bins
phase "the gateway" cargo test --quiet --locked -p blindllama-tests -- chat::answers_equal_those_of_vllm
