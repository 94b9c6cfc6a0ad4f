"""An answer that is shown while it is written."""

import os

from openai import OpenAI

client = OpenAI(base_url=os.environ.get("BASE_URL", "http://127.0.0.1:8080/v1"), api_key="unused")
model = os.environ.get("MODEL") or client.models.list().data[0].id

stream = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "Write a story about a lighthouse keeper and a whale."}],
    max_completion_tokens=200,
    stream=True,
    stream_options={"include_usage": True},
)
finish_reason = None
for chunk in stream:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
        finish_reason = choice.finish_reason or finish_reason
    if chunk.usage:
        print(f"\n({chunk.usage.completion_tokens} tokens)")

# A stream that was cut off has no finish reason.
if finish_reason is None:
    raise SystemExit("the answer is incomplete")
