//! Probabilities of tokens, in natural logarithms.

use std::collections::BTreeMap;

use serde::Serialize;

/// `logprobs` of a choice of a chat completion.
#[derive(Default, Serialize)]
pub struct ChatLogprobs {
    /// For each token of the answer, in order.
    pub content: Vec<TokenLogprobs>,
}

/// A token of the answer, and those that could have stood in its place.
#[derive(Serialize)]
pub struct TokenLogprobs {
    /// The token.
    #[serde(flatten)]
    pub chosen: TextLogprob,
    /// The most likely tokens in this place, most likely first.
    pub top_logprobs: Vec<TextLogprob>,
}

/// A token with its text.
#[derive(Serialize)]
pub struct TextLogprob {
    /// Its text; empty for a piece of a character.
    pub token: String,
    /// Natural logarithm of its probability; at least -9999.
    pub logprob: f64,
    /// The text in UTF-8.
    pub bytes: Vec<u8>,
}

/// `prompt_logprobs`, vLLM's: for each token of the prompt the tokens by their ids, `None` for the first.
pub type PromptLogprobs = Vec<Option<BTreeMap<u32, RankedLogprob>>>;

/// A token of the prompt, or one that could have stood in its place.
#[derive(Serialize)]
pub struct RankedLogprob {
    /// Natural logarithm of its probability; at least -9999.
    pub logprob: f64,
    /// Its rank among all tokens, from 1.
    pub rank: u32,
    /// Its text.
    pub decoded_token: String,
}
