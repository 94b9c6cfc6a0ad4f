SHELL := /bin/bash

# Two commands are enough for a newcomer: `make run` and `make test`. Both do all of their own set-up.

ENGINE ?= cpu
export ENGINE

.PHONY: run test bench bench-parts fuzz schemathesis setup build lint fmt differential clean

run: build
	@scripts/run.sh

test:
	@scripts/test.sh

# Compares the gateway with vLLM's own servers (benches/README.md), in about an hour, and writes benches/results/. One case alone:
# make bench CASE=64-clients, for a look without a file.
bench: build
	@. scripts/phase.sh; phase "tiny models" scripts/model.sh tiny
	@. scripts/phase.sh; phase "vLLM's own servers" scripts/peers.sh
	cargo bench --locked -p blindllama-benches --bench serving -- $(if $(CASE),$(addprefix --only ,$(CASE)),--results results)

# Measures the verifier, the evidence that one TPM's gateway serves, and what happens to each request, step and token outside the
# engine. Needs swtpm and the Python environment, and no model.
bench-parts:
	@. scripts/phase.sh; phase "system packages" scripts/system_packages.sh
	@. scripts/phase.sh; phase "Python environment with vLLM ($(ENGINE))" scripts/python.sh $(ENGINE)
	cargo bench --locked -p blindllama-benches --bench verify --bench attestation --bench hot_path
	cargo bench --locked -p blindllama-engine-vllm --features bench --bench step_crossing

setup:
	@. scripts/phase.sh; phase "system packages" scripts/system_packages.sh
	@. scripts/phase.sh; phase "Python environment with vLLM ($(ENGINE))" scripts/python.sh $(ENGINE)
	@. scripts/phase.sh; [ -n "$(MODEL)" ] || phase "default model" scripts/model.sh
	@. scripts/phase.sh; phase "software TPM's certificates" scripts/tpm.sh provision .state/tpm

build: setup
	@. scripts/phase.sh; phase "build (release)" cargo build --release --locked -p blindllama-gateway-server -p blindllama-shim

# Fuzzes every parser of untrusted bytes: SECONDS_EACH=60 for each target.
fuzz:
	@scripts/fuzz.sh $(SECONDS_EACH)

# Sends requests that are generated from the OpenAPI document, good and bad, for SECONDS (600) each to a model that generates and to
# one that makes embeddings, from the seed SEED (1).
schemathesis: setup
	@. scripts/phase.sh; phase "Python clients for the tests" scripts/python.sh sdk
	@. scripts/phase.sh; phase "tiny models" scripts/model.sh tiny
	cargo build --locked --workspace --bins
	SCHEMATHESIS_SECONDS=$(or $(SECONDS),600) SCHEMATHESIS_SEED=$(or $(SEED),1) cargo test --locked --workspace --test end_to_end -- as_documented

lint:
	cargo fmt --all --check
	cargo clippy --quiet --locked --workspace --all-targets --features blindllama-engine-vllm/bench -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; \
	else echo "skipped: cargo deny check (cargo-deny is not installed; the crate borders are tested anyway)"; fi

fmt:
	cargo fmt --all

# Runs vLLM's own server, then the gateway, and compares their answers field by field; REPORT=FOLDER writes what differs as JSON.
differential: setup
	@scripts/model.sh tiny
	@scripts/differential.sh $(REPORT)

# Removes what builds and runs made, the Python environment and the models included.
clean:
	rm -rf target .state fuzz/corpus fuzz/finds fuzz/seeds
