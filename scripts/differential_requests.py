"""Writes the requests of the differential test: picked ones for each parameter, and combinations drawn with a seed.

    python3 scripts/differential_requests.py [--output FOLDER]

One file of JSON lines for each model, tests/data/differential/<model>/requests.jsonl: a name, the path, and the body, or
`raw` where it is no JSON. The same files each time; `scripts/vllm_reference.py` then has to record vLLM's answers anew.
Answers are short, and prompts such that greedy decoding meets no tie.
"""

import argparse
import json
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHAT, COMPLETIONS, RESPONSES, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings"
SEED = 20_260_729
# More tokens than any of the models has room for, in few bytes.
LONG = "\N{CUNEIFORM SIGN A}" * 2500


def user(content, **more):
    return {"role": "user", "content": content, **more}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content, **more):
    return {"role": "system", "content": content, **more}


def text(words):
    return {"type": "text", "text": words}


FRANCE = [user("What is the capital of France?")]
ADA = [user("My name is Ada."), assistant("Nice to meet you, Ada!"), user("What is my name?")]
COUNT = [user("List the numbers from 1 to 20, separated by commas.")]
CONVERSATIONS = {
    "france": FRANCE,
    "ada": ADA,
    "count": COUNT,
    "brief": [system("You answer in one short sentence."), user("Why is the sky blue?")],
    "code": [user("Write a Python function that reverses a string.")],
    "german": [user("Wie heißt die Hauptstadt von Österreich?")],
    "emoji": [user([text("Reply with three emoji that fit the word 'party' 🎉.")])],
}

# Conversations: scripts beyond Latin, white space at the borders, every role and kind of content.
CHATS = {
    "story": ([user("Write a story about a lighthouse keeper and a whale.")], 160),
    "translations": ([user("Translate 'good morning' into French, Japanese and Russian.")], 48),
    "chinese": ([user("请用中文介绍一下北京。")], 48),
    "arabic": ([user("اكتب جملة عن البحر.")], 24),
    "white-space": ([user("  \n\tlist the numbers from 1 to 20, separated by commas\n\n")], 24),
    "combining": ([system(""), user("👩‍👩‍👧‍👦 and 🇩🇪 and e\u0301: what are these?")], 40),
    "markup": ([user("<|not a token|> & <b>\"quotes\"</b> 'and' {{ braces }}")], 24),
    "template-markup": ([user("Say <|im_end|> and {% raw %} and <|im_start|>assistant")], 24),
    "developer": ([{"role": "developer", "content": "You are terse."}, user("Name a colour.")], 16),
    "parts": ([user([text("Name one"), text("animal of"), text("the sea.")])], 16),
    "system-parts": ([system([text("You are"), text("a pirate.")]), user("Who are you?")], 16),
    "assistant-parts": ([user("Hi"), assistant([text("Hello!"), text("How are you?")]), user("Fine. And you?")], 16),
    "names": ([user("Hi, I am Bob.", name="bob"), assistant("Hi!", name="helper"), user("Who am I?", name="bob")], 16),
    "two-users": ([user("One."), user("Two."), user("What comes next?")], 16),
    "system-last": ([user("Hi"), system("Speak German.")], 16),
    "assistant-last": ([user("Hi"), assistant("Hello,")], 16),
    "tool-result": (
        [
            user("What is the weather in Paris?"),
            assistant("", tool_calls=[{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Paris\"}"}}]),
            {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees, sunny"},
        ],
        16,
    ),
    "tool-result-parts": (
        [user("Add."), assistant("I add.", tool_calls=[{"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}]),
         {"role": "tool", "tool_call_id": "c", "content": [text("4"), text("2")]}, user("So?")],
        16,
    ),
    "empty-user": ([user("")], 16),
    "reasoning": ([user("Hi"), assistant("Hello!", reasoning="The user greets."), user("Bye")], 16),
    "reasoning-content": ([user("Hi"), assistant("Hello!", reasoning_content="The user greets."), user("Bye")], 16),
}

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris", "London"]}, "capital": {"type": "boolean"}},
    "required": ["city", "capital"],
    "additionalProperties": False,
}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA, "strict": True}}
GRAMMAR = 'root ::= "yes" | "no" | "perhaps " [a-c] [a-c]'
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "London"]}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
TIME = {
    "type": "function",
    "function": {
        "name": "time",
        "parameters": {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}}, "required": ["zone"], "additionalProperties": False},
    },
}
NAMED = {"type": "function", "function": {"name": "time"}}

