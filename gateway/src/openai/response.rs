//! A response of the Responses API, as it goes out. None of these types has a `Debug`: they are content.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    chat_request::ReasoningEffort,
    logprobs::TokenLogprobs,
    metadata::Metadata,
    response_tools::{ResponseTool, ResponseToolChoice},
    usage::Usage,
};
use crate::structured::TextFormat;

/// `response`: whole, or as far as it has come.
#[derive(Serialize, JsonSchema)]
pub struct Response<'a> {
    /// Its id. Nothing can be asked for by it: responses are not kept.
    pub id: &'a str,
    /// Always `response`.
    #[schemars(extend("const" = "response"))]
    pub object: &'static str,
    /// Unix time in seconds.
    pub created_at: u64,
    /// How far it has come.
    pub status: ResponseStatus,
    /// Unix time in seconds, once it is complete.
    pub completed_at: Option<u64>,
    /// Always `null`: a failure is an error of HTTP, or an event.
    pub error: Option<()>,
    /// Why it is incomplete.
    pub incomplete_details: Option<IncompleteDetails>,
    /// The model that answers.
    pub model: &'a str,
    /// What the model said, did and thought.
    pub output: &'a [OutputItem],
    /// What was asked for.
    #[serde(flatten)]
    pub asked: &'a Asked,
    /// Token counts, at the end.
    pub usage: Option<ResponseUsage>,
}

/// How far a response, or an item of it, has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStatus {
    /// More comes.
    InProgress,
    /// The model had no more to say.
    Completed,
    /// A limit cut it off.
    Incomplete,
}

/// `incomplete_details`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct IncompleteDetails {
    /// Always `max_output_tokens`, which the end of the context counts as, too.
    #[schemars(extend("const" = "max_output_tokens"))]
    pub reason: &'static str,
}

/// What a response repeats of its request, with what holds where the request is silent.
#[derive(Serialize, JsonSchema)]
pub struct Asked {
    /// Always `false`.
    #[schemars(extend("const" = false))]
    pub background: bool,
    /// As in the request.
    pub instructions: Option<String>,
    /// As in the request.
    pub max_output_tokens: Option<usize>,
    /// As in the request.
    pub metadata: Metadata,
    /// As in the request.
    pub parallel_tool_calls: bool,
    /// Always `null`.
    pub previous_response_id: Option<()>,
    /// As in the request.
    pub prompt_cache_key: Option<String>,
    /// As in the request.
    pub reasoning: AskedReasoning,
    /// As in the request.
    pub safety_identifier: Option<String>,
    /// Always `default`: there is one queue.
    #[schemars(extend("const" = "default"))]
    pub service_tier: &'static str,
    /// Always `false`: nothing is kept.
    #[schemars(extend("const" = false))]
    pub store: bool,
    /// What held.
    pub temperature: f64,
    /// As in the request.
    pub text: AskedText,
    /// As in the request.
    pub tool_choice: ResponseToolChoice,
    /// As in the request.
    #[schemars(with = "Vec<ResponseTool>")]
    pub tools: Box<RawValue>,
    /// As in the request.
    pub top_logprobs: u32,
    /// What held.
    pub top_p: f64,
    /// Always `disabled`.
    #[schemars(extend("const" = "disabled"))]
    pub truncation: &'static str,
    /// As in the request.
    pub user: Option<String>,
}

/// `reasoning`.
#[derive(Serialize, JsonSchema)]
pub struct AskedReasoning {
    /// As in the request.
    pub effort: Option<ReasoningEffort>,
    /// Always `null`: thoughts are told as they are.
    pub summary: Option<()>,
}

/// `text`.
#[derive(Serialize, JsonSchema)]
pub struct AskedText {
    /// As in the request.
    #[schemars(with = "TextFormat")]
    pub format: Box<RawValue>,
}

/// An item of the output.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OutputItem {
    /// What the model thought.
    Reasoning(ReasoningItem),
    /// What it said.
    Message(MessageItem),
    /// A call of a function.
    FunctionCall(CallItem),
}

