#!/usr/bin/env bash
# Runs every check, phase by phase, and prints how long each took.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phase.sh
export TSS2_LOG=${TSS2_LOG:-all+NONE} CARGO_TERM_PROGRESS_WHEN=never

summary=()
timed() {
  local started=$SECONDS
  phase "$@"
  summary+=("$(printf '%6d s  %s' $((SECONDS - started)) "$1")")
}

timed "system packages" scripts/system_packages.sh
timed "Python environment with vLLM" scripts/python.sh cpu
timed "compiled code of the packages" scripts/python.sh check
timed "Python clients for the tests" scripts/python.sh sdk
timed "Node clients for the tests" scripts/node.sh
timed "default model" scripts/model.sh
timed "tiny models" scripts/model.sh tiny
timed "formatting and lints" make --no-print-directory lint
# Cargo compiles dependencies with the features that the chosen packages ask for together: with one package chosen alone, a second time.
timed "build" cargo build --quiet --locked --workspace --all-targets
timed "unit and integration tests" cargo test --quiet --locked --workspace --exclude blindllama-tests
timed "fuzz smoke run" scripts/fuzz.sh 2 attest
timed "end-to-end tests" cargo test --quiet --locked --workspace --test end_to_end

say ""
say "${bold}all phases passed${plain}"
printf '%s\n' "${summary[@]}" "$(printf '%6d s  in all' "$SECONDS")" >&2