# Valid values of what chat completions and completions share: alone, and as a pool for combinations. A value that samples
# has a seed beside it.
SAMPLED = {"temperature": 0.9, "seed": 7}
SHARED = [
    {"temperature": 0},
    {"temperature": 0.000001},
    {"temperature": 0.7, "seed": 1},
    {"temperature": 1, "seed": 0},
    {"temperature": 2, "seed": 9223372036854775807},
    {"temperature": 1.3, "seed": -9223372036854775808},
    {"top_p": 1, **SAMPLED},
    {"top_p": 0.3, **SAMPLED},
    {"top_p": 0.000001, **SAMPLED},
    {"top_k": 0, **SAMPLED},
    {"top_k": -1, **SAMPLED},
    {"top_k": 1, **SAMPLED},
    {"top_k": 5, **SAMPLED},
    {"top_k": 1000000, **SAMPLED},
    {"min_p": 0, **SAMPLED},
    {"min_p": 0.2, **SAMPLED},
    {"min_p": 1, **SAMPLED},
    {"presence_penalty": -2, "max_tokens": 8},
    {"presence_penalty": 2},
    {"frequency_penalty": -2, "max_tokens": 8},
    {"frequency_penalty": 2},
    {"repetition_penalty": 0.7, "max_tokens": 8},
    {"repetition_penalty": 1.5},
    {"n": 1},
    {"n": 3, **SAMPLED, "max_tokens": 8},
    {"n": 2, "temperature": 0.8, "seed": -5, "max_tokens": 8},
    {"logit_bias": {}},
    {"logit_bias": {"28": -100, "7042": -100, "38634": 2.5}},
    {"logit_bias": {"504": 100}, "max_tokens": 3},
    {"bad_words": ["Paris", " London", "1, 2"]},
    {"bad_words": []},
    {"allowed_token_ids": [504, 7042, 28, 30, 2]},
    {"min_tokens": 0},
    {"min_tokens": 14, "max_tokens": 16},
    {"min_tokens": 4, "stop": ["a", "1"]},
    {"stop": ","},
    {"stop": []},
    {"stop": ["is Par", "3, 4"]},
    {"stop": [" the", "e "], "include_stop_str_in_output": True},
    {"stop": ["never to be found in this"]},
    {"stop": ["é", "🎉", "\n"]},
    {"stop_token_ids": [7042, 28]},
    {"stop_token_ids": []},
    {"stop_token_ids": [30, 28], "include_stop_str_in_output": True},
    {"ignore_eos": True, "max_tokens": 14},
    {"ignore_eos": True, "skip_special_tokens": False, "max_tokens": 14},
    {"skip_special_tokens": False},
    {"spaces_between_special_tokens": False, "skip_special_tokens": False},
    {"prompt_logprobs": 0, "max_tokens": 4},
    {"prompt_logprobs": 2, "max_tokens": 4},
    {"return_token_ids": True},
    {"user": "somebody"},
    {"priority": 0},
    {"cache_salt": "a-salt"},
    {"response_format": {"type": "text"}},
    {"response_format": {"type": "json_object"}, "max_tokens": 20},
    {"response_format": JSON_SCHEMA, "max_tokens": 24},
    {"structured_outputs": {"json": SCHEMA}, "max_tokens": 24},
    {"structured_outputs": {"json": json.dumps(SCHEMA)}, "max_tokens": 24},
    {"structured_outputs": {"regex": "[A-C]{2,4}-[0-9]{2}"}},
    {"structured_outputs": {"choice": ["Paris", "London", "the moon"]}},
    {"structured_outputs": {"grammar": GRAMMAR}},
    {"structured_outputs": {"json_object": True}, "max_tokens": 20},
]
CHAT_ONLY = [
    {"max_tokens": 1},
    {"max_completion_tokens": 5},
    {"max_completion_tokens": 6, "max_tokens": 6},
    {"logprobs": True},
    {"logprobs": True, "top_logprobs": 0},
    {"logprobs": True, "top_logprobs": 3},
    {"logprobs": True, "top_logprobs": 20, "max_tokens": 3},
    {"logprobs": False},
    {"logprobs": True, "top_logprobs": 2, "return_tokens_as_token_ids": True},
    {"logprobs": True, "top_logprobs": 2, "temperature": 1.5, "seed": 3},
    {"logprobs": True, "stop": ["is"]},
    {"add_generation_prompt": False},
    {"add_generation_prompt": True},
    {"add_special_tokens": True},
    {"documents": [{"title": "A", "text": "B"}]},
    {"chat_template_kwargs": {"anything": 1}},
    {"chat_template_kwargs": {}},
    {"reasoning_effort": "low"},
    {"reasoning_effort": "none"},
    {"include_reasoning": True},
    {"include_reasoning": False},
    {"parallel_tool_calls": False},
    {"metadata": {"a": "b"}},
    {"store": True},
    {"service_tier": "auto"},
    {"modalities": ["text"]},
    {"prompt_cache_key": "k"},
    {"safety_identifier": "s"},
    {"tools": [WEATHER], "tool_choice": "none"},
]
# vLLM needs to know the model's format even where it enforces a call, so these are not combined.
ENFORCED = [
    {"tools": [WEATHER, TIME], "tool_choice": "required", "max_tokens": 64},
    {"tools": [WEATHER, TIME], "tool_choice": NAMED, "max_tokens": 48},
]
COMPLETION_ONLY = [
    {"max_tokens": 1},
    {"max_tokens": 0, "echo": True},
    {"echo": True},
    {"echo": True, "logprobs": 2},
    {"echo": True, "logprobs": 1, "max_tokens": 0},
    {"echo": True, "return_token_ids": True},
    {"logprobs": 0},
    {"logprobs": 3},
    {"logprobs": 20, "max_tokens": 2},
    {"logprobs": 2, "return_tokens_as_token_ids": True},
    {"logprobs": 1, "stop": ["is"]},
    {"add_special_tokens": False},
]
PROMPTS = {
    "text": "The capital of France is",
    "texts": ["The capital of France is", "One, two, three,"],
    "ids": [504, 3575, 282, 4649, 314],
    "id-lists": [[504, 3575, 282, 4649, 314], [3725]],
    "umlauts": "Größe und Übersicht 🎉 sind",
    "space": " ",
}
STREAMS = [
    {"stream": True},
    {"stream": True, "stream_options": {"include_usage": True}},
    {"stream": True, "stream_options": {"include_usage": False}},
    {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}},
    {"stream": True, "stream_options": {}},
]

