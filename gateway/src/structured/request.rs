//! What comes over the wire: OpenAI's `response_format` and vLLM's `structured_outputs`.
//!
//! None of these types has a `Debug`: schemas and texts are content.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::openai::{error::ApiError, unknown::Unknown};

/// OpenAI's `response_format`.
#[derive(Deserialize)]
pub(crate) struct ResponseFormat {
    #[serde(rename = "type")]
    kind: ResponseFormatKind,
    json_schema: Option<JsonSchemaFormat>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResponseFormatKind {
    Text,
    JsonObject,
    JsonSchema,
}

#[derive(Deserialize)]
struct JsonSchemaFormat {
    /// Names and descriptions are for models that OpenAI shows them to; vLLM's never see them.
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "description")]
    _description: Option<String>,
    schema: Option<Value>,
    /// Either way the answer fits the schema, as with vLLM.
    #[serde(rename = "strict")]
    _strict: Option<bool>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// `text.format` of OpenAI's Responses, which the response repeats.
#[derive(Deserialize, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TextFormat {
    /// Free text.
    Text(PlainFormat),
    /// Any JSON object.
    JsonObject(PlainFormat),
    /// JSON of a schema.
    JsonSchema(SchemaFormat),
}

/// A format that has nothing but its type.
#[derive(Default, Deserialize, Serialize)]
pub struct PlainFormat {
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
}

/// JSON of a schema. Name and description are for models that OpenAI shows them to, and strict or not it fits.
#[derive(Deserialize, Serialize)]
pub struct SchemaFormat {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    schema: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
}

/// vLLM's `structured_outputs` (`vllm.sampling_params.StructuredOutputsParams`).
#[derive(Deserialize)]
pub(crate) struct StructuredOutputs {
    json: Option<Value>,
    regex: Option<String>,
    choice: Option<Vec<String>>,
    grammar: Option<String>,
    json_object: Option<bool>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// What is asked for, not yet checked against any limit.
pub(super) enum Kind {
    Json(Value),
    JsonText(String),
    JsonObject,
    Regex(String),
    Choice(Vec<String>),
    Grammar(String),
}

/// A kind, and the parameter that asks for it.
pub(super) type Asked = (Kind, &'static str);

impl ResponseFormat {
    /// `None` for `text`.
    pub(super) fn into_kind(self) -> Result<Option<Asked>, ApiError> {
        refuse_unknown("response_format", &self.unknown)?;
        if let Some(format) = &self.json_schema {
            refuse_unknown("response_format.json_schema", &format.unknown)?;
        }
        let schema = "response_format.json_schema.schema";
        match (self.kind, self.json_schema) {
            (ResponseFormatKind::Text, None) => Ok(None),
            (ResponseFormatKind::JsonObject, None) => Ok(Some((Kind::JsonObject, "response_format"))),
            (ResponseFormatKind::JsonSchema, Some(JsonSchemaFormat { schema: Some(value), .. })) => {
                Ok(Some((Kind::Json(value), schema)))
            }
            (ResponseFormatKind::JsonSchema, _) => {
                Err(ApiError::invalid(format!("{schema} is missing: the type is json_schema.")).param(schema))
            }
            (_, Some(_)) => Err(ApiError::invalid("response_format.json_schema goes with the type json_schema only.")
                .param("response_format.json_schema")),
        }
    }
}

impl TextFormat {
    /// The paths of what is not understood.
    pub(crate) fn unknown(&self) -> impl Iterator<Item = String> {
        let (Self::Text(PlainFormat { unknown })
        | Self::JsonObject(PlainFormat { unknown })
        | Self::JsonSchema(SchemaFormat { unknown, .. })) = self;
        unknown.paths("text.format.")
    }

    /// `None` for `text`.
    pub(super) fn kind(&self) -> Option<Asked> {
        match self {
            Self::Text(_) => None,
            Self::JsonObject(_) => Some((Kind::JsonObject, "text.format")),
            Self::JsonSchema(format) => Some((Kind::Json(format.schema.clone()), "text.format.schema")),
        }
    }
}

impl Default for TextFormat {
    fn default() -> Self {
        Self::Text(PlainFormat::default())
    }
}

impl StructuredOutputs {
    pub(super) fn into_kind(mut self) -> Result<Asked, ApiError> {
        // vLLM's own client sends these with their default.
        for switch in ["disable_any_whitespace", "disable_additional_properties"] {
            self.unknown.retain(|name, value| name != switch || *value != Value::Bool(false));
        }
        refuse_unknown("structured_outputs", &self.unknown)?;
        if self.json_object == Some(false) {
            let param = "structured_outputs.json_object";
            return Err(ApiError::invalid(format!("{param} has to be true where it is given.")).param(param));
        }
        let json = self.json.map(|json| match json {
            Value::String(text) => Kind::JsonText(text),
            schema => Kind::Json(schema),
        });
        let mut asked: Vec<Asked> = [
            (json, "structured_outputs.json"),
            (self.regex.map(Kind::Regex), "structured_outputs.regex"),
            (self.choice.map(Kind::Choice), "structured_outputs.choice"),
            (self.grammar.map(Kind::Grammar), "structured_outputs.grammar"),
            (self.json_object.map(|_| Kind::JsonObject), "structured_outputs.json_object"),
        ]
        .into_iter()
        .filter_map(|(kind, param)| kind.map(|kind| (kind, param)))
        .collect();
        match (asked.pop(), asked.pop()) {
            (Some(only), None) => Ok(only),
            (None, _) => {
                let message = "structured_outputs needs one of json, regex, choice, grammar and json_object.";
                Err(ApiError::invalid(message).param("structured_outputs"))
            }
            (Some((_, second)), Some((_, first))) => {
                let message = format!("{first} and {second} both constrain the answer: give one of them.");
                Err(ApiError::invalid(message).param(second))
            }
        }
    }
}

/// `null` stands for absent, as everywhere in a request.
fn refuse_unknown(parent: &str, unknown: &Map<String, Value>) -> Result<(), ApiError> {
    let names: Vec<_> =
        unknown.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| format!("{parent}.{name}")).collect();
    let Some(first) = names.first() else { return Ok(()) };
    let message = format!("unsupported parameter(s): {}", names.join(", "));
    Err(ApiError::invalid(message).param(first).code("unsupported_parameter"))
}
