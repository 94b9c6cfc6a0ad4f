"""The helpers of OpenAI's SDK: classes as formats and tools, streams that are collected, and the loop that runs tools.

The model's answers make no sense, but keep to a form.
"""

import json
import os
from typing import Annotated, Literal

import httpx2
import openai
from openai import OpenAI
from openai.lib.responses_tool_runner import RegisteredFunction, ResponsesToolRunner
from pydantic import BaseModel, Field

BASE_URL, MODEL = os.environ["BASE_URL"], os.environ["MODEL"]
QUESTION = [{"role": "user", "content": "How warm is it in Paris?"}]
client = OpenAI(base_url=BASE_URL, api_key="unused", max_retries=0)


class Weather(BaseModel):
    """The weather in a city."""

    city: Literal["Paris", "London", "Rome"]
    sky: Literal["clear", "clouded"]
    temperatures: Annotated[list[Literal[1, 2, 3]], Field(max_length=3)]


class GetTemperature(BaseModel):
    """The temperature in a city now, in degrees Celsius."""

    city: Literal["Paris", "London", "Rome"]


def chat_completions_parse():
    answer = client.chat.completions.parse(model=MODEL, messages=QUESTION, response_format=Weather, max_completion_tokens=200)
    assert isinstance(answer.choices[0].message.parsed, Weather), answer

    tools = [openai.pydantic_function_tool(GetTemperature)]
    answer = client.chat.completions.parse(
        model=MODEL, messages=QUESTION, tools=tools, tool_choice="required", parallel_tool_calls=False
    )
    (call,) = answer.choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, GetTemperature), answer
    assert answer.choices[0].finish_reason == "tool_calls", answer


def chat_completions_stream():
    options = {"model": MODEL, "messages": QUESTION, "response_format": Weather, "temperature": 0}
    kinds = []
    with client.chat.completions.stream(**options, stream_options={"include_usage": True}) as stream:
        kinds.extend(event.type for event in stream)
        collected = stream.get_final_completion()
    whole = client.chat.completions.parse(**options)
    assert kinds[0] == "chunk" and "content.delta" in kinds and "content.done" in kinds, kinds
    assert collected.choices[0].message.parsed == whole.choices[0].message.parsed, (collected, whole)
    assert collected.usage == whole.usage, (collected.usage, whole.usage)

    tools = [openai.pydantic_function_tool(GetTemperature)]
    with client.chat.completions.stream(model=MODEL, messages=QUESTION, tools=tools, tool_choice="required") as stream:
        kinds = {event.type for event in stream}
        call = stream.get_final_completion().choices[0].message.tool_calls[0]
    assert {"tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"} <= kinds, kinds
    assert isinstance(call.function.parsed_arguments, GetTemperature), call


def responses_parse_and_stream():
    options = {"model": MODEL, "input": QUESTION, "text_format": Weather, "temperature": 0, "max_output_tokens": 200}
    whole = client.responses.parse(**options)
    assert isinstance(whole.output_parsed, Weather), whole
    with client.responses.stream(**options) as stream:
        kinds = [event.type for event in stream]
        collected = stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed"), kinds
    assert collected.output_parsed == whole.output_parsed, (collected, whole)
    assert collected.usage == whole.usage, (collected.usage, whole.usage)


class Imposed(httpx2.HTTPTransport):
    """Adds parameters to each request in turn, so that this model does what a better one would do by itself."""

    def __init__(self, parameters):
        super().__init__()
        self.parameters = list(parameters)
        self.inputs = []

    def handle_request(self, request):
        body = json.loads(request.read())
        self.inputs.append(body["input"])
        content = json.dumps(body | self.parameters.pop(0))
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        return super().handle_request(httpx2.Request(request.method, request.url, headers=headers, content=content))


def tools_are_run(stream):
    transport = Imposed([
        {"tool_choice": "required", "parallel_tool_calls": False},
        {"tool_choice": "none", "structured_outputs": {"choice": ["27 degrees."]}},
    ])  # fmt: skip
    client = OpenAI(
        base_url=BASE_URL, api_key="unused", max_retries=0, http_client=openai.DefaultHttpxClient(transport=transport)
    )
    asked = []

    def execute(arguments):
        asked.append(arguments)
        return "27"

    tool = openai.pydantic_function_tool(GetTemperature)["function"]
    tool = {"type": "function", "name": tool["name"], "parameters": tool["parameters"], "strict": True}
    runner = ResponsesToolRunner(functions=[RegisteredFunction(tool, execute)])
    response = runner.run(client, {"model": MODEL, "input": QUESTION, "store": False}, max_steps=3, stream=stream)
    assert response.output_text == "27 degrees.", response
    (arguments,) = asked
    GetTemperature.model_validate(arguments)
    first, second = transport.inputs
    assert second[: len(first)] == first, transport.inputs
    assert [item["type"] for item in second[len(first) :]] == ["function_call", "function_call_output"], second


chat_completions_parse()
chat_completions_stream()
responses_parse_and_stream()
for stream in (False, True):
    tools_are_run(stream)
print("as documented")
