"""OpenAI's Responses through the local shim, with a tool and as a stream.

    pip install openai
    OPENAI_BASE_URL=http://127.0.0.1:8080/v1 python responses.py org/model

The gateway keeps nothing, so a conversation goes back whole: output items are input items of the next request.
"""

import json
import os
import sys

from openai import OpenAI

client = OpenAI(base_url=os.environ["OPENAI_BASE_URL"], api_key="unused")
model = sys.argv[1]

weather = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": True,
}

conversation = [{"role": "user", "content": "What is the weather in Paris?"}]
response = client.responses.create(model=model, input=conversation, tools=[weather], tool_choice="required")
conversation += response.output
for item in response.output:
    if item.type == "function_call":
        city = json.loads(item.arguments)["city"]
        print(f"{item.name}({city})")
        conversation.append({"type": "function_call_output", "call_id": item.call_id, "output": "18 °C, sunny"})

with client.responses.stream(model=model, input=conversation) as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            print(event.delta, end="", flush=True)
    print(f"\n{stream.get_final_response().usage.total_tokens} tokens")
