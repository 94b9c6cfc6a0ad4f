"""How long xgrammar takes over structured outputs near the limits of `[limits.structured]`: docs/structured-outputs.md.

    .state/python/bin/python -B scripts/structured_limits.py MODEL [CASE ...]

Runs vLLM's own validation, compilation, mask and acceptance, as its engine does, with the tokeniser of the model in MODEL; no
weights are loaded. Each case has a process of its own, which is ended after a minute: native code cannot be interrupted.
Prints a Markdown table, in milliseconds: `validate` is what runs on the engine's thread before a request is queued, `GIL` the
longest time during validation and compilation in which no other Python thread could run, `mask` and `accept` the slowest of
the steps of a random answer that fits the constraint.
"""

import json
import multiprocessing
import os
import random
import resource
import sys
import threading
import time
from types import SimpleNamespace

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
os.environ["VLLM_LOGGING_LEVEL"] = "ERROR"

STEPS = 150
DEADLINE = 60


def properties(count, **schema):
    named = {f"property_{index}": {"type": "string", **schema} for index in range(count)}
    return {"type": "object", "properties": named, "additionalProperties": False}


def nested(depth, leaf):
    for _ in range(depth):
        leaf = {"type": "object", "properties": {"a": leaf}, "required": ["a"], "additionalProperties": False}
    return leaf


def mutual(count):
    """Every definition may hold every other."""
    refs = {f"d{index}": {"$ref": f"#/$defs/d{index}"} for index in range(count)}
    one = {"type": "object", "properties": refs, "additionalProperties": False}
    return {"$ref": "#/$defs/d0", "$defs": dict.fromkeys(refs, one)}


def shared_prefixes(count):
    return ["a" * index + "b" for index in range(count)]


def rules(count, alternatives):
    lines = ["root ::= r0"]
    for index in range(count):
        following = f"r{(index + 1) % count}"
        lines.append(f"r{index} ::= " + " | ".join(f'"{chr(97 + n % 26)}{n}" {following}' for n in range(alternatives)) + ' | ""')
    return "\n".join(lines)


def regexes():
    for count in (100, 500, 1000, 2000, 5000):
        yield f"repeat {count}", f"[a-z]{{{count}}}"
        yield f"repeat 0..{count}", f"[a-z]{{0,{count}}}"
        yield f"repeat .0..{count}", f".{{0,{count}}}"
        yield f"unicode class 0..{count}", f"[^\\n\"]{{0,{count}}}x"
    for count in (10, 20, 30, 45):
        yield f"nested {count}x{count}", f"(([a-z]{{1,{count}}}){{1,{count}}})"
        yield f"nested optional {count}x{count}", f"((a{{0,{count}}}b?){{0,{count}}}c)"
    for count in (4, 8, 12):
        yield f"nested {count}x{count}x{count}", f"((a{{0,{count}}}){{0,{count}}}b?){{0,{count}}}"
    yield "nested stars", "((a+)+)+b"
    yield "nested stars of classes", "(([a-z]+)*([a-z0-9]+)*)*x"
    yield "nested stars of any", "((.*)*(.+)*)*x"
    for count in (5, 10, 15, 18):
        yield f"suffix after star {count}", f"(a|b)*a(a|b){{{count}}}"
        yield f"any suffix {count}", f".*a.{{{count}}}"
    for count in (50, 200, 1000):
        yield f"alternatives {count}", "|".join(f"word{index}[0-9]+" for index in range(count))
        yield f"starred alternatives {count}", "(" + "|".join(f"w{index}x*" for index in range(count)) + ")*"
        yield f"dots {count}", ".?" * count
        yield f"stars {count}", "a*" * count
        yield f"class stars {count}", "[a-z]*" * count
    for name, regex in list(locals_of(regexes_extra)):
        yield name, regex


def regexes_extra():
    for count in (2, 4, 8, 16, 64):
        yield f"(.*,){{{count}}}", "(.*,){%d}" % count
        yield f"(x+x+)+ {count}", "(" + "x+" * count + ")+y"


def locals_of(generator):
    yield from generator()


