"""LangChain's standard tests of chat models, for its OpenAI client in front of the tiny model.

Run with `BASE_URL` and `MODEL` in the environment. The model's weights are random: whatever is forced by a grammar or needs no
sense at all has to pass; what needs a model that understands the question is expected to fail.
"""

import os

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

# The test's own check fails, or LangChain's of the fields that only the question names.
senseless = (AssertionError, OutputParserException)
needs_sense = pytest.mark.xfail(reason="random weights do not understand the question", raises=senseless)


class TestStandard(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {
            "base_url": os.environ["BASE_URL"],
            "api_key": "unused",
            "model": os.environ["MODEL"],
            "max_retries": 0,
            # Random weights are in no hurry to end a string, and an object that is cut off is none.
            "max_tokens": 1000,
            "stream_usage": True,
        }

    @property
    def supports_json_mode(self):
        return True

    @needs_sense
    def test_tool_calling(self, model):
        super().test_tool_calling(model)

    @needs_sense
    async def test_tool_calling_async(self, model):
        await super().test_tool_calling_async(model)

    @needs_sense
    def test_agent_loop(self, model):
        super().test_agent_loop(model)

    @needs_sense
    def test_unicode_tool_call_integration(self, model):
        super().test_unicode_tool_call_integration(model)

    @needs_sense
    def test_json_mode(self, model):
        super().test_json_mode(model)
