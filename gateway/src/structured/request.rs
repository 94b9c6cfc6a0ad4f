//! What comes over the wire: OpenAI's `response_format` and vLLM's `structured_outputs`.
//!
//! None of these types has a `Debug`: schemas and texts are content.

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::openai::{
    by_tag::{Variant, by_tag},
    error::ApiError,
    unknown::Unknown,
};

/// OpenAI's `response_format`.
#[derive(Deserialize, JsonSchema)]
#[schemars(transform = by_type)]
pub(crate) struct ResponseFormat {
    /// The form.
    #[serde(rename = "type")]
    kind: ResponseFormatKind,
    /// The schema, with the type `json_schema`.
    json_schema: Option<JsonSchemaFormat>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// The form of the answer.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum ResponseFormatKind {
    Text,
    JsonObject,
    JsonSchema,
}

fn by_type(schema: &mut Schema) {
    let variants = [
        Variant { title: "TextOrJsonObject", values: &["text", "json_object"], required: &[], optional: &[] },
        Variant { title: "JsonOfSchema", values: &["json_schema"], required: &["json_schema"], optional: &[] },
    ];
    by_tag(schema, "type", &variants);
}

/// JSON of a schema. Name and description are for models that OpenAI shows them to; vLLM's never see them.
#[derive(Deserialize, JsonSchema)]
struct JsonSchemaFormat {
    /// Its name.
    #[serde(rename = "name")]
    _name: String,
    /// What it is for.
    #[serde(rename = "description")]
    _description: Option<String>,
    /// The JSON Schema.
    #[schemars(required, with = "Map<String, Value>")]
    schema: Option<Value>,
    /// Either way the answer fits the schema, as with vLLM.
    #[serde(rename = "strict")]
    _strict: Option<bool>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// `text.format` of OpenAI's Responses, which the response repeats.
#[derive(Deserialize, Serialize, JsonSchema)]
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
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PlainFormat {
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
}

/// JSON of a schema. Name and description are for models that OpenAI shows them to, and strict or not it fits.
#[derive(Deserialize, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct SchemaFormat {
    /// Its name.
    name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The JSON Schema.
    #[schemars(with = "Map<String, Value>")]
    schema: Value,
    /// Either way the answer fits the schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
}

/// vLLM's `structured_outputs` (`vllm.sampling_params.StructuredOutputsParams`): one of its members.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct StructuredOutputs {
    /// JSON of this schema, given as an object or as JSON text.
    #[schemars(with = "Option<ObjectOrText>")]
    json: Option<Value>,
    /// Text that this regular expression matches whole.
    regex: Option<String>,
    /// One of these texts.
    #[schemars(length(min = 1))]
    choice: Option<Vec<String>>,
    /// Text of this grammar.
    grammar: Option<String>,
    /// Any JSON object.
    #[schemars(extend("enum" = [true, null]))]
    json_object: Option<bool>,
    /// vLLM's own client sends this with its default, which is the only value.
    #[schemars(extend("enum" = [false, null]))]
    disable_any_whitespace: Option<bool>,
    /// As above.
    #[schemars(extend("enum" = [false, null]))]
    disable_additional_properties: Option<bool>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// A JSON Schema, or its text.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "it describes, and is never made")]
enum ObjectOrText {
    Object(Map<String, Value>),
    Text(String),
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
        refuse(self.unknown.paths("response_format."))?;
        if let Some(format) = &self.json_schema {
            refuse(format.unknown.paths("response_format.json_schema."))?;
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
    pub(super) fn into_kind(self) -> Result<Asked, ApiError> {
        let switches = [
            ("structured_outputs.disable_any_whitespace", self.disable_any_whitespace),
            ("structured_outputs.disable_additional_properties", self.disable_additional_properties),
        ];
        let switched = switches.into_iter().filter(|(_, on)| *on == Some(true)).map(|(name, _)| name.to_owned());
        refuse(switched.chain(self.unknown.paths("structured_outputs.")))?;
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

/// Whatever the configuration says of unknown parameters: a constraint that is not obeyed is worse than none.
fn refuse(names: impl Iterator<Item = String>) -> Result<(), ApiError> {
    let names: Vec<_> = names.collect();
    let Some(first) = names.first() else { return Ok(()) };
    let message = format!("unsupported parameter(s): {}", names.join(", "));
    Err(ApiError::invalid(message).param(first).code("unsupported_parameter"))
}
