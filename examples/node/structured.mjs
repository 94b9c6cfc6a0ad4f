// An answer that follows a JSON schema: what comes back always parses.

import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL ?? "http://127.0.0.1:8080/v1", apiKey: "unused" });
const model = process.env.MODEL ?? (await client.models.list()).data[0].id;

const schema = {
  type: "object",
  properties: {
    sentiment: { type: "string", enum: ["good", "mixed", "bad"] },
    would_buy_again: { type: "boolean" },
    summary: { type: "string", maxLength: 80 },
  },
  required: ["sentiment", "would_buy_again", "summary"],
  additionalProperties: false,
};

const answer = await client.chat.completions.parse({
  model,
  messages: [
    { role: "system", content: "Describe the customer's review as JSON." },
    { role: "user", content: "It came a week late, but it works and was cheap." },
  ],
  response_format: { type: "json_schema", json_schema: { name: "review", schema, strict: true } },
});
const review = JSON.parse(answer.choices[0].message.content);
console.log(review.sentiment, review.would_buy_again, review.summary);