# Values that no server should take, of parameters that chat completions and completions share.
REFUSED = [
    {"temperature": -0.1},
    {"temperature": "hot"},
    {"temperature": 2.1},
    {"temperature": True},
    {"top_p": 0},
    {"top_p": 1.1},
    {"top_p": -1},
    {"top_k": -2},
    {"top_k": 1.5},
    {"min_p": -0.1},
    {"min_p": 1.1},
    {"presence_penalty": 2.1},
    {"presence_penalty": -2.1},
    {"frequency_penalty": 2.1},
    {"repetition_penalty": 0},
    {"repetition_penalty": -1},
    {"n": 0},
    {"n": -1},
    {"n": 129},
    {"n": 2, "temperature": 0},
    {"n": "two"},
    {"max_tokens": -1},
    {"max_tokens": 1.5},
    {"max_tokens": 100000},
    {"min_tokens": -1},
    {"min_tokens": 20, "max_tokens": 10},
    {"seed": 0.5},
    {"seed": 9223372036854775808},
    {"logit_bias": {"cat": 1}},
    {"logit_bias": {"49152": 1}},
    {"logit_bias": {"28": 101}},
    {"logit_bias": {"28": "much"}},
    {"logit_bias": [28]},
    {"bad_words": "Paris"},
    {"bad_words": [""]},
    {"allowed_token_ids": []},
    {"allowed_token_ids": [49152]},
    {"stop": 5},
    {"stop": [5]},
    {"stop": ""},
    {"stop": [""]},
    {"stop_token_ids": ["a"]},
    {"stop_token_ids": [-1]},
    {"prompt_logprobs": -2},
    {"prompt_logprobs": 21},
    {"prompt_logprobs": -1},
    {"prompt_logprobs": 1, "stream": True},
    {"stream": "yes"},
    {"stream_options": {"include_usage": True}},
    {"stream": False, "stream_options": {"include_usage": True}},
    {"stream": True, "stream_options": {"include_usage": "yes"}},
    {"ignore_eos": "yes"},
    {"priority": 1},
    {"priority": "high"},
    {"cache_salt": ""},
    {"cache_salt": "a/b"},
    {"cache_salt": "s" * 2000},
    {"response_format": {"type": "xml"}},
    {"response_format": {"type": "json_schema"}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nothing"}}}},
    {"response_format": "json"},
    {"structured_outputs": {}},
    {"structured_outputs": {"regex": "("}},
    {"structured_outputs": {"choice": []}},
    {"structured_outputs": {"grammar": "root ::= missing"}},
    {"structured_outputs": {"regex": "a", "choice": ["b"]}},
    {"structured_outputs": {"json": {"type": "nothing"}}},
    {"user": 5},
]
CHAT_REFUSED = [
    {"messages": []},
    {"messages": "Hi"},
    {"messages": None},
    {"messages": [{"role": "wizard", "content": "Hi"}]},
    {"messages": [{"content": "Hi"}]},
    {"messages": [{"role": "user"}]},
    {"messages": [user(5)]},
    {"messages": [user([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])]},
    {"messages": [user([{"type": "video", "video": "x"}])]},
    {"messages": [{"role": "tool", "content": "x"}]},
    {"messages": [user(LONG)]},
    {"model": "gpt-9"},
    {"model": None},
    {"model": 5},
    {"max_tokens": 0},
    {"max_completion_tokens": 0},
    {"max_completion_tokens": 5, "max_tokens": 6},
    {"top_logprobs": 2},
    {"logprobs": True, "top_logprobs": 21},
    {"logprobs": True, "top_logprobs": -2},
    {"logprobs": True, "top_logprobs": -1},
    {"logprobs": 5},
    {"tools": []},
    {"tools": [WEATHER]},
    {"tools": [{"type": "magic"}]},
    {"tools": [{"type": "function", "function": {}}]},
    {"tool_choice": "auto"},
    {"tool_choice": "required"},
    {"tools": [WEATHER], "tool_choice": "sometimes"},
    {"tools": [WEATHER], "tool_choice": NAMED},
    {"tools": [WEATHER], "tool_choice": {"type": "function"}},
    {"tools": [WEATHER], "tool_choice": "required", "response_format": JSON_SCHEMA},
    {"reasoning_effort": "enormous"},
    {"chat_template": "{{ messages }}"},
    {"continue_final_message": True, "add_generation_prompt": True},
    {"service_tier": "fastest"},
]
COMPLETION_REFUSED = [
    {"prompt": ""},
    {"prompt": []},
    {"prompt": None},
    {"prompt": 5},
    {"prompt": [49152]},
    {"prompt": [-1]},
    {"prompt": ["a", 5]},
    {"prompt": LONG},
    {"model": "gpt-9"},
    {"logprobs": 21},
    {"logprobs": -2},
    {"logprobs": True},
    {"suffix": "the end"},
    {"max_tokens": 0},
    {"echo": "yes"},
]
RESPONSE_CASES = {
    "text": {},
    "instructions": {"instructions": "You answer in one short sentence."},
    "messages": {"input": [{"role": "user", "content": "Name a colour."}]},
    "typed-messages": {"input": [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "Be brief."}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "My name is"}, {"type": "input_text", "text": "Ada."}]},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [{"type": "output_text", "text": "Nice to meet you!", "annotations": []}]},
        {"type": "message", "role": "user", "content": "What is my name?"},
    ]},
    "developer": {"input": [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}]},
    "function-output": {"input": [
        {"role": "user", "content": "What is the weather?"},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\": \"Paris\"}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "18 degrees"},
    ]},
    "incomplete": {"max_output_tokens": 4},
    "sampled": {"temperature": 0.8, "seed": 3, "top_p": 0.9},
    "logprobs": {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "max_output_tokens": 6},
    "json-object": {"text": {"format": {"type": "json_object"}}, "max_output_tokens": 20},
    "json-schema": {"text": {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA, "strict": True}}},
    "plain-text": {"text": {"format": {"type": "text"}}},
    "metadata": {"metadata": {"a": "b"}, "user": "u", "store": False},
    "stop": {"stop": [" is"]},
    "penalties": {"presence_penalty": 1, "frequency_penalty": 0.5, "repetition_penalty": 1.1},
    "top-k": {"top_k": 4, "min_p": 0.1, "temperature": 1, "seed": 5},
    "logit-bias": {"logit_bias": {"504": -100}},
    "required": {"tools": [{"type": "function", **WEATHER["function"]}], "tool_choice": "required", "max_output_tokens": 64},
    "named": {"tools": [{"type": "function", **WEATHER["function"]}, {"type": "function", **TIME["function"]}], "tool_choice": {"type": "function", "name": "time"}, "max_output_tokens": 48},
    "no-tool": {"tools": [{"type": "function", **WEATHER["function"]}], "tool_choice": "none"},
    "truncation": {"truncation": "disabled", "service_tier": "auto", "parallel_tool_calls": True},
}
RESPONSE_REFUSED = [
    {"input": []},
    {"input": None},
    {"input": 5},
    {"input": [{"role": "wizard", "content": "x"}]},
    {"input": [{"type": "nothing"}]},
    {"model": "gpt-9"},
    {"temperature": 3},
    {"top_p": 0},
    {"max_output_tokens": 0},
    {"max_output_tokens": "many"},
    {"previous_response_id": "resp_0"},
    {"include": ["everything"]},
    {"tools": [{"type": "function"}]},
    {"tools": [{"type": "magic"}]},
    {"tool_choice": "sometimes"},
    {"text": {"format": {"type": "xml"}}},
    {"text": {"format": {"type": "json_schema", "name": "x"}}},
    {"truncation": "maybe"},
    {"reasoning": {"effort": "enormous"}},
    {"stream": "yes"},
    {"input": LONG},
]
RAW = {"no-json": '{"model": ', "a-list": "[]", "a-text": '"text"', "empty": "", "two": "{} {}"}


