"""An answer in the shape of a Pydantic class: what comes back always validates."""

import os
from typing import Annotated, Literal

from openai import OpenAI
from pydantic import BaseModel, Field

client = OpenAI(base_url=os.environ.get("BASE_URL", "http://127.0.0.1:8080/v1"), api_key="unused")
model = os.environ.get("MODEL") or client.models.list().data[0].id


class Review(BaseModel):
    sentiment: Literal["good", "mixed", "bad"]
    would_buy_again: bool
    summary: Annotated[str, Field(max_length=80)]
    topics: Annotated[list[Literal["price", "quality", "delivery"]], Field(min_length=1, max_length=3)]


answer = client.chat.completions.parse(
    model=model,
    messages=[
        {"role": "system", "content": "Describe the customer's review as JSON."},
        {"role": "user", "content": "It came a week late, but it works and was cheap."},
    ],
    response_format=Review,
)
review = answer.choices[0].message.parsed
print(review.sentiment, review.would_buy_again, review.topics)
print(review.summary)
