//! `POST /v1/completions`: the request, as it came. None of these types has a `Debug`: they are content.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Unexpected, Visitor},
};

use super::unknown::Unknown;
use crate::parameters::MOST_ANSWERS;

/// A completion request: what is its own. The rest is [`SamplingParameters`](super::sampling::SamplingParameters).
#[derive(Deserialize, JsonSchema)]
pub struct CompletionRequest {
    /// The id of the model.
    pub model: String,
    /// What is to be continued.
    pub prompt: PromptParameter,
    /// Limit on new tokens; 16 unless given.
    pub max_tokens: Option<usize>,
    /// Most likely tokens to report in each place; -1 for all.
    #[schemars(range(min = -1))]
    pub logprobs: Option<i64>,
    /// Whether the text begins with the prompt.
    pub echo: Option<bool>,
    /// Text that comes after the completion: not supported.
    #[schemars(with = "Option<()>")]
    pub suffix: Option<String>,
    /// Number of answers that the best are chosen from; only `n`.
    pub best_of: Option<u32>,
    /// Whether the tokenizer adds special tokens to a text.
    pub add_special_tokens: Option<bool>,
    #[serde(flatten)]
    pub(crate) rest: Unknown,
}

/// `prompt`: a text, texts, token ids, or lists of token ids; at least one prompt.
pub struct PromptParameter(pub Vec<PromptInput>);

/// One prompt.
pub enum PromptInput {
    /// A text.
    Text(String),
    /// Token ids.
    Tokens(Vec<u32>),
}

impl PromptInput {
    /// Its bytes, or its tokens.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Tokens(ids) => ids.len(),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl JsonSchema for PromptParameter {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "PromptParameter".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let token = generator.subschema_for::<u32>();
        let tokens = json_schema!({"type": "array", "items": token, "minItems": 1});
        json_schema!({"anyOf": [
            {"type": "string"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_ANSWERS},
            tokens,
            {"type": "array", "items": tokens, "minItems": 1, "maxItems": MOST_ANSWERS},
        ]})
    }
}

impl<'de> Deserialize<'de> for PromptParameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PromptVisitor;

        impl<'de> Visitor<'de> for PromptVisitor {
            type Value = PromptParameter;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings, token ids, or lists of token ids")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PromptParameter, E> {
                Ok(PromptParameter(vec![PromptInput::Text(text.to_owned())]))
            }

            /// The first item tells what the others are.
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<PromptParameter, A::Error> {
                Ok(PromptParameter(match list.next_element()? {
                    None => return Err(A::Error::invalid_length(0, &self)),
                    Some(Item::Text(text)) => and_rest(text, list)?.into_iter().map(PromptInput::Text).collect(),
                    Some(Item::Token(id)) => vec![PromptInput::Tokens(and_rest(id, list)?)],
                    Some(Item::Tokens(ids)) => and_rest(ids, list)?.into_iter().map(PromptInput::Tokens).collect(),
                }))
            }
        }

        deserializer.deserialize_any(PromptVisitor)
    }
}

fn and_rest<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(first: T, mut list: A) -> Result<Vec<T>, A::Error> {
    let mut items = vec![first];
    while let Some(item) = list.next_element()? {
        items.push(item);
    }
    Ok(items)
}

/// The first item of a list. A visitor rather than an untagged enum, which would lose the reason of an error inside.
enum Item {
    Text(String),
    Token(u32),
    Tokens(Vec<u32>),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;

        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Item;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a token id, or a list of token ids")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Item, E> {
                Ok(Item::Text(text.to_owned()))
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<Item, E> {
                u32::try_from(id).map(Item::Token).map_err(|_| E::invalid_value(Unexpected::Unsigned(id), &self))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Item, A::Error> {
                let mut ids = Vec::new();
                while let Some(id) = list.next_element()? {
                    ids.push(id);
                }
                Ok(Item::Tokens(ids))
            }
        }

        deserializer.deserialize_any(ItemVisitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    /// What was read, written again as a list of prompts.
    fn read(prompt: &Value) -> Result<Value, serde_json::Error> {
        let PromptParameter(prompts) = serde_json::from_str(&prompt.to_string())?;
        let written = prompts.iter().map(|prompt| match prompt {
            PromptInput::Text(text) => json!(text),
            PromptInput::Tokens(ids) => json!(ids),
        });
        Ok(written.collect())
    }

    #[test]
    fn all_four_kinds_of_prompts_are_read() {
        assert_eq!(read(&json!("a")).unwrap(), json!(["a"]));
        assert_eq!(read(&json!(["a", ""])).unwrap(), json!(["a", ""]));
        assert_eq!(read(&json!([1, 2])).unwrap(), json!([[1, 2]]));
        assert_eq!(read(&json!([[1, 2], []])).unwrap(), json!([[1, 2], []]));
    }

    #[test]
    fn mixtures_and_numbers_that_are_no_tokens_are_refused() {
        for wrong in [
            json!([]),
            json!(7),
            json!(null),
            json!(["a", 1]),
            json!([1, "a"]),
            json!([[1], 2]),
            json!([[1], "a"]),
            json!([-1]),
            json!([1, -1]),
            json!([1.0]),
            json!([4_294_967_296_u64]),
            json!([[[1]]]),
            json!([true]),
            json!({"a": 1}),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn lists_of_token_ids_are_read_as_they_are(lists in prop::collection::vec(prop::collection::vec(any::<u32>(), 0..5), 1..5)) {
            prop_assert_eq!(read(&json!(lists)).unwrap(), json!(lists));
        }
    }
}