class Suite:
    """The requests to one model."""

    def __init__(self, model):
        self.model = model
        self.requests = {}

    def add(self, name, path, body=None, **how):
        assert name not in self.requests, name
        body = body if body is None else {"model": self.model} | body
        self.requests[name] = {"name": name, "path": path, **how} | ({} if body is None else {"body": body})

    def chat(self, name, messages=FRANCE, more=None):
        limits = {} if more and {"max_tokens", "max_completion_tokens"} & more.keys() else {"max_tokens": 12}
        self.add(f"chat/{name}", CHAT, {"messages": messages} | limits | (more or {}))

    def completion(self, name, prompt=PROMPTS["text"], more=None):
        limits = {} if more and "max_tokens" in more else {"max_tokens": 10}
        self.add(f"completions/{name}", COMPLETIONS, {"prompt": prompt} | limits | (more or {}))

    def response(self, name, more=None):
        self.add(f"responses/{name}", RESPONSES, {"input": "What is the capital of France?", "max_output_tokens": 12} | (more or {}))

    def write(self, output):
        path = output / self.model / "requests.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(request, ensure_ascii=False) + "\n" for request in self.requests.values())
        path.write_text("".join(lines), encoding="utf-8")


def named(cases):
    """Names cases after their parameters, and numbers those of the same."""
    counts = {}
    for case in cases:
        name = "+".join(case) or "plain"
        counts[name] = counts.get(name, 0) + 1
        yield f"{name}/{counts[name]}", case


