//! One operation: what a route takes, and what it gives.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::{failures::Failure, headers::references};
use crate::routes::OPENAI_PREFIX;

/// What a route takes, and what it gives.
pub(super) struct Operation {
    /// Names the operation in programs that are made from the document.
    pub(super) id: &'static str,
    pub(super) tag: Tag,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// Parameters in path and query.
    pub(super) parameters: Vec<Value>,
    /// The body that it takes; an operation with one is a POST, one without is a GET.
    pub(super) body: Option<Schema>,
    pub(super) answer: Answer,
    pub(super) failures: &'static [Failure],
}

/// What a route gives if all goes well.
pub(super) struct Answer {
    pub(super) description: &'static str,
    /// Schemas by types of content; none where the body is empty.
    pub(super) content: Vec<(&'static str, Schema)>,
    /// Whether the model, or its tokenizer, made it: such answers have receipts.
    pub(super) receipted: bool,
}

/// A group of operations.
#[derive(Clone, Copy)]
pub(super) enum Tag {
    OpenAi,
    Vllm,
    Attestation,
    Operations,
}

impl Tag {
    const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "OpenAI",
            Self::Vllm => "vLLM",
            Self::Attestation => "Attestation",
            Self::Operations => "Operations",
        }
    }

    pub(super) fn all() -> Value {
        json!([
            {"name": Self::OpenAi.name(), "description": "OpenAI's API, with vLLM's additions."},
            {"name": Self::Vllm.name(), "description": "What vLLM's server has beside it."},
            {"name": Self::Attestation.name(), "description": "Evidence of what is running. The shim asks for it and checks it."},
            {"name": Self::Operations.name(), "description": "For whoever runs the server."},
        ])
    }
}

impl Answer {
    /// A JSON document.
    pub(super) fn json(description: &'static str, schema: Schema) -> Self {
        Self { description, content: vec![("application/json", schema)], receipted: false }
    }

    /// The same, with a receipt.
    pub(super) fn receipted(self) -> Self {
        Self { receipted: true, ..self }
    }

    fn to_value(&self, of_openai: bool) -> Value {
        let mut headers = vec!["X-Request-Id", "X-BlindLlama-Binding", "X-BlindLlama-Model"];
        if of_openai {
            headers.extend(["OpenAI-Processing-Ms", "OpenAI-Version"]);
        }
        if self.receipted {
            headers.extend(["X-BlindLlama-Receipt", "X-BlindLlama-Ignored-Parameters"]);
        }
        let mut response = json!({"description": self.description, "headers": references(&headers)});
        if let Some(response) = response.as_object_mut().filter(|_| !self.content.is_empty()) {
            let content = self.content.iter().map(|(kind, schema)| ((*kind).to_owned(), json!({"schema": schema})));
            response.insert("content".to_owned(), content.collect());
        }
        response
    }
}

impl Operation {
    /// The path item of `pattern`, which has this one operation.
    pub(super) fn into_path_item(self, pattern: &str) -> Value {
        let mut responses = Map::new();
        responses.insert("200".to_owned(), self.answer.to_value(pattern.starts_with(OPENAI_PREFIX)));
        for failure in self.failures {
            responses.insert(failure.status().to_string(), failure.reference());
        }
        let mut operation = json!({
            "operationId": self.id,
            "tags": [self.tag.name()],
            "summary": self.summary,
            "description": self.description,
            "responses": responses,
        });
        if let Some(operation) = operation.as_object_mut() {
            if !self.parameters.is_empty() {
                operation.insert("parameters".to_owned(), self.parameters.into());
            }
            if let Some(schema) = &self.body {
                let content = json!({"application/json": {"schema": schema}});
                operation.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
            }
        }
        let method = if self.body.is_some() { "post" } else { "get" };
        json!({"parameters": [{"$ref": "#/components/parameters/RequestId"}], method: operation})
    }
}
