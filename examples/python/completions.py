"""Text that is continued: the API from before chats, for base models and for prompts that you render yourself."""

import os

from openai import OpenAI

client = OpenAI(base_url=os.environ.get("BASE_URL", "http://127.0.0.1:8080/v1"), api_key="unused")
model = os.environ.get("MODEL") or client.models.list().data[0].id

completion = client.completions.create(
    model=model,
    prompt="Once upon a time there was",
    max_tokens=40,
    stop=["\n\n"],
    logprobs=3,
)
choice = completion.choices[0]
print(choice.text)
print("the first token could have been:", choice.logprobs.top_logprobs[0])

# Several prompts in one request: each choice names its prompt by its index.
completion = client.completions.create(model=model, prompt=["The sea is", "The sky is"], max_tokens=8)
for choice in completion.choices:
    print(choice.index, choice.text)
