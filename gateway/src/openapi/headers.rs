//! Headers of requests and responses.

use serde_json::{Map, Value, json};

/// Headers of a response, by the names of their components.
pub(super) fn references(headers: &[&str]) -> Value {
    let reference = |name: &&str| ((*name).to_owned(), json!({"$ref": format!("#/components/headers/{name}")}));
    headers.iter().map(reference).collect::<Map<_, _>>().into()
}

/// Those of responses. What not every response has that refers to it is not required.
pub(super) fn components() -> Value {
    let digest = json!({"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"});
    let text = json!({"type": "string", "minLength": 1});
    json!({
        "X-Request-Id": {
            "description": "Names the request: the id that came with it, or a new one.",
            "required": true,
            "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        },
        "X-BlindLlama-Binding": {
            "description": "The digest of the binding that evidence proves.", "required": true, "schema": digest,
        },
        "X-BlindLlama-Model": {
            "description": "The digest of the manifest of the model's weights.", "required": true, "schema": digest,
        },
        "X-BlindLlama-Receipt": {
            "description": "The signed receipt of a whole response, errors included, of the model or its tokenizer \
                (docs/spec/receipts.md). A stream has it inside, as the comment `: receipt …` at its end.",
            "schema": text,
        },
        "X-BlindLlama-Ignored-Parameters": {
            "description": "Parameters that were ignored, where the configuration says so, separated by commas.",
            "schema": text,
        },
        "OpenAI-Processing-Ms": {
            "description": "Milliseconds until the response's head. Of paths that begin with /v1/.",
            "schema": {"type": "integer", "minimum": 0},
        },
        "OpenAI-Version": {
            "description": "The version of OpenAI's API that this one follows. Of paths that begin with /v1/.",
            "schema": {"type": "string"},
        },
        "Retry-After": {
            "description": "Seconds after which to try again; absent where that is of no use.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "Accept-Encoding": {
            "description": "The content encodings that are read.", "required": true, "schema": text,
        },
    })
}

/// The one that every operation takes.
pub(super) fn parameters() -> Value {
    json!({
        "RequestId": {
            "name": "X-Request-Id",
            "in": "header",
            "description": "Names the request in its response and in the server's log: 1 to 128 letters, digits, dots, underscores \
                and hyphens. Anything else is replaced.",
            "schema": {"type": "string"},
        },
    })
}
