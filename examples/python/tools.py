"""A model that calls a function of this program, and answers with what it returned."""

import json
import os

from openai import OpenAI

client = OpenAI(base_url=os.environ.get("BASE_URL", "http://127.0.0.1:8080/v1"), api_key="unused")
model = os.environ.get("MODEL") or client.models.list().data[0].id

TEMPERATURES = {"Paris": 21, "London": 16, "Rome": 27}


def get_temperature(city: str) -> int:
    return TEMPERATURES[city]


tools = [
    {
        "type": "function",
        "function": {
            "name": "get_temperature",
            "description": "The temperature in a city now, in degrees Celsius.",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string", "enum": list(TEMPERATURES)}},
                "required": ["city"],
                "additionalProperties": False,
            },
            "strict": True,
        },
    }
]
messages = [{"role": "user", "content": "How warm is it in Paris?"}]

# "required" makes the model call a function; with "auto", the default, it may also answer at once.
answer = client.chat.completions.create(model=model, messages=messages, tools=tools, tool_choice="required")
messages.append(answer.choices[0].message)
for call in answer.choices[0].message.tool_calls:
    arguments = json.loads(call.function.arguments)
    temperature = get_temperature(**arguments)
    print(f"{call.function.name}({arguments}) = {temperature}")
    messages.append({"role": "tool", "tool_call_id": call.id, "content": str(temperature)})

answer = client.chat.completions.create(model=model, messages=messages, tools=tools, tool_choice="none")
print(answer.choices[0].message.content)
