//! `POST /v1/responses`: the request, as it came.
//!
//! As with chat completions, what is not understood is refused by name. None of these types has a `Debug`: they are content.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    chat_request::{ReasoningEffort, ServiceTier},
    metadata::Metadata,
    response_input::{Input, InputItem},
    response_tools::{ResponseTool, ResponseToolChoice},
    unknown::Unknown,
};
use crate::{responses::LONGEST_REPEATED, structured::TextFormat};

/// A request for a response: what is its own. The rest is [`SamplingParameters`](super::sampling::SamplingParameters).
#[derive(Deserialize, JsonSchema)]
pub struct ResponseRequest {
    /// The id of the model.
    pub model: String,
    /// The conversation so far.
    pub input: Input,
    /// A system message before it.
    pub instructions: Option<String>,
    /// Limit on new tokens.
    #[schemars(range(min = 1))]
    pub max_output_tokens: Option<usize>,
    /// What else the response has to tell.
    #[schemars(transform = includable)]
    pub include: Option<Vec<String>>,
    /// Most likely tokens to report in each place of the text, 0 to 20; -1 for all.
    #[schemars(range(min = -1))]
    pub top_logprobs: Option<i64>,
    /// What the model may call.
    pub tools: Option<Vec<ResponseTool>>,
    /// Whether and what it has to call.
    pub tool_choice: Option<ResponseToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tool_calls: Option<bool>,
    /// What the text has to be like.
    pub text: Option<TextParameters>,
    /// How a model that thinks should think.
    pub reasoning: Option<ReasoningParameters>,
    /// What to do with a conversation that is too long: refuse it, for parts of it are never left out.
    #[schemars(with = "Option<String>", extend("enum" = ["disabled", null]))]
    pub truncation: Option<Truncation>,
    /// Whether to keep the response: accepted for compatibility. Nothing is ever kept, and the response says so.
    #[serde(rename = "store")]
    pub _store: Option<bool>,
    /// Whether to answer later: not supported, for nothing is kept.
    #[schemars(extend("enum" = [false, null]))]
    pub background: Option<bool>,
    /// A response that was kept: none is, so that this cannot be used.
    #[schemars(with = "Option<()>")]
    pub previous_response_id: Option<String>,
    /// A conversation that was kept: none is, so that this cannot be used.
    #[schemars(with = "Option<()>")]
    pub conversation: Option<Value>,
    /// How to stream.
    pub stream_options: Option<ResponseStreamOptions>,
    /// Notes of the caller's, which the response repeats.
    pub metadata: Option<Metadata>,
    /// The caller's name for its end user, which the response repeats.
    #[schemars(length(max = LONGEST_REPEATED))]
    pub user: Option<String>,
    /// A hint to OpenAI's own cache, which the response repeats.
    #[schemars(length(max = LONGEST_REPEATED))]
    pub prompt_cache_key: Option<String>,
    /// The caller's name for its end user, which the response repeats.
    #[schemars(length(max = LONGEST_REPEATED))]
    pub safety_identifier: Option<String>,
    /// Which of OpenAI's queues; there is one.
    #[serde(rename = "service_tier")]
    pub _service_tier: Option<ServiceTier>,
    #[serde(flatten)]
    pub(crate) rest: Unknown,
}

/// What `include` can ask for.
pub(crate) const LOGPROBS: &str = "message.output_text.logprobs";
pub(crate) const ENCRYPTED_REASONING: &str = "reasoning.encrypted_content";

fn includable(schema: &mut Schema) {
    schema.insert("items".to_owned(), json!({"type": "string", "enum": [LOGPROBS, ENCRYPTED_REASONING]}));
}

/// `text`.
#[derive(Default, Deserialize, JsonSchema)]
pub struct TextParameters {
    /// What the text has to be like.
    pub format: Option<TextFormat>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// `reasoning`.
#[derive(Deserialize, JsonSchema)]
pub struct ReasoningParameters {
    /// How much to think.
    pub effort: Option<ReasoningEffort>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// What to do with a conversation that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Truncation {
    /// Leave parts of it out.
    Auto,
    /// Refuse it.
    Disabled,
}

/// `stream_options`.
#[derive(Deserialize, JsonSchema)]
pub struct ResponseStreamOptions {
    /// Whether events are filled up to hide their lengths: not supported.
    #[schemars(extend("enum" = [false, null]))]
    pub include_obfuscation: Option<bool>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl ResponseRequest {
    /// The paths of what is not understood in what has a type here.
    pub(crate) fn unknown(&self) -> Vec<String> {
        let items = match &self.input {
            Input::Text(_) => &[],
            Input::Items(items) => items.as_slice(),
        };
        let items = items.iter().enumerate();
        let items = items.flat_map(|(index, item): (usize, &InputItem)| item.unknown(&format!("input[{index}].")));
        let tools = self.tools.iter().flatten().enumerate();
        let tools = tools.flat_map(|(index, tool)| tool.unknown(&format!("tools[{index}].")));
        let text = self.text.iter().flat_map(|text| {
            let format = text.format.iter().flat_map(TextFormat::unknown);
            text.unknown.paths("text.").chain(format)
        });
        let reasoning = self.reasoning.iter().flat_map(|reasoning| reasoning.unknown.paths("reasoning."));
        let options = self.stream_options.iter().flat_map(|options| options.unknown.paths("stream_options."));
        let choice = self.tool_choice.iter().flat_map(ResponseToolChoice::unknown);
        items.chain(tools).chain(choice).chain(text).chain(reasoning).chain(options).collect()
    }
}
