#!/usr/bin/env bash
# Fuzzes each parser of untrusted bytes for SECONDS (default 60): scripts/fuzz.sh [SECONDS [TARGET...]]
# "attest" stands for all targets but those of the gateway, which take minutes to build.
#
# It needs nothing but the stable compiler and a C++ compiler: coverage without a sanitizer, which safe code does not need.
# Finds are written to fuzz/finds/<target>; what was learned stays in fuzz/corpus/<target>.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phase.sh

seconds=${1:-60}
shift || true
targets=("$@")
attest=(evidence quote signature public firmware_log policy certificate receipt activation)
[ ${#targets[@]} -gt 0 ] || targets=("${attest[@]}" request)
[ "${targets[*]}" != attest ] || targets=("${attest[@]}")
features=()
[[ " ${targets[*]} " != *" request "* ]] || features=(--features gateway)

# What `cargo fuzz` passes, for machines without it.
coverage=(
  --cfg=fuzzing -Cpasses=sancov-module -Ccodegen-units=1
  -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
  -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares
)
triple=$(rustc -vV | sed -n 's/^host: //p')

build() {
  python3 fuzz/seeds.py

  # With a target triple, build scripts and macros stay without instrumentation.
  RUSTFLAGS="${coverage[*]}" cargo build --quiet --locked --release --manifest-path fuzz/Cargo.toml \
    --target "$triple" --target-dir target/fuzz "${features[@]}"
}

fuzz() {
  local target=$1
  mkdir -p "fuzz/corpus/$target" "fuzz/finds/$target"
  # The seeds come last: new inputs go to the first folder.
  "target/fuzz/$triple/release/$target" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=2048 -max_len=70000 \
    -artifact_prefix="fuzz/finds/$target/" -print_final_stats=1 -verbosity=0 \
    "fuzz/corpus/$target" "fuzz/seeds/$target" > "fuzz/corpus/$target.log" 2>&1 ||
    { tail -40 "fuzz/corpus/$target.log" >&2; die "$target: an input was found that it must not fail on, in fuzz/finds/$target"; }
  say "    $(sed -n 's/^stat::number_of_executed_units: */inputs: /p' "fuzz/corpus/$target.log")"
}

phase "building the fuzz targets (seeds: the test vectors)" build
for target in "${targets[@]}"; do
  phase "fuzzing $target for $seconds s" fuzz "$target"
done
