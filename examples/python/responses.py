"""The Responses API: a conversation, then an answer that is shown while it is written."""

import os

from openai import OpenAI

client = OpenAI(base_url=os.environ.get("BASE_URL", "http://127.0.0.1:8080/v1"), api_key="unused")
model = os.environ.get("MODEL") or client.models.list().data[0].id

# Nothing is kept on the server (store=False): the conversation travels with each request.
conversation = [{"role": "user", "content": "What is the capital of France?"}]
first = client.responses.create(model=model, instructions="Answer in one short sentence.", input=conversation, store=False)
print(first.output_text)

conversation += [item.model_dump(exclude_none=True) for item in first.output]
conversation.append({"role": "user", "content": "And of Italy?"})
with client.responses.stream(model=model, input=conversation, max_output_tokens=200, store=False) as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="", flush=True)
    last = stream.get_final_response()
print(f"\n({last.usage.output_tokens} tokens)")
