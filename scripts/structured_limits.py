"""How long vLLM takes over structured outputs at the limits of `[limits.structured]`, for docs/structured-outputs.md.

    .state/python/bin/python -B scripts/structured_limits.py MODEL guidance|xgrammar [CASE ...]

Runs vLLM's own validation, compilation, mask and acceptance as its engine does, with the tokeniser of the model in the folder
MODEL; no weights are loaded. Each case has a process of its own, which is ended after a while: native code cannot be
interrupted. Prints a Markdown table in milliseconds of processor time, of all threads for `validate` (which runs between two
steps) and `compile` (which does not), of one for `mask` and `accept`: the slowest step of a random answer that fits.
"""

import json
import multiprocessing
import os
import random
import resource
import sys
import time
from types import SimpleNamespace

os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
os.environ["VLLM_LOGGING_LEVEL"] = "CRITICAL"
os.environ["LLGUIDANCE_LOG_LEVEL"] = "0"

STEPS = 300
DEADLINE_SECONDS = 20
COLUMNS = ("validate", "compile", "MiB", "mask", "accept", "end")


def regex(text):
    return {"regex": text}


def grammar(text):
    return {"grammar": text}


def schema(value):
    return {"json": json.dumps(value)}


def pattern(text, count=1):
    return schema(properties(count, {"type": "string", "pattern": text}, required=True))


def properties(count, value, required=False, **more):
    names = [f"property_{index}" for index in range(count)]
    rest = {"required": names} if required else {}
    return {"type": "object", "properties": dict.fromkeys(names, value), "additionalProperties": False, **rest, **more}


def nested(depth):
    value = {"type": "string"}
    for _ in range(depth):
        value = {"type": "object", "properties": {"a": value}, "required": ["a"]}
    return value


def mutual(count):
    """Definitions that may each hold every other."""
    references = {f"d{index}": {"$ref": f"#/$defs/d{index}"} for index in range(count)}
    return {"$ref": "#/$defs/d0", "$defs": dict.fromkeys(references, {"type": "object", "properties": references})}


def rules(count, alternatives):
    def rule(index):
        following = f"r{(index + 1) % count}"
        return f'r{index} ::= "" | ' + " | ".join(f'"{chr(97 + n % 26)}{n}" {following}' for n in range(alternatives))

    return "\n".join(["root ::= r0", *map(rule, range(count))])


STRING = {"type": "string"}
CASES = {
    "any object": {"json_object": True},
    "regex: literal of 1,000": regex("a" * 1000),
    "regex: `.{0,250}`": regex(".{0,250}"),
    "regex: `[a-z]{0,1000}`": regex("[a-z]{0,1000}"),
    "regex: `(([a-z]{1,30}){1,30})`": regex("(([a-z]{1,30}){1,30})"),
    "regex: `((a{0,10}b?){0,50}c)`": regex("((a{0,10}b?){0,50}c)"),
    "regex: `.?`, 200 times": regex(".?" * 200),
    "regex: `.*`, 250 times": regex(".*" * 250),
    "regex: `(.{1,50})*0`": regex("(.{1,50})*0"),
    "regex: `(([a-z]+)+([a-z0-9]+)+)+X`": regex("(([a-z]+)+([a-z0-9]+)+)+X"),
    "regex: `((.*)*(.+)*)*x`": regex("((.*)*(.+)*)*x"),
    "regex: `.*a.{200}`": regex(".*a.{200}"),
    "regex: `(a|b)*a(a|b){300}`": regex("(a|b)*a(a|b){300}"),
    "regex: 200 words": regex("|".join(f"w{index}[0-9]+" for index in range(200))),
    "pattern: `.{0,50}`": pattern(".{0,50}"),
    "pattern: `[a-z]{0,200}`": pattern("[a-z]{0,200}"),
    "pattern: `(([a-z]{1,14}){1,14})`": pattern("(([a-z]{1,14}){1,14})"),
    "pattern: `((a{0,10}b?){0,18}c)`": pattern("((a{0,10}b?){0,18}c)"),
    "pattern: `.?`, 50 times": pattern(".?" * 50),
    "pattern: `.*a.{40}`": pattern(".*a.{40}"),
    "pattern: 50 of `[a-z]{0,4}`": pattern("[a-z]{0,4}", 50),
    "200 optional properties": schema(properties(200, STRING)),
    "200 required properties": schema(properties(200, STRING, required=True)),
    "2,000 optional properties": schema(properties(2000, STRING)),
    "100 properties, minProperties 10": schema(properties(100, STRING, minProperties=10)),
    "200 properties, minProperties 100": schema(properties(200, STRING, minProperties=100)),
    "14 definitions with 200 references": schema(mutual(14)),
    "nesting of 15": schema(nested(15)),
    "64 date-times": schema(properties(64, {"type": "string", "format": "date-time"})),
    "64 URIs": schema(properties(64, {"type": "string", "format": "uri"})),
    "enum of 1,000": schema({"enum": [f"value {index}" for index in range(1000)]}),
    "enum of 256 with 64 bytes": schema({"enum": [f"{index:064}" for index in range(256)]}),
    "choice of 1,000": {"choice": [f"value {index}" for index in range(1000)]},
    "anyOf of 200 objects": schema({"anyOf": [{"type": "object", "properties": {f"a{index}": STRING}} for index in range(200)]}),
    "anyOf of 200 equal objects": schema({"anyOf": [{"type": "object", "properties": {"a": STRING}} for _ in range(200)]}),
    "allOf of 200": schema({"type": "object", "allOf": [{"properties": {f"a{index}": STRING}} for index in range(200)]}),
    "maxLength 1,000": schema({"type": "string", "maxLength": 1000}),
    "minLength 1,000": schema({"type": "string", "minLength": 1000}),
    "64 strings of maxLength 1,000": schema(properties(64, {"type": "string", "maxLength": 1000})),
    "minItems 1,000 three times nested": schema(
        {"items": {"items": {"items": STRING, "type": "array", "minItems": 1000}, "type": "array", "minItems": 1000},
         "type": "array", "minItems": 1000}),
    "maxItems 1,000 three times nested": schema(
        {"items": {"items": {"items": STRING, "type": "array", "maxItems": 1000}, "type": "array", "maxItems": 1000},
         "type": "array", "maxItems": 1000}),
    "integer of 16 digits": schema({"type": "integer", "minimum": -123456789, "maximum": 9876543210987654}),
    "grammar: 100 rules of 5": grammar(rules(100, 4)),
    "grammar: literal of 16,000": grammar('root ::= "' + "a" * 16000 + '"'),
    "grammar: `[a-z]{0,1000}`": grammar("root ::= [a-z]{0,1000}"),
    "grammar: nested repetitions": grammar('root ::= (([a-z]{0,30} "x"?){0,30} "y")'),
    "grammar: repetitions through rules": grammar(
        'root ::= (r0 "x"?){0,50}\nr0 ::= (r1 "x"?){0,50}\nr1 ::= (r2 "x"?){0,50}\nr2 ::= [a-z]'),
    "grammar: ambiguous classes": grammar('root ::= s "x"\ns ::= s s | s s s | [a-z] | [a-z0-9]'),
    "grammar: ambiguous to the right": grammar('root ::= s "x"\ns ::= [a-z] s | [a-z] s s | [a-z]'),
    "grammar: ambiguous and empty": grammar('root ::= s\ns ::= s s | "a" | "b" | ""'),
    "grammar: star of nullable": grammar('root ::= ([^y]* [^z]*)* "q"'),
    "grammar: palindromes": grammar("root ::= [a-z] root [a-z] | [a-z]"),
}


