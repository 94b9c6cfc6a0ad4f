//! Probabilities of tokens, in natural logarithms.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// `logprobs` of a choice of a chat completion.
#[derive(Default, Serialize, JsonSchema)]
pub struct ChatLogprobs {
    /// For each token of the answer, in order.
    pub content: Vec<TokenLogprobs>,
}

/// A token of the answer, and those that could have stood in its place.
#[derive(Serialize, JsonSchema)]
pub struct TokenLogprobs {
    /// The token.
    #[serde(flatten)]
    pub chosen: TextLogprob,
    /// The most likely tokens in this place, most likely first.
    pub top_logprobs: Vec<TextLogprob>,
}

/// A token with its text.
#[derive(Serialize, JsonSchema)]
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
#[derive(Serialize, JsonSchema)]
pub struct RankedLogprob {
    /// Natural logarithm of its probability; at least -9999.
    pub logprob: f64,
    /// Its rank among all tokens, from 1.
    pub rank: u32,
    /// Its text.
    pub decoded_token: String,
}

/// `logprobs` of a choice of a completion: one item in each list for each token.
#[derive(Default, Serialize, JsonSchema)]
pub struct CompletionLogprobs {
    /// The tokens' texts.
    pub tokens: Vec<String>,
    /// Natural logarithms of their probabilities, at least -9999; `None` for a prompt's first, which nothing predicts.
    pub token_logprobs: Vec<Option<f64>>,
    /// For each place the token itself and the most likely ones.
    pub top_logprobs: Vec<Option<TextLogprobs>>,
    /// Characters (Unicode scalar values) before each token, from the beginning of the choice's text.
    pub text_offset: Vec<usize>,
}

/// Tokens by their texts, written as a JSON object. Of tokens with the same text the first counts.
pub struct TextLogprobs(Vec<(String, f64)>);

impl TextLogprobs {
    /// The token of a place first, then the others, most likely first.
    pub(crate) fn new(chosen: &TextLogprob, top: Vec<TextLogprob>) -> Self {
        let mut entries = vec![(chosen.token.clone(), chosen.logprob)];
        for TextLogprob { token, logprob, .. } in top {
            if entries.iter().all(|(text, _)| *text != token) {
                entries.push((token, logprob));
            }
        }
        Self(entries)
    }
}

impl JsonSchema for TextLogprobs {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "TextLogprobs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": generator.subschema_for::<f64>()})
    }
}

impl Serialize for TextLogprobs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(text, logprob)| (text, logprob)))
    }
}

impl CompletionLogprobs {
    /// Appends `more`.
    pub(crate) fn extend(&mut self, more: Self) {
        self.tokens.extend(more.tokens);
        self.token_logprobs.extend(more.token_logprobs);
        self.top_logprobs.extend(more.top_logprobs);
        self.text_offset.extend(more.text_offset);
    }
}
