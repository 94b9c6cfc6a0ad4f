"""Renders every conversation with every template, as vLLM with Hugging Face's renderer does, into expected.json.

Run it with the project's Python environment whenever a template or a conversation is added:

    .state/python/bin/python gateway/tests/templates/render.py
"""

import copy
import datetime
import json
import pathlib

import jinja2
from transformers.utils import chat_template_utils
from vllm.renderers import hf

HERE = pathlib.Path(__file__).parent
SPECIAL_TOKENS = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]


class FixedClock(datetime.datetime):
    """The time that the Rust tests use too."""

    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 9, 10, 11, 12)


def special_tokens(folder: pathlib.Path) -> dict[str, str]:
    config = json.loads((folder / "tokenizer_config.json").read_text())
    tokens = {name: config[name] for name in SPECIAL_TOKENS if config.get(name) is not None}
    return {name: token["content"] if isinstance(token, dict) else token for name, token in tokens.items()}


def as_vllm_prepares(messages: list[dict], template: str) -> list[dict]:
    """What vllm.renderers.chat_utils and vllm.renderers.hf do before they render."""
    messages = copy.deepcopy(messages)
    parts_expected = hf._detect_content_format(template, default="string") == "openai"
    for message in messages:
        content = message["content"]
        if parts_expected and isinstance(content, str):
            message["content"] = [{"type": "text", "text": content}]
        if not parts_expected and isinstance(content, list):
            message["content"] = "\n".join(part["text"] for part in content)
    if any(message["role"] == "developer" for message in messages) and not hf._detect_developer_role_support(template):
        messages = hf._consolidate_system_messages(hf._convert_developer_to_system(messages))
    return messages


def render(messages: list[dict], template: str, tokens: dict[str, str]) -> dict[str, str]:
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            [as_vllm_prepares(messages, template)], chat_template=template, add_generation_prompt=True, **tokens
        )
        return {"text": rendered[0]}
    except (jinja2.exceptions.UndefinedError, TypeError) as error:
        return {"failed": str(error)}
    except jinja2.exceptions.TemplateError as error:
        return {"raised": str(error)}


def main() -> None:
    chat_template_utils.datetime = FixedClock
    conversations = json.loads((HERE / "conversations.json").read_text())
    for folder in sorted(path for path in HERE.iterdir() if path.is_dir()):
        template = (folder / "chat_template.jinja").read_text()
        tokens = special_tokens(folder)
        expected = {name: render(messages, template, tokens) for name, messages in conversations.items()}
        (folder / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=1) + "\n")
        print(folder.name, *(name for name, result in expected.items() if "text" not in result), sep=" | ")


if __name__ == "__main__":
    main()
