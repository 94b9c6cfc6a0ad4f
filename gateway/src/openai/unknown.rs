//! What a request says that this gateway does not know.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Members of a JSON object that its type does not name, to be caught with `#[serde(flatten)]`.
#[derive(Default, Deserialize)]
#[serde(transparent)]
pub struct Unknown(Map<String, Value>);

impl Unknown {
    /// Their paths below `prefix`, which ends with a dot unless it is empty.
    ///
    /// `null` stands for absent, as with OpenAI: SDKs send it for parameters that were never set.
    pub fn paths(&self, prefix: &str) -> impl Iterator<Item = String> {
        self.0.iter().filter(|(_, value)| !value.is_null()).map(move |(name, _)| format!("{prefix}{name}"))
    }

    /// The members themselves, for a type that reads the rest.
    #[must_use]
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

/// Nothing but `null`: what is not known is refused, and `null` stands for absent.
impl JsonSchema for Unknown {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Unknown".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "additionalProperties": {"type": "null"}})
    }
}
