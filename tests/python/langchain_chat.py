"""LangChain's ChatOpenAI with only its base URL changed."""

import sys

from langchain_openai import ChatOpenAI

chat = ChatOpenAI(base_url=sys.argv[1], api_key="unused", model=sys.argv[2], temperature=0, max_retries=0)
question = "What is the capital of France?"

answer = chat.invoke(question).content
assert "Paris" in answer, answer
streamed = "".join(chunk.content for chunk in chat.stream(question))
assert streamed == answer, (streamed, answer)
print(answer)
