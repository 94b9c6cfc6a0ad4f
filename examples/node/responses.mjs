// The Responses API: a conversation, then an answer that is shown while it is written.

import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL ?? "http://127.0.0.1:8080/v1", apiKey: "unused" });
const model = process.env.MODEL ?? (await client.models.list()).data[0].id;

// Nothing is kept on the server (store: false): the conversation travels with each request.
const conversation = [{ role: "user", content: "What is the capital of France?" }];
const instructions = "Answer in one short sentence.";
const first = await client.responses.create({ model, instructions, input: conversation, store: false });
console.log(first.output_text);

conversation.push(...first.output, { role: "user", content: "And of Italy?" });
const stream = await client.responses.create({ model, input: conversation, max_output_tokens: 200, store: false, stream: true });
let finished = false;
for await (const event of stream) {
  if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
  finished ||= event.type === "response.completed" || event.type === "response.incomplete";
}
console.log();

if (!finished) throw new Error("the answer is incomplete");
