"""LangChain's standard tests of chat models, for its OpenAI client in front of the tiny model.

Run with `BASE_URL` and `MODEL` in the environment. What the gateway does not serve is expected to be refused.
"""

import os

import pytest
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests
from openai import BadRequestError

not_served = pytest.mark.xfail(reason="the gateway refuses this parameter", raises=BadRequestError)


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
            "stream_usage": True,
        }

    @property
    def has_tool_calling(self):
        return False

    @property
    def has_tool_choice(self):
        return False

    @property
    def has_structured_output(self):
        return False

    @not_served
    def test_stop_sequence(self, model):
        super().test_stop_sequence(model)

    @not_served
    def test_message_with_name(self, model):
        super().test_message_with_name(model)
