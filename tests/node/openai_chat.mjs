// OpenAI's SDK for Node: a stream says what a whole answer says, and errors arrive as the SDK's own.

import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "unused", maxRetries: 0 });
const model = process.env.MODEL;
const messages = [{ role: "user", content: "What is the capital of France?" }];
const request = { model, messages, temperature: 0, max_completion_tokens: 60 };

const listed = (await client.models.list()).data;
assert.deepEqual(listed.map((entry) => entry.id), [model]);
assert.equal((await client.models.retrieve(model)).id, model);

const { data: answer, response } = await client.chat.completions.create(request).withResponse();
const [choice] = answer.choices;
assert.ok(choice.message.content);
assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
assert.match(response.headers.get("x-blindllama-binding"), /^sha256:[0-9a-f]{64}$/);

const chunks = [];
for await (const chunk of await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
  chunks.push(chunk);
}
const choices = chunks.flatMap((chunk) => chunk.choices);
assert.equal(choices.map((part) => part.delta.content ?? "").join(""), choice.message.content);
assert.equal(choices.at(-1).finish_reason, choice.finish_reason);
assert.deepEqual(chunks.at(-1).usage, answer.usage);

const refusal = (more) => client.chat.completions.create({ ...request, ...more });
await assert.rejects(refusal({ model: "no-such-model" }), (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
await assert.rejects(refusal({ no_such_parameter: 1 }), (error) => error instanceof OpenAI.BadRequestError && /no_such_parameter/.test(error.message));
await assert.rejects(refusal({ messages: [] }), OpenAI.BadRequestError);

// A stream that the program leaves is no error, and the next request is served.
for await (const _ of await client.chat.completions.create({ ...request, stream: true })) break;
assert.equal((await client.chat.completions.create(request)).choices[0].message.content, choice.message.content);

console.log(choice.message.content);
