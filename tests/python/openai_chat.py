"""An unmodified OpenAI program with only its base URL changed: plain and streaming chat, and the model list."""

import sys

from openai import BadRequestError, NotFoundError, OpenAI

client = OpenAI(base_url=sys.argv[1], api_key="unused", max_retries=0)
messages = [{"role": "user", "content": "What is the capital of France?"}]

(model,) = client.models.list().data
assert client.models.retrieve(model.id).id == model.id

answer = client.chat.completions.create(model=model.id, messages=messages)
assert "Paris" in answer.choices[0].message.content, answer
assert answer.choices[0].finish_reason == "stop", answer
assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens, answer

stream = client.chat.completions.create(
    model=model.id, messages=messages, stream=True, stream_options={"include_usage": True}
)
chunks = list(stream)
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
assert text == answer.choices[0].message.content, (text, answer)
assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop", chunks
assert chunks[-1].usage == answer.usage, (chunks[-1], answer)

try:
    client.chat.completions.create(model="no-such-model", messages=messages)
    raise SystemExit("an unknown model was served")
except NotFoundError as error:
    assert error.code == "model_not_found", error.body

try:
    client.chat.completions.create(model=model.id, messages=messages, extra_body={"no_such_parameter": 1})
    raise SystemExit("an unknown parameter was ignored")
except BadRequestError as error:
    assert "no_such_parameter" in error.message, error.body

print(text)
