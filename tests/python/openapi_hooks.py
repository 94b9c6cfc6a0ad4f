"""What schemathesis has to know of this server beyond its OpenAPI document (`hooks` in schemathesis.toml)."""

import os
from pathlib import Path

import schemathesis

MODEL = os.environ["MODEL"]
# The tiny models answer without end, and a token costs milliseconds.
MOST_TOKENS = 4
MOST_ANSWERS = 3
# All tokenizers of the tests have more.
VOCABULARY = 1000
MOST_LOGPROBS = 20

LIMITS = {"max_tokens", "max_completion_tokens", "max_output_tokens", "min_tokens"}
LOGPROBS = {"logprobs", "top_logprobs", "prompt_logprobs"}
TOKENS = {"prompt", "input", "tokens", "stop_token_ids", "allowed_token_ids"}
LIMIT_OF = {
    "/v1/chat/completions": "max_tokens",
    "/v1/completions": "max_tokens",
    "/v1/responses": "max_output_tokens",
}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Asks for short answers of the served model.

    A schema knows neither its name nor its vocabulary: as generated, next to no request would get as far as the engine. What is
    valid stays valid here, and what is not stays so: nothing is changed but values of the right type within their bounds.
    """
    if isinstance(case.body, dict):
        body = {name: bounded(name, value) for name, value in case.body.items()}
        limit = LIMIT_OF.get(case.operation.path)
        if limit and body.get(limit) is None and body.get("max_completion_tokens") is None:
            body[limit] = MOST_TOKENS
        case.body = body
    model = (case.path_parameters or {}).get("id")
    # Half of them, so that there are unknown ones, too.
    if isinstance(model, str) and len(model) % 2:
        case.path_parameters["id"] = MODEL


def bounded(name, value):
    if name == "model" and isinstance(value, str):
        return MODEL
    if name in TOKENS and isinstance(value, list):
        return [token(item) for item in value]
    if not is_integer(value):
        return value
    if name in LIMITS and value >= 1:
        return MOST_TOKENS
    if name in LOGPROBS and value >= 0:
        return min(value, MOST_LOGPROBS)
    if name in {"n", "best_of"} and 1 <= value <= 128:
        return 1 + value % MOST_ANSWERS
    # Any number, but this server has one queue.
    if name == "priority" and abs(value) < 2**63:
        return 0
    return value


def token(value):
    if isinstance(value, list):
        return [token(item) for item in value]
    return value % VOCABULARY if is_integer(value) and 0 <= value < 2**32 else value


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


# Headers of HTTP itself, which a document does not list (OpenAPI 3.1, section 4.8.17.1 leaves out Content-Type alone).
HTTP = {"allow", "cache-control", "connection", "content-length", "content-type", "date", "transfer-encoding"}


@schemathesis.hook
def after_call(context, case, response):
    """Leaves a line for each answer, so that the test can tell what was reached."""
    with Path("answers.txt").open("a", encoding="utf-8") as answers:
        answers.write(f"{response.status_code} {case.operation.label}\n")


@schemathesis.check
def no_undocumented_header(context, response, case):
    """The reverse of response_headers_conformance: nothing comes that the document does not know."""
    documented = case.operation.responses.find_by_status_code(response.status_code)
    if documented is not None:
        known = HTTP | {name.lower() for name, _ in documented.headers.items()}
        more = sorted({name.lower() for name in response.headers} - known)
        assert not more, f"undocumented headers: {', '.join(more)}"


@schemathesis.check
def retry_after_tells_when(context, response, case):
    """Whoever is turned away for too much load is told when to come back."""
    if response.status_code in (429, 503):
        assert "retry-after" in response.headers, "no Retry-After"