def combined(draw, pool, least, most):
    """Several of `pool`, none of which has a parameter in common with another."""
    case = {}
    for more in draw.sample(pool, draw.randint(least, most) + 3):
        if not case.keys() & more.keys() and not {"structured_outputs", "response_format", "tools"} & case.keys():
            case |= more
    return case


def default_model():
    suite, draw = Suite("smollm2-135m-instruct"), random.Random(SEED)
    for name, (messages, limit) in CHATS.items():
        suite.chat(f"conversation/{name}", messages, {"max_tokens": limit})
    for name, case in named(SHARED + CHAT_ONLY + ENFORCED):
        suite.chat(name, draw.choice([FRANCE, COUNT]), case)
    suite.chat("echo/1", [user("Hi"), assistant("Hello,")], {"echo": True, "add_generation_prompt": False})
    suite.chat("echo/2", FRANCE, {"echo": True})
    suite.chat("continued/1", [user("Count."), assistant("1, 2, 3,")], {"continue_final_message": True, "add_generation_prompt": False})
    suite.chat("continued/2", [user("Count."), assistant("1, 2, 3,")], {"continue_final_message": True, "add_generation_prompt": False, "echo": True})
    suite.chat("no-limit", FRANCE, {"max_tokens": None})
    suite.chat("nulls", FRANCE, dict.fromkeys(["temperature", "top_p", "n", "stop", "tools", "tool_choice", "response_format", "seed", "logit_bias", "user", "stream", "stream_options", "logprobs", "top_logprobs"]))
    for number, case in enumerate(STREAMS, 1):
        suite.chat(f"stream/{number}", draw.choice(list(CONVERSATIONS.values())), case)
    for number in range(1, 61):
        conversation = draw.choice(list(CONVERSATIONS.values()))
        stream = draw.choice(STREAMS) if draw.random() < 0.6 else {}
        case = combined(draw, SHARED + CHAT_ONLY, 2, 4) | stream
        if stream:
            case.pop("prompt_logprobs", None)
        suite.chat(f"combined/{number}", conversation, case)
    for name, case in named(REFUSED + CHAT_REFUSED):
        suite.chat(f"refused/{name}", FRANCE, case)
    for name, prompt in PROMPTS.items():
        suite.completion(f"prompt/{name}", prompt)
        suite.completion(f"prompt/{name}/stream", prompt, {"stream": True, "stream_options": {"include_usage": True}})
    for name, case in named(COMPLETION_ONLY):
        suite.completion(name, PROMPTS["text"], case)
    for number in range(1, 41):
        prompt = draw.choice(list(PROMPTS.values()))
        stream = draw.choice(STREAMS) if draw.random() < 0.5 else {}
        case = combined(draw, SHARED + COMPLETION_ONLY, 1, 4) | stream
        if stream:
            case.pop("prompt_logprobs", None)
        suite.completion(f"combined/{number}", prompt, case)
    for name, case in named(COMPLETION_REFUSED + draw.sample(REFUSED, 25)):
        suite.completion(f"refused/{name}", PROMPTS["text"], case)
    for name, case in RESPONSE_CASES.items():
        suite.response(name, case)
        suite.response(f"{name}/stream", case | {"stream": True})
    for name, case in named(RESPONSE_REFUSED):
        suite.response(f"refused/{name}", case)
    others(suite)
    return suite


