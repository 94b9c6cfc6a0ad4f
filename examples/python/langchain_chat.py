"""A LangChain pipeline: a prompt template, the model and a parser, one question at a time and several at once."""

import os

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI
from openai import OpenAI

base_url = os.environ.get("BASE_URL", "http://127.0.0.1:8080/v1")
model = os.environ.get("MODEL") or OpenAI(base_url=base_url, api_key="unused").models.list().data[0].id

prompt = ChatPromptTemplate([("system", "You answer in one short sentence."), ("user", "What is the capital of {country}?")])
chain = prompt | ChatOpenAI(base_url=base_url, api_key="unused", model=model) | StrOutputParser()

for text in chain.stream({"country": "France"}):
    print(text, end="", flush=True)
print()

for answer in chain.batch([{"country": "Italy"}, {"country": "Spain"}]):
    print(answer)
