"""Texts compared by meaning. Needs a gateway that serves an embedding model."""

import os

from openai import OpenAI

client = OpenAI(base_url=os.environ.get("BASE_URL", "http://127.0.0.1:8080/v1"), api_key="unused")
model = os.environ.get("MODEL") or client.models.list().data[0].id

texts = ["What is the capital of France?", "Which city is France governed from?", "The whale sang all night."]
answer = client.embeddings.create(model=model, input=texts)
vectors = [entry.embedding for entry in answer.data]

for text, vector in zip(texts, vectors, strict=True):
    # They have length 1, so the scalar product is the cosine of the angle between them.
    similarity = sum(left * right for left, right in zip(vectors[0], vector, strict=True))
    print(f"{similarity:6.3f}  {text}")
