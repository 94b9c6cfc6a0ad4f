//! Parameters that chat completions, completions and responses share: how tokens are chosen, and when to stop.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::{text_or_list::TextOrList, unknown::Unknown};
use crate::{
    parameters::{LONGEST_SALT, MOST_ALLOWED, MOST_ANSWERS, MOST_BAD_WORDS, MOST_BIASES, MOST_STOP_STRINGS, MOST_STOP_TOKENS},
    structured::{ResponseFormat, StructuredOutputs},
};

/// OpenAI's sampling parameters, and vLLM's beside them.
#[derive(Deserialize, JsonSchema)]
pub struct SamplingParameters {
    /// Softmax temperature, 0 to 2.
    #[schemars(range(min = 0, max = 2))]
    pub temperature: Option<f64>,
    /// Nucleus sampling, above 0 to 1.
    #[schemars(range(max = 1), extend("exclusiveMinimum" = 0))]
    pub top_p: Option<f64>,
    /// Number of most likely tokens considered; 0 or -1 for all.
    #[schemars(range(min = -1))]
    pub top_k: Option<i64>,
    /// Smallest probability relative to the most likely token, 0 to 1.
    #[schemars(range(min = 0, max = 1))]
    pub min_p: Option<f64>,
    /// Penalty on tokens already in the answer, -2 to 2.
    #[schemars(range(min = -2, max = 2))]
    pub presence_penalty: Option<f64>,
    /// Penalty on tokens by their count in the answer, -2 to 2.
    #[schemars(range(min = -2, max = 2))]
    pub frequency_penalty: Option<f64>,
    /// Penalty on tokens in prompt and answer, above 0; 1 for none.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub repetition_penalty: Option<f64>,
    /// Seed of the request's random generator.
    pub seed: Option<i64>,
    /// What is added to the logits of tokens, by their ids in decimal digits; -100 to 100.
    #[schemars(transform = biases)]
    pub logit_bias: Option<BTreeMap<String, f64>>,
    /// Texts that must not come about; none of them blank.
    #[schemars(length(max = MOST_BAD_WORDS), inner(length(min = 1), regex(pattern = r"\S")))]
    pub bad_words: Option<Vec<String>>,
    /// The only tokens that may come.
    #[schemars(length(min = 1, max = MOST_ALLOWED))]
    pub allowed_token_ids: Option<Vec<u32>>,
    /// Number of answers to each prompt.
    #[schemars(range(min = 1, max = MOST_ANSWERS))]
    pub n: Option<u32>,
    /// Texts that end the answer.
    pub stop: Option<StopParameter>,
    /// Tokens that end the answer.
    #[schemars(length(max = MOST_STOP_TOKENS))]
    pub stop_token_ids: Option<Vec<u32>>,
    /// Whether the text that ended the answer is a part of it.
    pub include_stop_str_in_output: Option<bool>,
    /// Whether the model's end-of-sequence token does not end the answer.
    pub ignore_eos: Option<bool>,
    /// New tokens before which nothing ends the answer.
    pub min_tokens: Option<usize>,
    /// Whether special tokens have no text.
    pub skip_special_tokens: Option<bool>,
    /// Whether special tokens that have a text are set apart by spaces.
    pub spaces_between_special_tokens: Option<bool>,
    /// Most likely tokens to report for each token of the prompt; -1 for all.
    #[schemars(range(min = -1))]
    pub prompt_logprobs: Option<i64>,
    /// Whether tokens are named by their ids where they are reported.
    pub return_tokens_as_token_ids: Option<bool>,
    /// Whether token ids come beside the text.
    pub return_token_ids: Option<bool>,
    /// Smaller numbers go first, where the engine schedules by priority.
    pub priority: Option<i64>,
    /// Requests with the same salt may share a prefix cache.
    #[schemars(length(min = 1, max = LONGEST_SALT), regex(pattern = r"^[^@/\\\x00]*$"))]
    pub cache_salt: Option<String>,
    /// What the answer's text has to be like, as OpenAI words it.
    pub(crate) response_format: Option<ResponseFormat>,
    /// What the answer's text has to be like, as vLLM words it.
    pub(crate) structured_outputs: Option<StructuredOutputs>,
    /// Whether to answer as server-sent events.
    pub stream: Option<bool>,
    /// How to stream.
    pub stream_options: Option<StreamOptions>,
    /// The caller's name for its end user: accepted for compatibility, and unused.
    #[serde(rename = "user")]
    pub _user: Option<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// `stop`: one text or several.
pub struct StopParameter(pub Vec<String>);

/// `stream_options`.
#[derive(Deserialize, JsonSchema)]
pub struct StreamOptions {
    /// Whether a last chunk tells the token counts.
    pub include_usage: Option<bool>,
    /// Whether each chunk tells the token counts so far.
    pub continuous_usage_stats: Option<bool>,
    #[serde(flatten)]
    unknown: Unknown,
}

impl SamplingParameters {
    /// The paths of what is not understood.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = String> {
        let options = self.stream_options.iter().flat_map(|options| options.unknown.paths("stream_options."));
        self.unknown.paths("").chain(options)
    }
}

/// Token ids are written as texts, since they are names of members.
fn biases(schema: &mut Schema) {
    schema.insert("propertyNames".to_owned(), json!({"pattern": "^(0|[1-9][0-9]*)$"}));
    schema.insert("additionalProperties".to_owned(), json!({"type": "number", "minimum": -100, "maximum": 100}));
    schema.insert("maxProperties".to_owned(), json!(MOST_BIASES));
}

impl JsonSchema for StopParameter {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StopParameter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = json!({"type": "string", "minLength": 1});
        json_schema!({"anyOf": [text, {"type": "array", "items": text, "maxItems": MOST_STOP_STRINGS}]})
    }
}

impl<'de> Deserialize<'de> for StopParameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TextOrList::read(deserializer, "a string or a list of strings", |text| Self(vec![text]), Self)
    }
}
