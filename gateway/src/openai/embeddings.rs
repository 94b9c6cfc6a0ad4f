//! `POST /v1/embeddings`, as it comes and as it goes.
//!
//! Neither type has a `Debug`: they are content.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unknown::Unknown;
use crate::{embeddings::MOST_INPUTS, parameters::LONGEST_SALT};

/// A request for embeddings.
#[derive(Deserialize, JsonSchema)]
pub struct EmbeddingsRequest {
    /// The id of the model.
    pub model: String,
    /// What is to be embedded.
    pub input: EmbeddingsInput,
    /// How vectors are written.
    pub encoding_format: Option<EncodingFormat>,
    /// How many dimensions each vector is to have.
    #[schemars(range(min = 1))]
    pub dimensions: Option<usize>,
    /// vLLM's limit on the tokens of each input; -1 for the model's own.
    #[schemars(range(min = -1))]
    pub truncate_prompt_tokens: Option<i64>,
    /// Whether the tokenizer adds special tokens to texts.
    pub add_special_tokens: Option<bool>,
    /// Requests with a smaller number go first, in an engine that schedules by priority.
    pub priority: Option<i64>,
    /// Requests with the same salt may share a prefix cache.
    #[schemars(length(min = 1, max = LONGEST_SALT), regex(pattern = r"^[^@/\\\x00]*$"))]
    pub cache_salt: Option<String>,
    /// The caller's name for its end user: accepted for compatibility, and unused.
    #[serde(rename = "user")]
    pub _user: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: Unknown,
}

/// What is to be embedded.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, a list of texts, a list of token ids, or a list of lists of token ids")]
pub enum EmbeddingsInput {
    /// One text.
    Text(#[schemars(length(min = 1))] String),
    /// Several texts.
    // Comes before the others: an empty list is one of anything.
    Texts(#[schemars(length(min = 1, max = MOST_INPUTS), inner(length(min = 1)))] Vec<String>),
    /// One sequence of token ids.
    Tokens(#[schemars(length(min = 1))] Vec<u32>),
    /// Several sequences of token ids.
    TokenLists(#[schemars(length(min = 1, max = MOST_INPUTS), inner(length(min = 1)))] Vec<Vec<u32>>),
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// As lists of numbers.
    #[default]
    Float,
    /// As 32-bit floats in little-endian order, in Base64.
    Base64,
}

/// The answer.
#[derive(Serialize, JsonSchema)]
pub struct EmbeddingList<'a> {
    /// Always `list`.
    #[schemars(extend("const" = "list"))]
    pub object: &'static str,
    /// One for each input, in the order of the inputs.
    pub data: Vec<EmbeddingObject>,
    /// The id of the model.
    pub model: &'a str,
    /// Token counts.
    pub usage: EmbeddingUsage,
}

/// One vector.
#[derive(Serialize, JsonSchema)]
pub struct EmbeddingObject {
    /// Always `embedding`.
    #[schemars(extend("const" = "embedding"))]
    pub object: &'static str,
    /// The place of its input among the inputs.
    pub index: usize,
    /// The vector.
    pub embedding: EncodedEmbedding,
}

/// A vector as it is written.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum EncodedEmbedding {
    /// As a list of numbers, each as short as it can be and still be the same 32-bit float.
    Float(Vec<f32>),
    /// As 32-bit floats in little-endian order, in Base64.
    Base64(String),
}

/// Token counts of a request for embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EmbeddingUsage {
    /// Tokens of all inputs.
    pub prompt_tokens: usize,
    /// The same: there is no other kind.
    pub total_tokens: usize,
}
