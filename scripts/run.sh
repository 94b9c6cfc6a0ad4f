#!/usr/bin/env bash
# Starts a software TPM, the gateway and the shim, sends a first verified chat, and serves until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phase.sh

ENGINE=${ENGINE:-cpu}
MODEL=${MODEL:-}
GATEWAY_PORT=${GATEWAY_PORT:-8443}
SHIM_PORT=${SHIM_PORT:-8080}
TPM_PORT=${TPM_PORT:-2321}
bin=target/release
run=.state/run
gateway=https://127.0.0.1:$GATEWAY_PORT
shim=http://127.0.0.1:$SHIM_PORT
policy=.state/policy.toml

case $ENGINE in cpu | cuda) ;; *) die "ENGINE is 'cpu' or 'cuda', not '$ENGINE'" ;; esac

pids=()
stop_all() {
  # A second Ctrl-C must not cut this short: what is left running would hold its port.
  trap '' INT TERM
  trap - EXIT
  # The last started is the first stopped: the shim, the gateway, then the TPM that the gateway uses.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2>/dev/null || true
    wait "${pids[i]}" 2>/dev/null || true
  done
}
trap stop_all EXIT
trap 'say ""; say "stopping"; exit 0' INT TERM

port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

wait_for_port() { # port pid name log
  until port_is_open "$1"; do
    kill -0 "$2" 2>/dev/null || { tail -n 20 "$4" >&2; die "$3 stopped before it was ready; its log is $4"; }
    sleep 0.2
  done
}

# Before anything is touched: another run's files are in the same places.
claim_ports() {
  local name port
  for name in TPM_PORT GATEWAY_PORT SHIM_PORT; do
    port=${!name}
    ! port_is_open "$port" || die "port $port is in use: stop what listens there (another 'make run'?), or set $name to another"
  done
  port=$((TPM_PORT + 1))
  ! port_is_open "$port" || die "port $port, the TPM's control port, is in use: set TPM_PORT to another"
}

start() { # name port command…
  local name=$1 port=$2
  shift 2
  "$@" >"$run/$name.log" 2>&1 &
  pids+=($!)
  wait_for_port "$port" $! "$name" "$run/$name.log"
}

resolve_model() {
  if [ -z "$MODEL" ]; then
    echo .state/models/smollm2-135m-instruct
  elif [ -d "$MODEL" ]; then
    realpath "$MODEL"
  else
    scripts/model.sh hub "$MODEL"
  fi
}

first_chat() {
  # No proxy may see what goes to the shim: it is in the clear until there.
  curl -sS --noproxy '*' --fail-with-body "$shim/v1/chat/completions" -H 'content-type: application/json' \
    -d '{"model":"'"$model_name"'","messages":[{"role":"user","content":"What is the capital of France?"}],"max_tokens":64,"temperature":0}' \
    -o "$run/first_chat.json" || { cat "$run/first_chat.json" >&2; return 1; }
  .state/python/bin/python -B -c 'import json,sys; print("    " + json.load(open(sys.argv[1]))["choices"][0]["message"]["content"])' "$run/first_chat.json" >&2
}

print_snippets() {
  cat <<SNIPPETS

${bold}Ready.${plain} The gateway serves ${bold}$model_name${plain} at $gateway; your programs talk to the shim at ${bold}$shim/v1${plain}.
Ctrl-C stops everything. Logs: $run/*.log

  curl --noproxy '*' $shim/v1/chat/completions -H 'content-type: application/json' -d '{
    "model": "$model_name",
    "messages": [{"role": "user", "content": "What is the capital of France?"}]
  }'

  from openai import OpenAI
  client = OpenAI(base_url="$shim/v1", api_key="unused")
  answer = client.chat.completions.create(
      model="$model_name",
      messages=[{"role": "user", "content": "What is the capital of France?"}],
  )
  print(answer.choices[0].message.content)

SNIPPETS
}

model=$(resolve_model) || die "no model at MODEL=$MODEL: give a folder, or the id of a model on the Hugging Face hub"
model_name=$(basename "$model")
export BLINDLLAMA_MODEL__NAME=$model_name
export BLINDLLAMA_SERVER__LISTEN=127.0.0.1:$GATEWAY_PORT
export BLINDLLAMA_MODEL__PATH=$model
export BLINDLLAMA_ENGINE__DEVICE=$ENGINE
export BLINDLLAMA_TPM__TCTI=swtpm:host=127.0.0.1,port=$TPM_PORT
if [ "$ENGINE" = cuda ]; then
  export BLINDLLAMA_ENGINE__VLLM__GPU_MEMORY_UTILIZATION=${BLINDLLAMA_ENGINE__VLLM__GPU_MEMORY_UTILIZATION:-0.9}
elif [ -z "$MODEL" ]; then
  # 1 GiB of key-value cache holds 23,000 tokens of the default model.
  export BLINDLLAMA_ENGINE__VLLM__KV_CACHE_MEMORY_BYTES=${BLINDLLAMA_ENGINE__VLLM__KV_CACHE_MEMORY_BYTES:-1073741824}
  # A model this small wanders at OpenAI's default temperature of 1; a request that names a temperature still gets it.
  greedy='{temperature=0.0}'
  export BLINDLLAMA_ENGINE__VLLM__OVERRIDE_GENERATION_CONFIG=${BLINDLLAMA_ENGINE__VLLM__OVERRIDE_GENERATION_CONFIG:-$greedy}
fi
export TSS2_LOG=${TSS2_LOG:-all+NONE}

# The gateway measures its environment and refuses variables that it does not know: it gets its settings and little else.
gateway_environment=(env -i)
for variable in PATH HOME TERM LANG TZ TSS2_LOG NO_COLOR RUST_LOG RUST_BACKTRACE OMP_NUM_THREADS CUDA_VISIBLE_DEVICES "${!BLINDLLAMA_@}"; do
  [ -z "${!variable+set}" ] || gateway_environment+=("$variable=${!variable}")
done

claim_ports
mkdir -p .state
exec {lock}>.state/run.lock
flock --nonblock "$lock" || die "another 'make run' is using .state; stop it first"

# Starting the software TPM is its boot: PCRs are zero again, and the log of the boot before is void.
rm -rf "$run"
mkdir -p "$run"

phase "software TPM" start tpm "$TPM_PORT" scripts/tpm.sh start .state/tpm "$TPM_PORT"
phase "policy from local provisioning ($policy)" "${gateway_environment[@]}" "$bin/blindllama-gateway" provision --config configs/gateway.toml --policy "$policy"
phase "gateway (measures itself, loads the model)" start gateway "$GATEWAY_PORT" "${gateway_environment[@]}" "$bin/blindllama-gateway" serve --config configs/gateway.toml
phase "verification" "$bin/blindllama" verify --gateway "$gateway" --policy "$policy"
phase "shim" start shim "$SHIM_PORT" "$bin/blindllama" connect --gateway "$gateway" --policy "$policy" --listen "127.0.0.1:$SHIM_PORT"
phase "first verified chat: What is the capital of France?" first_chat
print_snippets

# Serve until Ctrl-C, or until one of the three dies.
wait -n "${pids[@]}" || true
die "one of the programs stopped by itself; see $run/*.log"
