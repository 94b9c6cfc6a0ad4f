"""A conversation of two turns: the second question is sent together with what was said before."""

import os

from openai import OpenAI

client = OpenAI(base_url=os.environ.get("BASE_URL", "http://127.0.0.1:8080/v1"), api_key="unused")
model = os.environ.get("MODEL") or client.models.list().data[0].id

messages = [
    {"role": "system", "content": "You answer in one short sentence."},
    {"role": "user", "content": "What is the capital of France?"},
]
answer = client.chat.completions.create(model=model, messages=messages)
print(answer.choices[0].message.content)

messages.append({"role": "assistant", "content": answer.choices[0].message.content})
messages.append({"role": "user", "content": "And of Italy?"})
answer = client.chat.completions.create(model=model, messages=messages)
print(answer.choices[0].message.content)
print(f"({answer.usage.prompt_tokens} tokens read, {answer.usage.completion_tokens} written)")
