//! `POST /v1/embeddings`, as it comes and as it goes.
//!
//! Neither type has a `Debug`: they are content.

use serde::{Deserialize, Serialize};

use super::unknown::Unknown;

/// A request for embeddings.
#[derive(Deserialize)]
pub struct EmbeddingsRequest {
    /// The id of the model.
    pub model: String,
    /// What is to be embedded.
    pub input: EmbeddingsInput,
    /// How vectors are written.
    pub encoding_format: Option<EncodingFormat>,
    /// How many dimensions each vector is to have.
    pub dimensions: Option<usize>,
    /// vLLM's limit on the tokens of each input; -1 for the model's own.
    pub truncate_prompt_tokens: Option<i64>,
    /// Whether the tokenizer adds special tokens to texts.
    pub add_special_tokens: Option<bool>,
    /// Requests with a smaller number go first, in an engine that schedules by priority.
    pub priority: Option<i64>,
    /// Requests with the same salt may share a prefix cache.
    pub cache_salt: Option<String>,
    /// The caller's name for its end user: accepted for compatibility, and unused.
    #[serde(rename = "user")]
    pub _user: Option<String>,
    #[serde(flatten)]
    pub(crate) rest: Unknown,
}

/// What is to be embedded.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a text, a list of texts, a list of token ids, or a list of lists of token ids")]
pub enum EmbeddingsInput {
    /// One text.
    Text(String),
    /// Several texts. Comes before the others: an empty list is one of anything.
    Texts(Vec<String>),
    /// One sequence of token ids.
    Tokens(Vec<u32>),
    /// Several sequences of token ids.
    TokenLists(Vec<Vec<u32>>),
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// As lists of numbers.
    #[default]
    Float,
    /// As 32-bit floats in little-endian order, in Base64.
    Base64,
}

/// The answer.
#[derive(Serialize)]
pub struct EmbeddingList<'a> {
    /// Always `list`.
    pub object: &'static str,
    /// One for each input, in the order of the inputs.
    pub data: Vec<EmbeddingObject>,
    /// The id of the model.
    pub model: &'a str,
    /// Token counts.
    pub usage: EmbeddingUsage,
}

/// One vector.
#[derive(Serialize)]
pub struct EmbeddingObject {
    /// Always `embedding`.
    pub object: &'static str,
    /// The place of its input among the inputs.
    pub index: usize,
    /// The vector.
    pub embedding: EncodedEmbedding,
}

/// A vector as it is written.
#[derive(Serialize)]
#[serde(untagged)]
pub enum EncodedEmbedding {
    /// As a list of numbers, each as short as it can be and still be the same 32-bit float.
    Float(Vec<f32>),
    /// As 32-bit floats in little-endian order, in Base64.
    Base64(String),
}

/// Token counts of a request for embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct EmbeddingUsage {
    /// Tokens of all inputs.
    pub prompt_tokens: usize,
    /// The same: there is no other kind.
    pub total_tokens: usize,
}
