//! `POST /tokenize` and `POST /detokenize`, as vLLM has them. None of these types has a `Debug`: they are content.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::unknown::Unknown;

/// A text, or the messages of a chat completion request, to be tokenised.
#[derive(Deserialize, JsonSchema)]
pub struct TokenizeRequest {
    /// The id of the model; the one that is served unless given.
    pub model: Option<String>,
    /// The text.
    pub prompt: Option<String>,
    /// Whether the vocabulary's own names of the tokens come beside the ids.
    pub return_token_strs: Option<bool>,
    #[serde(flatten)]
    pub(crate) rest: Unknown,
}

/// What a request to tokenise a text can say beside it.
#[derive(Deserialize, JsonSchema)]
pub struct TokenizeText {
    /// Whether the tokenizer adds special tokens.
    pub add_special_tokens: Option<bool>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

/// The tokens.
#[derive(Serialize, JsonSchema)]
pub struct Tokenized {
    /// How many.
    pub count: usize,
    /// The most tokens of prompt and answer together.
    pub max_model_len: usize,
    /// Their ids.
    pub tokens: Vec<u32>,
    /// Their names in the vocabulary, where they were asked for.
    pub token_strs: Option<Vec<String>>,
}

/// Tokens to be written as text.
#[derive(Deserialize, JsonSchema)]
pub struct DetokenizeRequest {
    /// The id of the model; the one that is served unless given.
    pub model: Option<String>,
    /// Their ids.
    pub tokens: Vec<u32>,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

/// The text of tokens.
#[derive(Serialize, JsonSchema)]
pub struct Detokenized {
    /// The text, special tokens included.
    pub prompt: String,
}
