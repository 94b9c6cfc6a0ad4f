// A model that calls a function of this program, and answers with what it returned.

import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL ?? "http://127.0.0.1:8080/v1", apiKey: "unused" });
const model = process.env.MODEL ?? (await client.models.list()).data[0].id;

const temperatures = { Paris: 21, London: 16, Rome: 27 };

const tools = [
  {
    type: "function",
    function: {
      name: "get_temperature",
      description: "The temperature in a city now, in degrees Celsius.",
      parameters: {
        type: "object",
        properties: { city: { type: "string", enum: Object.keys(temperatures) } },
        required: ["city"],
        additionalProperties: false,
      },
      strict: true,
    },
  },
];
const messages = [{ role: "user", content: "How warm is it in Paris?" }];

// "required" makes the model call a function; with "auto", the default, it may also answer at once.
const asked = await client.chat.completions.create({ model, messages, tools, tool_choice: "required" });
messages.push(asked.choices[0].message);
for (const call of asked.choices[0].message.tool_calls) {
  const { city } = JSON.parse(call.function.arguments);
  console.log(`${call.function.name}(${city}) = ${temperatures[city]}`);
  messages.push({ role: "tool", tool_call_id: call.id, content: String(temperatures[city]) });
}

const answered = await client.chat.completions.create({ model, messages, tools, tool_choice: "none" });
console.log(answered.choices[0].message.content);