/// What the model thought.
#[derive(Serialize, JsonSchema)]
pub struct ReasoningItem {
    /// Its id.
    pub id: String,
    /// Always empty: thoughts are told as they are.
    pub summary: [(); 0],
    /// The thoughts; empty at the beginning.
    pub content: Vec<ReasoningText>,
    /// The same, sealed: at the end, where `include` asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_content: Option<String>,
    /// How far it has come.
    pub status: ResponseStatus,
}

impl ReasoningItem {
    /// All thoughts.
    pub(crate) fn text(&self) -> String {
        self.content.iter().map(|part| part.text.as_str()).collect()
    }
}

/// Thoughts.
#[derive(Clone, Serialize, JsonSchema)]
pub struct ReasoningText {
    /// Always `reasoning_text`.
    #[schemars(extend("const" = "reasoning_text"))]
    pub r#type: &'static str,
    /// The thoughts.
    pub text: String,
}

/// What the model said.
#[derive(Serialize, JsonSchema)]
pub struct MessageItem {
    /// Its id.
    pub id: String,
    /// Always `assistant`.
    #[schemars(extend("const" = "assistant"))]
    pub role: &'static str,
    /// The text; empty at the beginning.
    pub content: Vec<OutputText>,
    /// How far it has come.
    pub status: ResponseStatus,
}

/// Text.
#[derive(Serialize, JsonSchema)]
pub struct OutputText {
    /// Always `output_text`.
    #[schemars(extend("const" = "output_text"))]
    pub r#type: &'static str,
    /// The text.
    pub text: String,
    /// Always empty.
    pub annotations: [(); 0],
    /// Of its tokens, where they were asked for.
    pub logprobs: Vec<TokenLogprobs>,
}

/// A call of a function.
#[derive(Serialize, JsonSchema)]
pub struct CallItem {
    /// The item's id.
    pub id: String,
    /// The call's id, which its output repeats.
    pub call_id: String,
    /// The function's name.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
    /// How far it has come.
    pub status: ResponseStatus,
}

/// Token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ResponseUsage {
    /// Tokens of the prompt.
    pub input_tokens: usize,
    /// More on them.
    pub input_tokens_details: InputTokensDetails,
    /// Tokens of the answer, the one that ended it included.
    pub output_tokens: usize,
    /// More on them.
    pub output_tokens_details: OutputTokensDetails,
    /// Both.
    pub total_tokens: usize,
}

/// More on the prompt's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct InputTokensDetails {
    /// Tokens found in the prefix cache.
    pub cached_tokens: usize,
    /// Not counted: always 0.
    pub cache_write_tokens: usize,
}

/// More on the answer's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OutputTokensDetails {
    /// Tokens of thoughts.
    pub reasoning_tokens: usize,
}

impl OutputItem {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Reasoning(ReasoningItem { id, .. })
            | Self::Message(MessageItem { id, .. })
            | Self::FunctionCall(CallItem { id, .. }) => id,
        }
    }

    /// How far it has come.
    #[must_use]
    pub const fn status(&self) -> ResponseStatus {
        match self {
            Self::Reasoning(ReasoningItem { status, .. })
            | Self::Message(MessageItem { status, .. })
            | Self::FunctionCall(CallItem { status, .. }) => *status,
        }
    }

    /// It has come as far as `new`.
    pub const fn set_status(&mut self, new: ResponseStatus) {
        let (Self::Reasoning(ReasoningItem { status, .. })
        | Self::Message(MessageItem { status, .. })
        | Self::FunctionCall(CallItem { status, .. })) = self;
        *status = new;
    }
}

impl ResponseUsage {
    /// The same counts in this API's terms.
    #[must_use]
    pub fn new(usage: Usage, reasoning_tokens: usize) -> Self {
        let cached_tokens = usage.prompt_tokens_details.map_or(0, |details| details.cached_tokens);
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: InputTokensDetails { cached_tokens, cache_write_tokens: 0 },
            output_tokens: usage.completion_tokens,
            output_tokens_details: OutputTokensDetails { reasoning_tokens },
            total_tokens: usage.total_tokens,
        }
    }
}
