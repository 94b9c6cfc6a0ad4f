//! Completions as OpenAI documents them, with vLLM's additions. Whole answers and chunks of a stream have the same shape.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    chat_response::{FinishReason, StopReason},
    logprobs::{CompletionLogprobs, PromptLogprobs},
    usage::Usage,
};

/// `text_completion`: a whole answer, or a piece of a streamed one.
#[derive(Serialize, JsonSchema)]
pub struct Completion<'a> {
    /// The completion's own id, the same in all chunks.
    pub id: &'a str,
    /// Always `text_completion`.
    #[schemars(extend("const" = "text_completion"))]
    pub object: &'static str,
    /// Unix time in seconds, the same in all chunks.
    pub created: u64,
    /// The model that answers.
    pub model: &'a str,
    /// What the model runs on.
    pub system_fingerprint: &'a str,
    /// The answers to all prompts; none in the chunk that tells the token counts.
    pub choices: &'a [CompletionChoice],
    /// In chunks absent unless asked for; `null` then where it is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

/// An answer, or what is new of it.
#[derive(Serialize, JsonSchema)]
pub struct CompletionChoice {
    /// From 0: the prompt's index times the number of answers to each, plus the answer's.
    pub index: usize,
    /// The text.
    pub text: String,
    /// Where it was asked for.
    pub logprobs: Option<CompletionLogprobs>,
    /// Why the model stopped; `null` while it has not.
    pub finish_reason: Option<FinishReason>,
    /// vLLM's: the text or token given with the request that stopped it.
    pub stop_reason: Option<StopReason>,
    /// vLLM's; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_logprobs: Option<PromptLogprobs>,
    /// vLLM's, in the first chunk; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_token_ids: Option<Vec<u32>>,
    /// vLLM's; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
}
