//! `POST /v1/chat/completions`: the request, as it came.
//!
//! Reading is strict in types and collects what it does not know, so that it can be refused by name: a parameter is never
//! ignored in silence. None of these types has a `Debug`: they are content.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    chat_message::Message,
    metadata::Metadata,
    tools::{Tool, ToolChoice},
    unknown::Unknown,
};

/// A chat completion request: what is its own. The rest is [`SamplingParameters`](super::sampling::SamplingParameters).
#[derive(Deserialize, JsonSchema)]
pub struct ChatRequest {
    /// The id of the model.
    pub model: String,
    /// The conversation so far.
    #[schemars(length(min = 1))]
    pub messages: Vec<Message>,
    /// Limit on new tokens; OpenAI's older name.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<usize>,
    /// Limit on new tokens.
    #[schemars(range(min = 1))]
    pub max_completion_tokens: Option<usize>,
    /// Whether the probabilities of the answer's tokens are reported.
    pub logprobs: Option<bool>,
    /// Most likely tokens to report in each place of the answer, 0 to 20; -1 for all.
    #[schemars(range(min = -1))]
    pub top_logprobs: Option<i64>,
    /// What the model may call.
    #[schemars(length(min = 1))]
    pub tools: Option<Vec<Tool>>,
    /// Whether and what it has to call.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tool_calls: Option<bool>,
    /// How much a model that thinks should think.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Whether what it thinks is a part of the answer.
    pub include_reasoning: Option<bool>,
    /// Whether the answer repeats the last message if that is the assistant's.
    pub echo: Option<bool>,
    /// Whether the prompt ends where the assistant speaks next.
    pub add_generation_prompt: Option<bool>,
    /// Whether the last message is to be continued rather than answered.
    pub continue_final_message: Option<bool>,
    /// Whether the tokenizer adds special tokens beside those of the template.
    pub add_special_tokens: Option<bool>,
    /// Texts for templates that answer from documents.
    pub documents: Option<Vec<Map<String, Value>>>,
    /// A template instead of the model's own.
    pub chat_template: Option<String>,
    /// More variables for the template.
    pub chat_template_kwargs: Option<Map<String, Value>>,
    /// Kinds of answers; only `text`.
    pub modalities: Option<Vec<Modality>>,
    /// Notes of the caller's: accepted for compatibility, and unused.
    #[serde(rename = "metadata")]
    pub _metadata: Option<Metadata>,
    /// Whether to keep the answer: accepted for compatibility. Nothing is ever kept.
    #[serde(rename = "store")]
    pub _store: Option<bool>,
    /// A hint to OpenAI's own cache: accepted for compatibility, and unused.
    #[serde(rename = "prompt_cache_key")]
    pub _prompt_cache_key: Option<String>,
    /// The caller's name for its end user: accepted for compatibility, and unused.
    #[serde(rename = "safety_identifier")]
    pub _safety_identifier: Option<String>,
    /// Which of OpenAI's queues; there is one.
    #[serde(rename = "service_tier")]
    pub _service_tier: Option<ServiceTier>,
    #[serde(flatten)]
    pub(crate) rest: Unknown,
}

/// How much a model that thinks should think.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReasoningEffort {
    /// Not at all.
    None,
    /// Hardly.
    Minimal,
    /// A little.
    Low,
    /// As usual.
    Medium,
    /// Much.
    High,
    /// Very much.
    Xhigh,
    /// As much as it can.
    Max,
}

/// A kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Text.
    Text,
}

/// Which of OpenAI's queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// The project's own choice.
    Auto,
    /// The usual one.
    Default,
}

impl ChatRequest {
    /// The paths of what is not understood in messages and tools.
    pub(crate) fn unknown(&self) -> Vec<String> {
        let messages = self.messages.iter().enumerate();
        let messages = messages.flat_map(|(index, message)| message.unknown(&format!("messages[{index}].")));
        let tools = self.tools.iter().flatten().enumerate();
        let tools = tools.flat_map(|(index, tool)| tool.unknown(&format!("tools[{index}].")).collect::<Vec<_>>());
        let choice = self.tool_choice.iter().flat_map(ToolChoice::unknown);
        messages.chain(tools).chain(choice).collect()
    }
}