# For the model that knows tools and thinking: what it says makes no sense, so only the forms count.
TOOLS = [WEATHER, TIME]
TOOL_CONVERSATION = [
    user("What is the weather in Paris?"),
    assistant(None, reasoning="I need a tool.", tool_calls=[
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Paris\", \"unit\": \"C\"}"}},
    ]),
    {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees"},
]
TINY_CASES = [
    {},
    {"reasoning_effort": "none"},
    {"reasoning_effort": "high"},
    {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": True}},
    {"chat_template_kwargs": {"enable_thinking": False}},
    {"include_reasoning": False},
    {"include_reasoning": False, "logprobs": True},
    {"return_token_ids": True},
    {"logprobs": True, "top_logprobs": 2},
    {"temperature": 1, "seed": 11, "n": 3},
    {"temperature": None, "seed": 2},
    {"stop": ["e"]},
    {"response_format": JSON_SCHEMA},
    {"response_format": JSON_SCHEMA, "reasoning_effort": "none"},
    {"structured_outputs": {"choice": ["yes", "no"]}, "chat_template_kwargs": {"enable_thinking": False}},
    {"tools": TOOLS},
    {"tools": TOOLS, "tool_choice": "auto", "reasoning_effort": "none"},
    {"tools": TOOLS, "tool_choice": "none"},
    {"tools": TOOLS, "tool_choice": "required"},
    {"tools": TOOLS, "tool_choice": "required", "reasoning_effort": "none"},
    {"tools": TOOLS, "tool_choice": "required", "parallel_tool_calls": False, "reasoning_effort": "none"},
    {"tools": TOOLS, "tool_choice": "required", "n": 2, "temperature": 1, "seed": 4, "reasoning_effort": "none"},
    {"tools": TOOLS, "tool_choice": NAMED, "reasoning_effort": "none"},
    {"tools": TOOLS, "tool_choice": NAMED},
    {"tools": TOOLS, "tool_choice": NAMED, "logprobs": True, "reasoning_effort": "none"},
    {"tools": TOOLS, "tool_choice": "required", "return_token_ids": True, "reasoning_effort": "none"},
]
TINY_RESPONSES = [
    {},
    {"reasoning": {"effort": "none"}},
    {"reasoning": {"effort": "high"}},
    {"tools": [{"type": "function", **WEATHER["function"]}], "tool_choice": "required", "reasoning": {"effort": "none"}},
    {"tools": [{"type": "function", **WEATHER["function"]}], "tool_choice": "auto"},
    {"tools": [{"type": "function", **TIME["function"]}], "tool_choice": {"type": "function", "name": "time"}, "reasoning": {"effort": "none"}},
    {"text": {"format": {"type": "json_schema", "name": "city", "schema": SCHEMA}}, "reasoning": {"effort": "none"}},
    {"input": [
        {"role": "user", "content": "Weather?"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "A tool."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\": \"Paris\"}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "18 degrees"},
    ]},
]


def tiny_chat():
    suite = Suite("tiny-chat")
    for name, case in named(TINY_CASES):
        case = {"max_tokens": 120} | case
        suite.chat(name, FRANCE, case)
        suite.chat(f"{name}/stream", TOOL_CONVERSATION, case | {"stream": True, "stream_options": {"include_usage": True}})
    for name, case in named(TINY_RESPONSES):
        case = {"max_output_tokens": 120} | case
        suite.response(name, case)
        suite.response(f"{name}/stream", case | {"stream": True})
    suite.add("tokenize/tools", "/tokenize", {"messages": TOOL_CONVERSATION, "tools": TOOLS})
    suite.add("embeddings/refused", EMBEDDINGS, {"input": "a"})
    return suite


def tiny_embedding():
    suite = Suite("tiny-embedding")
    for name, case in named([
        {},
        {"input": ["The capital of France", "Größe 🎉"]},
        {"input": [5, 6, 7]},
        {"input": [[5, 6, 7], [8]]},
        {"encoding_format": "base64"},
        {"encoding_format": "float", "user": "somebody"},
        {"dimensions": 64},
        {"dimensions": 32},
        {"dimensions": 65},
        {"dimensions": 0},
        {"add_special_tokens": False},
        {"truncate_prompt_tokens": 100},
        {"truncate_prompt_tokens": -1},
        {"truncate_prompt_tokens": 2},
        {"priority": 0},
        {"cache_salt": "a-salt"},
        {"input": ""},
        {"input": []},
        {"input": None},
        {"input": 5},
        {"input": [1024]},
        {"input": LONG},
        {"encoding_format": "hex"},
        {"model": "gpt-9"},
    ]):
        suite.add(f"embeddings/{name}", EMBEDDINGS, {"input": "The capital of France"} | case)
    suite.add("chat/refused", CHAT, {"messages": FRANCE})
    suite.add("models/list", "/v1/models", method="GET")
    return suite


def others(suite):
    suite.add("models/list", "/v1/models", method="GET")
    suite.add("models/retrieve", f"/v1/models/{suite.model}", method="GET")
    suite.add("models/unknown", "/v1/models/gpt-9", method="GET")
    suite.add("unknown-route", "/v1/nothing", method="GET")
    suite.add("wrong-method", CHAT, method="GET")
    for name, raw in RAW.items():
        suite.add(f"raw/{name}", CHAT, raw=raw)
    for name, body in {
        "text": {"prompt": "The capital of France"},
        "empty": {"prompt": ""},
        "markup": {"prompt": "<|im_start|>user 🎉"},
        "no-specials": {"prompt": "<|im_start|>", "add_special_tokens": False},
        "strings": {"prompt": "Größe 🎉", "return_token_strs": True},
        "chat": {"messages": ADA},
        "chat-strings": {"messages": FRANCE, "return_token_strs": True, "add_generation_prompt": False},
        "chat-continued": {"messages": [user("Hi"), assistant("Hello,")], "continue_final_message": True, "add_generation_prompt": False},
        "chat-tools": {"messages": FRANCE, "tools": [WEATHER]},
        "neither": {},
        "list": {"prompt": ["a"]},
        "both": {"prompt": "a", "messages": FRANCE},
        "model": {"prompt": "a", "model": "gpt-9"},
    }.items():
        suite.add(f"tokenize/{name}", "/tokenize", body)
    for name, body in {
        "ids": {"tokens": [504, 3575, 282, 4649]},
        "specials": {"tokens": [1, 504, 2]},
        "none": {"tokens": []},
        "pieces": {"tokens": [177, 161]},
        "unknown": {"tokens": [49152]},
        "negative": {"tokens": [-1]},
        "text": {"tokens": "a"},
    }.items():
        suite.add(f"detokenize/{name}", "/detokenize", body)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=ROOT / "tests/data/differential")
    arguments = parser.parse_args()
    for suite in [default_model(), tiny_chat(), tiny_embedding()]:
        suite.write(arguments.output)
        print(suite.model, len(suite.requests))
