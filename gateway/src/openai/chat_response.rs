//! Chat completions as OpenAI documents them, with vLLM's additions.

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    logprobs::{ChatLogprobs, PromptLogprobs},
    usage::Usage,
};

/// `chat.completion`: a whole answer.
#[derive(Serialize, JsonSchema)]
pub struct ChatCompletion<'a> {
    /// The completion's own id.
    pub id: &'a str,
    /// Always `chat.completion`.
    #[schemars(extend("const" = "chat.completion"))]
    pub object: &'static str,
    /// Unix time in seconds.
    pub created: u64,
    /// The model that answered.
    pub model: &'a str,
    /// What the model runs on.
    pub system_fingerprint: &'a str,
    /// The answers.
    pub choices: Vec<Choice>,
    /// Token counts.
    pub usage: Usage,
    /// vLLM's; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_logprobs: Option<PromptLogprobs>,
    /// vLLM's; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_token_ids: Option<&'a [u32]>,
}

/// An answer.
#[derive(Serialize, JsonSchema)]
pub struct Choice {
    /// From 0.
    pub index: usize,
    /// What the model says.
    pub message: AssistantMessage,
    /// Where it was asked for.
    pub logprobs: Option<ChatLogprobs>,
    /// Why the model stopped.
    pub finish_reason: FinishReason,
    /// vLLM's: the text or token given with the request that stopped it.
    pub stop_reason: Option<StopReason>,
    /// vLLM's; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It had no more to say, or came to what was to stop it.
    Stop,
    /// A limit cut it off.
    Length,
    /// It calls tools.
    ToolCalls,
}

/// What stopped an answer, where it was given with the request.
#[derive(Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum StopReason {
    /// A stop token.
    Token(u32),
    /// A stop string.
    Text(String),
}

/// The model's message.
#[derive(Serialize, JsonSchema)]
pub struct AssistantMessage {
    /// Who speaks: `assistant`, unless another's message was continued.
    pub role: &'static str,
    /// The text; `null` beside calls of tools, and thoughts, that come without any.
    pub content: Option<String>,
    /// Always `null`: open models refuse in their text.
    pub refusal: Option<()>,
    /// What the model thought, in vLLM's spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The same in DeepSeek's spelling, where the configuration wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The calls that it makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<MessageToolCall>,
}

/// A call of a tool.
#[derive(Serialize, JsonSchema)]
pub struct MessageToolCall {
    /// The call's id.
    pub id: String,
    /// Always `function`.
    #[schemars(extend("const" = "function"))]
    pub r#type: &'static str,
    /// The function and its arguments.
    pub function: CalledFunction,
}

/// A function and its arguments.
#[derive(Serialize, JsonSchema)]
pub struct CalledFunction {
    /// The function's name.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
}

/// `chat.completion.chunk`: a piece of a streamed answer.
#[derive(Serialize, JsonSchema)]
pub struct ChatCompletionChunk<'a> {
    /// The completion's own id, the same in all chunks.
    pub id: &'a str,
    /// Always `chat.completion.chunk`.
    #[schemars(extend("const" = "chat.completion.chunk"))]
    pub object: &'static str,
    /// Unix time in seconds, the same in all chunks.
    pub created: u64,
    /// The model that answers.
    pub model: &'a str,
    /// What the model runs on.
    pub system_fingerprint: &'a str,
    /// The piece; empty in the chunk that tells the token counts.
    pub choices: &'a [ChunkChoice<'a>],
    /// Absent unless asked for; `null` then where it is not told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
    /// vLLM's; in the first chunk, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_token_ids: Option<&'a [u32]>,
}

/// A piece of an answer.
#[derive(Serialize, JsonSchema)]
pub struct ChunkChoice<'a> {
    /// Of which answer.
    pub index: usize,
    /// What is new.
    pub delta: Delta<'a>,
    /// Where it was asked for.
    pub logprobs: Option<ChatLogprobs>,
    /// Why the model stopped, in the last piece.
    pub finish_reason: Option<FinishReason>,
    /// vLLM's, in the last piece: the text or token given with the request that stopped it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<Option<StopReason>>,
    /// vLLM's; where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
}

/// What is new in a piece of an answer.
#[derive(Default, Serialize, JsonSchema)]
pub struct Delta<'a> {
    /// Who speaks, in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// Text to append.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<&'a str>,
    /// Thoughts to append, in vLLM's spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<&'a str>,
    /// The same in DeepSeek's spelling, where the configuration wants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<&'a str>,
    /// What is new in a call of a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<[ToolCallDelta<'a>; 1]>,
}

/// What is new in a call of a tool: its head, or more of its arguments.
#[derive(Serialize, JsonSchema)]
pub struct ToolCallDelta<'a> {
    /// Which of the answer's calls.
    pub index: usize,
    /// The call's id, in its first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    /// `function`, in its first piece.
    #[schemars(extend("const" = "function"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<&'static str>,
    /// The function.
    pub function: FunctionDelta<'a>,
}

/// What is new of a called function.
#[derive(Serialize, JsonSchema)]
pub struct FunctionDelta<'a> {
    /// Its name, in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a str>,
    /// JSON text to append to the arguments.
    pub arguments: &'a str,
}
