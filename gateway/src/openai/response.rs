//! Answers as OpenAI documents them.
//!
//! Leaf types are async-openai's where they fit exactly, as [`FinishReason`] does; most of its structures own their text, or
//! write keys that this gateway does not have (`audio_tokens`).

pub use async_openai::types::chat::FinishReason;
use serde::Serialize;

/// `chat.completion`: a whole answer.
#[derive(Serialize)]
pub struct ChatCompletion<'a> {
    /// The completion's own id.
    pub id: &'a str,
    /// Always `chat.completion`.
    pub object: &'static str,
    /// Unix time in seconds.
    pub created: u64,
    /// The model that answered.
    pub model: &'a str,
    /// The answer.
    pub choices: [Choice<'a>; 1],
    /// Token counts.
    pub usage: Usage,
}

/// An answer.
#[derive(Serialize)]
pub struct Choice<'a> {
    /// Always 0.
    pub index: u32,
    /// What the model says.
    pub message: AssistantMessage<'a>,
    /// Always `null`: not supported yet.
    pub logprobs: Option<()>,
    /// Why the model stopped.
    pub finish_reason: FinishReason,
}

/// The model's message.
#[derive(Serialize)]
pub struct AssistantMessage<'a> {
    /// Always `assistant`.
    pub role: &'static str,
    /// The text.
    pub content: &'a str,
    /// Always `null`: open models refuse in their text.
    pub refusal: Option<()>,
}

/// `chat.completion.chunk`: a piece of a streamed answer.
#[derive(Serialize)]
pub struct ChatCompletionChunk<'a> {
    /// The completion's own id, the same in all chunks.
    pub id: &'a str,
    /// Always `chat.completion.chunk`.
    pub object: &'static str,
    /// Unix time in seconds, the same in all chunks.
    pub created: u64,
    /// The model that answers.
    pub model: &'a str,
    /// The piece; empty in the chunk that tells the token counts.
    pub choices: &'a [ChunkChoice<'a>],
    /// Absent unless asked for; `null` then in all chunks but the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

/// A piece of an answer.
#[derive(Serialize)]
pub struct ChunkChoice<'a> {
    /// Always 0.
    pub index: u32,
    /// What is new.
    pub delta: Delta<'a>,
    /// Always `null`: not supported yet.
    pub logprobs: Option<()>,
    /// Why the model stopped, in the last piece.
    pub finish_reason: Option<FinishReason>,
}

/// What is new in a piece of an answer.
#[derive(Default, Serialize)]
pub struct Delta<'a> {
    /// `assistant`, in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// Text to append.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
}

/// Token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answer, the one that ended it included.
    pub completion_tokens: usize,
    /// Both.
    pub total_tokens: usize,
    /// More on the prompt, where the engine tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
}

/// More on the prompt's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PromptTokensDetails {
    /// Tokens found in the prefix cache.
    pub cached_tokens: usize,
}

/// The list of models.
#[derive(Serialize)]
pub struct ModelList<'a> {
    /// Always `list`.
    pub object: &'static str,
    /// The one model that is served.
    pub data: [Model<'a>; 1],
}

/// A model.
#[derive(Serialize)]
pub struct Model<'a> {
    /// The id to ask for.
    pub id: &'a str,
    /// Always `model`.
    pub object: &'static str,
    /// Unix time in seconds since which it is served.
    pub created: u64,
    /// Who serves it.
    pub owned_by: &'static str,
}
