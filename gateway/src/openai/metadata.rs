//! Notes of the caller's.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::{Map, Value};

/// OpenAI's bounds: pairs, characters of a name, and of a text.
const MOST_PAIRS: usize = 16;
const LONGEST_NAME: usize = 64;
const LONGEST_TEXT: usize = 512;

/// Texts by names, within OpenAI's bounds: what a response repeats lasts as long as the response.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(inline, transform = bounds)]
pub struct Metadata(#[schemars(with = "std::collections::BTreeMap<String, String>")] Map<String, Value>);

fn bounds(schema: &mut schemars::Schema) {
    schema.insert("maxProperties".to_owned(), MOST_PAIRS.into());
    schema.insert("propertyNames".to_owned(), serde_json::json!({"maxLength": LONGEST_NAME}));
    schema.insert("additionalProperties".to_owned(), serde_json::json!({"type": "string", "maxLength": LONGEST_TEXT}));
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = Map::deserialize(deserializer)?;
        if pairs.len() > MOST_PAIRS {
            return Err(D::Error::custom(format!("metadata may have {MOST_PAIRS} pairs, not {}", pairs.len())));
        }
        let fits = |text: &str, longest: usize| text.chars().count() <= longest;
        for (name, value) in &pairs {
            if !fits(name, LONGEST_NAME) || !value.as_str().is_some_and(|text| fits(text, LONGEST_TEXT)) {
                return Err(D::Error::custom(format!(
                    "a name in metadata may have {LONGEST_NAME} characters, and what it names has to be a text of at most {LONGEST_TEXT}"
                )));
            }
        }
        Ok(Self(pairs))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(metadata: Value) -> Option<Value> {
        serde_json::from_value::<Metadata>(metadata).ok().map(|read| json!(read))
    }

    #[test]
    fn bounds_hold_to_the_number() {
        let pairs = |count: usize| Value::Object((0..count).map(|number| (number.to_string(), json!("x"))).collect());
        let pair = |name: usize, text: usize| json!({"n".repeat(name): "\u{e9}".repeat(text)});
        for fine in [json!({}), pairs(16), pair(64, 512)] {
            assert_eq!(read(fine.clone()), Some(fine));
        }
        for wrong in [pairs(17), pair(65, 1), pair(1, 513), json!({"a": 1}), json!({"a": null}), json!({"a": {}}), json!([])] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }
}
