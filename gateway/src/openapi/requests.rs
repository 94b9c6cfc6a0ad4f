//! Bodies that several types read, one after the other: what they can have in all.

use schemars::{JsonSchema, Schema};
use serde_json::Value;

use crate::{
    openai::{
        chat_request::ChatRequest,
        completion_request::CompletionRequest,
        response_request::ResponseRequest,
        sampling::SamplingParameters,
        tokenization::{TokenizeRequest, TokenizeText},
    },
    responses::OF_COMPLETIONS,
};

/// A conversation, and how to answer it.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes, and is never made")]
pub(super) struct CreateChatCompletionRequest {
    #[serde(flatten)]
    own: ChatRequest,
    #[serde(flatten)]
    shared: SamplingParameters,
}

/// One or more prompts, and how to continue them.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it describes, and is never made")]
pub(super) struct CreateCompletionRequest {
    #[serde(flatten)]
    own: CompletionRequest,
    #[serde(flatten)]
    shared: SamplingParameters,
}

/// A conversation, and how to answer it.
#[derive(JsonSchema)]
#[schemars(transform = without_parameters_of_completions)]
#[expect(dead_code, reason = "it describes, and is never made")]
pub(super) struct CreateResponseRequest {
    #[serde(flatten)]
    shared: SamplingParameters,
    #[serde(flatten)]
    own: ResponseRequest,
}

/// A text to be tokenised.
#[derive(JsonSchema)]
#[schemars(transform = of_a_text)]
#[expect(dead_code, reason = "it describes, and is never made")]
pub(super) struct TokenizeTextRequest {
    #[serde(flatten)]
    own: TokenizeRequest,
    #[serde(flatten)]
    text: TokenizeText,
}

/// A chat completion request whose prompt is to be tokenised. It is checked as if it were to be answered.
#[derive(JsonSchema)]
#[schemars(transform = of_a_conversation)]
#[expect(dead_code, reason = "it describes, and is never made")]
pub(super) struct TokenizeChatRequest {
    #[serde(flatten)]
    chat: ChatRequest,
    #[serde(flatten)]
    shared: SamplingParameters,
    /// The last, so that `model` is as here.
    #[serde(flatten)]
    own: TokenizeRequest,
}

/// Either of the two.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "it describes, and is never made")]
pub(super) enum TokenizeRequestBody {
    Text(Box<TokenizeTextRequest>),
    Chat(Box<TokenizeChatRequest>),
}

fn without_parameters_of_completions(schema: &mut Schema) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| !OF_COMPLETIONS.contains(&name.as_str()));
    }
}

fn of_a_text(schema: &mut Schema) {
    if let Some(prompt) = schema.pointer_mut("/properties/prompt").and_then(Value::as_object_mut) {
        prompt.insert("type".to_owned(), "string".into());
    }
    schema.insert("required".to_owned(), vec!["prompt"].into());
}

fn of_a_conversation(schema: &mut Schema) {
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.shift_remove("prompt");
    }
    schema.insert("required".to_owned(), vec!["messages"].into());
}
