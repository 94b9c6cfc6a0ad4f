// A conversation of two turns: the second question is sent together with what was said before.

import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL ?? "http://127.0.0.1:8080/v1", apiKey: "unused" });
const model = process.env.MODEL ?? (await client.models.list()).data[0].id;

const messages = [
  { role: "system", content: "You answer in one short sentence." },
  { role: "user", content: "What is the capital of France?" },
];
const first = await client.chat.completions.create({ model, messages });
console.log(first.choices[0].message.content);

messages.push(first.choices[0].message, { role: "user", content: "And of Italy?" });
const second = await client.chat.completions.create({ model, messages });
console.log(second.choices[0].message.content);
console.log(`(${second.usage.prompt_tokens} tokens read, ${second.usage.completion_tokens} written)`);
