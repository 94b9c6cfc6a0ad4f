//! What the events of a streamed response hold beside their type and number.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    logprobs::TokenLogprobs,
    response::{OutputItem, Response},
};

/// `response.created`, `.in_progress`, `.completed`, `.incomplete`.
#[derive(Serialize, JsonSchema)]
pub struct ResponseEvent<'a> {
    /// The response as far as it has come.
    pub response: Response<'a>,
}

/// `response.output_item.added`, `.done`.
#[derive(Serialize, JsonSchema)]
pub struct ItemEvent<'a> {
    /// Its place in the output.
    pub output_index: usize,
    /// The item as far as it has come.
    pub item: &'a OutputItem,
}

/// Which item an event is about.
#[derive(Clone, Copy, Serialize, JsonSchema)]
pub struct ItemPlace<'a> {
    /// Its id.
    pub item_id: &'a str,
    /// Its place in the output.
    pub output_index: usize,
}

/// `response.content_part.added`, `.done`.
#[derive(Serialize, JsonSchema)]
pub struct PartEvent<'a, P> {
    /// The item.
    #[serde(flatten)]
    pub place: ItemPlace<'a>,
    /// Always 0: items have one part.
    pub content_index: usize,
    /// The part as far as it has come.
    pub part: &'a P,
}

/// `response.output_text.delta`, `response.reasoning_text.delta`.
#[derive(Serialize, JsonSchema)]
pub struct TextDelta<'a> {
    /// The item.
    #[serde(flatten)]
    pub place: ItemPlace<'a>,
    /// Always 0: items have one part.
    pub content_index: usize,
    /// Text to append.
    pub delta: &'a str,
    /// Of its tokens; absent from thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<&'a [TokenLogprobs]>,
}

/// `response.output_text.done`, `response.reasoning_text.done`.
#[derive(Serialize, JsonSchema)]
pub struct TextDone<'a> {
    /// The item.
    #[serde(flatten)]
    pub place: ItemPlace<'a>,
    /// Always 0: items have one part.
    pub content_index: usize,
    /// All of the text.
    pub text: &'a str,
    /// Of its tokens; absent from thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logprobs: Option<&'a [TokenLogprobs]>,
}

/// `response.function_call_arguments.delta`.
#[derive(Serialize, JsonSchema)]
pub struct ArgumentsDelta<'a> {
    /// The item.
    #[serde(flatten)]
    pub place: ItemPlace<'a>,
    /// JSON text to append.
    pub delta: &'a str,
}

/// `response.function_call_arguments.done`.
#[derive(Serialize, JsonSchema)]
pub struct ArgumentsDone<'a> {
    /// The item.
    #[serde(flatten)]
    pub place: ItemPlace<'a>,
    /// The function's name.
    pub name: &'a str,
    /// All of the arguments.
    pub arguments: &'a str,
}

/// `error`: the response ends here, unfinished.
#[derive(Serialize, JsonSchema)]
pub struct ErrorEvent<'a> {
    /// For programs.
    pub code: &'a str,
    /// For people.
    pub message: &'a str,
    /// The parameter at fault.
    pub param: Option<&'a str>,
}