def cases():
    for name, regex in regexes():
        yield f"regex {name}", {"regex": regex}
        if "0..1000" in name or "suffix" in name or "nested" in name:
            yield f"pattern {name}", {"json": json.dumps(
                {"type": "object", "properties": {"a": {"type": "string", "pattern": regex}}, "required": ["a"]})}
    for count in (50, 100, 200, 500, 1000, 2000):
        yield f"properties {count} optional", {"json": json.dumps(properties(count))}
        yield f"properties {count} required", {"json": json.dumps(
            properties(count) | {"required": [f"property_{index}" for index in range(count)]})}
        yield f"properties {count} open", {"json": json.dumps({**properties(count), "additionalProperties": True})}
    for count in (20, 100, 200):
        yield f"properties {count} numbers", {"json": json.dumps(
            {"type": "object", "properties": {f"p{index}": {"type": "number"} for index in range(count)}})}
        yield f"properties {count} dates", {"json": json.dumps(properties(count, format="date-time"))}
        yield f"properties {count} uris", {"json": json.dumps(properties(count, format="uri"))}
        yield f"properties {count} minProperties", {"json": json.dumps({**properties(count), "minProperties": count // 2})}
    for count in (5, 10, 20, 50, 100):
        yield f"definitions {count} mutual", {"json": json.dumps(mutual(count))}
    for depth in (10, 16, 30):
        yield f"nesting {depth}", {"json": json.dumps(nested(depth, {"type": "string"}))}
    for count in (100, 500, 1000, 5000):
        yield f"enum {count} short", {"json": json.dumps({"enum": [f"v{index}" for index in range(count)]})}
        yield f"choice {count} short", {"choice": [f"v{index}" for index in range(count)]}
        yield f"enum {count} of 64 bytes", {"json": json.dumps({"enum": [f"{index:064}" for index in range(count)]})}
        yield f"anyOf {count}", {"json": json.dumps(
            {"anyOf": [{"type": "object", "properties": {f"a{index}": {"type": "string"}}} for index in range(count)]})}
    for count in (100, 300):
        yield f"choice {count} shared prefixes", {"choice": shared_prefixes(count)}
    for count in (100, 1000, 5000, 10000, 100000):
        yield f"maxLength {count}", {"json": json.dumps({"type": "string", "maxLength": count})}
        yield f"minLength {count}", {"json": json.dumps({"type": "string", "minLength": count})}
        yield f"maxItems {count}", {"json": json.dumps({"type": "array", "items": {"type": "integer"}, "maxItems": count})}
        yield f"minItems {count}", {"json": json.dumps({"type": "array", "items": {"type": "integer"}, "minItems": count})}
    for count in (10, 30, 100):
        inner = {"type": "array", "items": {"type": "array", "items": {"type": "string", "maxLength": count}, "maxItems": count}}
        yield f"maxItems nested {count}", {"json": json.dumps({**inner, "maxItems": count})}
        yield f"maxProperties {count}", {"json": json.dumps({"type": "object", "maxProperties": count})}
        yield f"minProperties {count}", {"json": json.dumps({"type": "object", "minProperties": count})}
    for count in (10, 50, 100, 200):
        yield f"{count} strings of maxLength 1000", {"json": json.dumps(properties(count, maxLength=1000))}
    for low, high in ((0, 10**6), (-(10**15), 10**15), (123456789, 98765432109876)):
        yield f"integer {low} to {high}", {"json": json.dumps({"type": "integer", "minimum": low, "maximum": high})}
        yield f"number {low} to {high}", {"json": json.dumps({"type": "number", "minimum": low + 0.123456, "maximum": high})}
    for count, alternatives in ((20, 5), (100, 5), (100, 20), (500, 2), (1000, 2)):
        yield f"grammar {count} rules of {alternatives}", {"grammar": rules(count, alternatives)}
    for count in (100, 1000, 5000, 20000):
        yield f"grammar literal {count}", {"grammar": 'root ::= "' + "a" * count + '"'}
        yield f"grammar repeat {count}", {"grammar": f"root ::= [a-z]{{0,{count}}}"}
        yield f"grammar rule repeat {count}", {"grammar": f'root ::= a{{0,{count}}}\na ::= "x" | "y" a'}
    for count in (10, 20, 30, 60):
        yield f"grammar nested repeat {count}", {"grammar": f"root ::= (([a-z]{{0,{count}}} \"x\"?){{0,{count}}} \"y\")"}
    for count, depth in ((20, 3), (50, 3), (10, 6), (100, 2), (4, 12), (2, 16), (16, 4)):
        chain = [f'r{level} ::= (r{level + 1} "x"?){{0,{count}}}' for level in range(depth)]
        yield f"grammar chained repeat {count}^{depth}", {"grammar": "\n".join(["root ::= r0", *chain, f"r{depth} ::= [a-z]"])}
        plain = [f"r{level} ::= r{level + 1}{{{count}}}" for level in range(depth)]
        yield f"grammar chained exact {count}^{depth}", {"grammar": "\n".join(["root ::= r0", *plain, f"r{depth} ::= [a-z]"])}
        double = [f"r{level} ::= r{level + 1} r{level + 1}" for level in range(depth)]
        yield f"grammar doubled {depth}", {"grammar": "\n".join(["root ::= r0", *double, f"r{depth} ::= [a-z]"])}
    yield "grammar ambiguous", {"grammar": 'root ::= s\ns ::= s s | "a" | "b" | ""'}
    yield "grammar ambiguous classes", {"grammar": "root ::= s \"x\"\ns ::= s s | s s s | [a-z] | [a-z0-9]"}
    yield "grammar ambiguous right", {"grammar": 'root ::= s "x"\ns ::= [a-z] s | [a-z] s s | [a-z]'}
    yield "grammar left recursion", {"grammar": 'root ::= root "a" | "b"'}
    yield "grammar palindromes", {"grammar": 'root ::= "a" root "a" | "b" root "b" | "a" | "b" | ""'}
    yield "grammar any", {"grammar": "root ::= [^x]* | ([^y]* [^z]*)* \"q\""}
    yield "json object", {"json_object": True}


class Ticker(threading.Thread):
    """Counts how long the GIL was not to be had."""

    def __init__(self):
        super().__init__(daemon=True)
        self.longest = 0.0
        self.done = False

    def run(self):
        last = time.perf_counter()
        while not self.done:
            time.sleep(0.002)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last - 0.002)
            last = now


def measure(tokenizer, vocab_size, constraint, report):
    import torch
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams
    from vllm.v1.structured_output.backend_xgrammar import XgrammarBackend, validate_xgrammar_grammar
    from vllm.v1.structured_output.request import get_structured_output_key

    torch.set_num_threads(1)
    config = SimpleNamespace(
        structured_outputs_config=SimpleNamespace(disable_any_whitespace=False),
        model_config=None,
        speculative_config=None,
    )
    backend = XgrammarBackend(config, tokenizer=tokenizer, vocab_size=vocab_size)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ticker = Ticker()
    ticker.start()
    params = SamplingParams(structured_outputs=StructuredOutputsParams(**constraint))
    started = time.process_time()
    try:
        validate_xgrammar_grammar(params)
        report("validate", time.process_time() - started)
        started = time.process_time()
        grammar = backend.compile_grammar(*get_structured_output_key(params.structured_outputs))
        report("compile", time.process_time() - started)
    except (ValueError, RuntimeError) as error:
        report("error", str(error)[:60].replace("\n", " ").replace("|", "/"))
        return
    ticker.done = True
    report("GIL", ticker.longest)
    report("MiB", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 2**10 / 1000)
    bitmask = backend.allocate_token_bitmask(1)
    dice = random.Random(7)
    slowest = {"mask": 0.0, "accept": 0.0}
    for _ in range(STEPS):
        started = time.thread_time()
        grammar.fill_bitmask(bitmask, 0)
        slowest["mask"] = max(slowest["mask"], time.thread_time() - started)
        bits = bitmask[0]
        words = [index for index, word in enumerate(bits.tolist()) if word]
        if not words:
            break
        word = dice.choice(words)
        allowed = [word * 32 + bit for bit in range(32) if int(bits[word]) >> bit & 1]
        token = dice.choice(allowed)
        started = time.thread_time()
        grammar.accept_tokens("", [token])
        slowest["accept"] = max(slowest["accept"], time.thread_time() - started)
        if grammar.is_terminated():
            break
    for name, seconds in slowest.items():
        report(name, seconds)


def main():
    from transformers import AutoTokenizer

    model, wanted = sys.argv[1], sys.argv[2:]
    tokenizer = AutoTokenizer.from_pretrained(model)
    with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
        vocab_size = json.load(file)["vocab_size"]
    import vllm.v1.structured_output.backend_xgrammar  # noqa: F401 (imported once, before the forks)

    columns = ("validate", "compile", "GIL", "MiB", "mask", "accept", "error")
    print("| case | " + " | ".join(columns) + " |\n|---|" + "---|" * len(columns), flush=True)
    fork = multiprocessing.get_context("fork")
    for name, constraint in cases():
        if wanted and not any(name.startswith(prefix) for prefix in wanted):
            continue
        seen = run_apart(fork, tokenizer, vocab_size, constraint)
        cells = [f"{seen[column] * 1000:.1f}" if isinstance(seen.get(column), float) else seen.get(column, "") for column in columns]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def run_apart(fork, tokenizer, vocab_size, constraint):
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=measure, args=(tokenizer, vocab_size, constraint, lambda *entry: sender.send(entry)))
    child.start()
    child.join(DEADLINE)
    seen = {}
    if child.is_alive():
        child.kill()
        child.join()
        seen["error"] = f"not done after {DEADLINE} s"
    elif child.exitcode != 0:
        seen["error"] = f"ended with {child.exitcode}"
    while receiver.poll():
        name, value = receiver.recv()
        seen[name] = value
    return seen


main()