def backend_of(name):
    """vLLM's class for compiling, and its function for validating."""
    if name == "xgrammar":
        from vllm.v1.structured_output.backend_xgrammar import XgrammarBackend, validate_xgrammar_grammar

        return XgrammarBackend, validate_xgrammar_grammar
    from vllm.v1.structured_output.backend_guidance import GuidanceBackend, validate_guidance_grammar

    return GuidanceBackend, lambda params: validate_guidance_grammar(params, tokenizer=None)


def measure(backend, validate, constraint, report):
    from vllm import SamplingParams
    from vllm.sampling_params import StructuredOutputsParams
    from vllm.v1.structured_output.request import get_structured_output_key

    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    params = SamplingParams(structured_outputs=StructuredOutputsParams(**constraint))
    try:
        report("validate", timed(time.process_time, lambda: validate(params))[1])
        key = get_structured_output_key(params.structured_outputs)
        compiled, seconds = timed(time.process_time, lambda: backend.compile_grammar(*key))
    except Exception as error:
        report("end", f"refused: {type(error).__name__}")
        return
    report("compile", seconds)
    report("MiB", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 2**10)
    report("end", "in a step")
    walk(backend, compiled, report)


def walk(backend, compiled, report):
    """A random answer, token by token."""
    bitmask = backend.allocate_token_bitmask(1)
    dice = random.Random(7)
    masks, acceptances, end = [], [], "after all steps"
    for _ in range(STEPS):
        masks.append(timed(time.thread_time, lambda: compiled.fill_bitmask(bitmask, 0))[1])
        words = [(index, word) for index, word in enumerate(bitmask[0].tolist()) if word]
        index, word = dice.choice(words)
        token = index * 32 + dice.choice([bit for bit in range(32) if word >> bit & 1])
        acceptances.append(timed(time.thread_time, lambda token=token: compiled.accept_tokens("", [token]))[1])
        if compiled.is_terminated():
            given_up = getattr(compiled, "ll_matcher", None) and compiled.ll_matcher.is_error()
            end = "given up" if given_up else "complete"
            break
    report("mask", max(masks))
    report("accept", max(acceptances))
    report("end", end)


def timed(clock, call):
    started = clock()
    result = call()
    return result, clock() - started


def run_apart(*arguments):
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=measure, args=(*arguments, lambda *entry: sender.send(entry)))
    child.start()
    child.join(DEADLINE_SECONDS)
    stuck = child.is_alive()
    if stuck:
        child.kill()
        child.join()
    seen = {"end": "compiling"}
    while receiver.poll():
        column, value = receiver.recv()
        seen[column] = value
    if stuck:
        seen["end"] = f"**stuck {seen['end']}**"
    return seen


def cell(column, value):
    if not isinstance(value, float):
        return value or ""
    return f"{value:.0f}" if column == "MiB" else f"{value * 1000:.1f}"


def main():
    from transformers import AutoTokenizer

    model, name, wanted = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(os.path.join(model, "config.json"), encoding="utf-8") as file:
        vocab_size = json.load(file)["vocab_size"]
    kind, validate = backend_of(name)
    options = SimpleNamespace(disable_any_whitespace=False, disable_additional_properties=False)
    config = SimpleNamespace(structured_outputs_config=options, model_config=None, speculative_config=None)
    backend = kind(config, tokenizer=AutoTokenizer.from_pretrained(model), vocab_size=vocab_size)

    print(f"| {name} | " + " | ".join(COLUMNS) + " |\n|---|" + "---|" * len(COLUMNS), flush=True)
    for case, constraint in CASES.items():
        if not wanted or any(case.startswith(prefix) for prefix in wanted):
            seen = run_apart(backend, validate, constraint)
            cells = (cell(column, seen.get(column)) for column in COLUMNS)
            print(f"| {case} | " + " | ".join(cells) + " |", flush=True)


main()
