// Texts compared by meaning. Needs a gateway that serves an embedding model.

import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL ?? "http://127.0.0.1:8080/v1", apiKey: "unused" });
const model = process.env.MODEL ?? (await client.models.list()).data[0].id;

const input = ["What is the capital of France?", "Which city is France governed from?", "The whale sang all night."];
const answer = await client.embeddings.create({ model, input });
const vectors = answer.data.map((entry) => entry.embedding);

// They have length 1, so the scalar product is the cosine of the angle between them.
const similarity = (left, right) => left.reduce((sum, value, unit) => sum + value * right[unit], 0);
input.forEach((text, index) => console.log(similarity(vectors[0], vectors[index]).toFixed(3), text));
