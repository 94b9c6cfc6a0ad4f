// An answer that is shown while it is written.

import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL ?? "http://127.0.0.1:8080/v1", apiKey: "unused" });
const model = process.env.MODEL ?? (await client.models.list()).data[0].id;

const stream = await client.chat.completions.create({
  model,
  messages: [{ role: "user", content: "Write a story about a lighthouse keeper and a whale." }],
  max_completion_tokens: 200,
  stream: true,
});
let finishReason;
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
  finishReason = chunk.choices[0]?.finish_reason ?? finishReason;
}
console.log();

// A stream that was cut off has no finish reason.
if (!finishReason) throw new Error("the answer is incomplete");
