// The helpers of OpenAI's SDK for Node: streams that are collected, and the loop that runs tools.
//
// The model's answers make no sense, but keep to a form.

import assert from "node:assert/strict";
import OpenAI from "openai";

const { BASE_URL: baseURL, MODEL: model } = process.env;
const options = { baseURL, apiKey: "unused", maxRetries: 0 };
const messages = [{ role: "user", content: "How warm is it in Paris?" }];
const parameters = {
  type: "object",
  properties: { city: { type: "string", enum: ["Paris", "London", "Rome"] } },
  required: ["city"],
  additionalProperties: false,
};
const response_format = { type: "json_schema", json_schema: { name: "place", schema: parameters, strict: true } };

async function chatCompletionsStream(client) {
  const request = { model, messages, response_format, temperature: 0 };
  let text = "";
  const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } });
  stream.on("content", (delta) => (text += delta));
  const collected = await stream.finalChatCompletion();
  const whole = await client.chat.completions.create(request);
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(collected.choices[0].message.content, text);
  const { prompt_tokens, completion_tokens, total_tokens } = whole.usage;
  assert.deepEqual(await stream.totalUsage(), { prompt_tokens, completion_tokens, total_tokens });
  assert.ok(parameters.properties.city.enum.includes(JSON.parse(text).city));
}

async function responsesStream(client) {
  const request = { model, input: messages, text: { format: { type: "json_schema", name: "place", schema: parameters, strict: true } }, temperature: 0 };
  const kinds = [];
  const stream = client.responses.stream(request);
  for await (const event of stream) kinds.push(event.type);
  const collected = await stream.finalResponse();
  assert.equal(kinds[0], "response.created");
  assert.equal(kinds.at(-1), "response.completed");
  assert.equal(collected.output_text, (await client.responses.create(request)).output_text);
}

// Adds parameters to each request in turn, so that this model does what a better one would do by itself.
function imposing(parameters) {
  const sent = [];
  const client = new OpenAI({
    ...options,
    fetch: (url, init) => {
      const body = JSON.parse(init.body);
      sent.push(body.messages);
      return fetch(url, { ...init, body: JSON.stringify({ ...body, ...parameters.shift() }) });
    },
  });
  return { client, sent };
}

async function toolsAreRun(stream) {
  const { client, sent } = imposing([
    { tool_choice: "required", parallel_tool_calls: false },
    { tool_choice: "none", structured_outputs: { choice: ["27 degrees."] } },
  ]);
  const asked = [];
  const tool = {
    name: "get_temperature",
    description: "The temperature in a city now, in degrees Celsius.",
    parameters,
    parse: JSON.parse,
    function: ({ city }) => {
      asked.push(city);
      return "27";
    },
  };
  const runner = client.chat.completions.runTools({ model, messages, stream, tools: [{ type: "function", function: tool }] });
  assert.equal(await runner.finalContent(), "27 degrees.");
  assert.equal(asked.length, 1);
  assert.ok(parameters.properties.city.enum.includes(asked[0]));
  assert.deepEqual(sent[1].map((message) => message.role), ["user", "assistant", "tool"]);
}

const client = new OpenAI(options);
await chatCompletionsStream(client);
await responsesStream(client);
for (const stream of [false, true]) await toolsAreRun(stream);
console.log("as documented");
