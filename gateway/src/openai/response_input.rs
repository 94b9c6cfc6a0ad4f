//! The input of a response: items of a conversation, those included that earlier responses had as output.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::{by_tag::tagged, chat_message::Role, text_or_list::TextOrList, unknown::Unknown};

/// One text of the user's, or a list of items.
pub enum Input {
    /// What the user says.
    Text(String),
    /// A conversation.
    Items(Vec<InputItem>),
}

/// An item of a conversation. One without a `type` is a message.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", remote = "Self")]
#[schemars(transform = message_by_default)]
pub enum InputItem {
    /// What somebody says.
    Message(InputMessage),
    /// A call that the model made.
    FunctionCall(InputCall),
    /// What a call gave.
    FunctionCallOutput(InputCallOutput),
    /// What the model thought.
    Reasoning(InputReasoning),
}

/// What somebody says.
#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct InputMessage {
    /// Who; a tool has an item of its own.
    #[schemars(with = "String", extend("enum" = ["system", "developer", "user", "assistant"]))]
    pub role: Role,
    /// What is said.
    pub content: InputContent,
    /// Its id and state in the response that it is from: nothing is kept that they could name.
    #[serde(rename = "id")]
    pub _id: Option<String>,
    #[serde(rename = "status")]
    pub(crate) _status: Option<ItemStatus>,
    /// OpenAI's mark of remarks between calls: as with vLLM, templates do not see it.
    #[serde(rename = "phase")]
    pub _phase: Option<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// A call that the model made.
#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct InputCall {
    /// The call's id, which its output repeats.
    pub call_id: String,
    /// The function's name.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
    #[serde(rename = "id")]
    pub(crate) _id: Option<String>,
    #[serde(rename = "status")]
    pub(crate) _status: Option<ItemStatus>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// What a call gave.
#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct InputCallOutput {
    /// The call's id.
    pub call_id: String,
    /// What it gave.
    pub output: InputContent,
    #[serde(rename = "id")]
    pub(crate) _id: Option<String>,
    #[serde(rename = "status")]
    pub(crate) _status: Option<ItemStatus>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// What the model thought.
#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct InputReasoning {
    /// The thoughts.
    pub content: Option<Vec<InputPart>>,
    /// What OpenAI tells of thoughts that it hides.
    pub summary: Option<Vec<InputPart>>,
    /// The same, sealed by this server.
    pub encrypted_content: Option<String>,
    #[serde(rename = "id")]
    pub(crate) _id: Option<String>,
    #[serde(rename = "status")]
    pub(crate) _status: Option<ItemStatus>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// How far an item of an earlier response had come.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ItemStatus {
    InProgress,
    Completed,
    Incomplete,
}

/// What is said: one text, or a list of parts.
pub enum InputContent {
    /// One text.
    Text(String),
    /// Text in parts.
    Parts(Vec<InputPart>),
}

/// A part that is text.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", remote = "Self")]
pub enum InputPart {
    /// What the user says.
    InputText(TextPart),
    /// What the model said; of annotations and probabilities templates know nothing.
    OutputText {
        /// The text.
        text: String,
        /// Unused.
        #[serde(rename = "annotations")]
        _annotations: Option<Vec<Value>>,
        /// Unused.
        #[serde(rename = "logprobs")]
        _logprobs: Option<Vec<Value>>,
        #[serde(flatten)]
        /// What is not understood.
        unknown: Unknown,
    },
    /// A refusal of the model's.
    Refusal {
        /// Its words.
        refusal: String,
        #[serde(flatten)]
        /// What is not understood.
        unknown: Unknown,
    },
    /// Thoughts.
    ReasoningText(TextPart),
    /// What OpenAI tells of thoughts.
    SummaryText(TextPart),
}

/// A text.
#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct TextPart {
    /// The text.
    pub text: String,
    #[serde(flatten)]
    unknown: Unknown,
}

impl InputPart {
    /// Its words.
    #[must_use]
    pub fn into_text(self) -> String {
        match self {
            Self::InputText(part) | Self::ReasoningText(part) | Self::SummaryText(part) => part.text,
            Self::OutputText { text, .. } | Self::Refusal { refusal: text, .. } => text,
        }
    }

    fn unknown(&self) -> &Unknown {
        match self {
            Self::InputText(part) | Self::ReasoningText(part) | Self::SummaryText(part) => &part.unknown,
            Self::OutputText { unknown, .. } | Self::Refusal { unknown, .. } => unknown,
        }
    }
}

impl InputContent {
    fn parts(&self) -> &[InputPart] {
        match self {
            Self::Text(_) => &[],
            Self::Parts(parts) => parts,
        }
    }
}

impl InputItem {
    /// The paths of what is not understood, below `prefix`.
    pub(crate) fn unknown(&self, prefix: &str) -> Vec<String> {
        let none: &[InputPart] = &[];
        let (unknown, name, parts) = match self {
            Self::Message(message) => (&message.unknown, "content", message.content.parts()),
            Self::FunctionCall(call) => (&call.unknown, "", none),
            Self::FunctionCallOutput(output) => (&output.unknown, "output", output.output.parts()),
            Self::Reasoning(reasoning) => (&reasoning.unknown, "content", reasoning.content.as_deref().unwrap_or_default()),
        };
        let summary = match self {
            Self::Reasoning(reasoning) => reasoning.summary.as_deref().unwrap_or_default(),
            _ => none,
        };
        let of_parts = |name: &str, parts: &[InputPart]| {
            let paths = |(index, part): (usize, &InputPart)| {
                part.unknown().paths(&format!("{prefix}{name}[{index}].")).collect::<Vec<_>>()
            };
            parts.iter().enumerate().flat_map(paths).collect::<Vec<_>>()
        };
        unknown.paths(prefix).chain(of_parts(name, parts)).chain(of_parts("summary", summary)).collect()
    }
}

/// A message needs no `type`.
fn message_by_default(schema: &mut Schema) {
    let Some(message) = schema.pointer_mut("/oneOf/0").and_then(Value::as_object_mut) else { return };
    if let Some(Value::Array(required)) = message.get_mut("required") {
        required.retain(|name| name != "type");
    }
    if let Some(Value::Object(properties)) = message.get_mut("properties") {
        properties.insert("type".to_owned(), json!({"type": ["string", "null"], "enum": ["message", null]}));
    }
}

impl JsonSchema for Input {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Input".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut items = generator.subschema_for::<Vec<InputItem>>();
        items.insert("minItems".to_owned(), 1.into());
        json_schema!({"anyOf": [{"type": "string"}, items]})
    }
}

impl JsonSchema for InputContent {
    fn schema_name() -> Cow<'static, str> {
        "InputContent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What is said: one text, or a list of parts.",
            "anyOf": [{"type": "string"}, generator.subschema_for::<Vec<InputPart>>()],
        })
    }
}

impl<'de> Deserialize<'de> for InputPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The function that `remote` derives.
        tagged(deserializer, None, Self::deserialize)
    }
}

/// OpenAI leaves `type` out of messages.
impl<'de> Deserialize<'de> for InputItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As above.
        tagged(deserializer, Some("message"), Self::deserialize)
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TextOrList::read(deserializer, "a string or a list of items", Self::Text, Self::Items)
    }
}

impl<'de> Deserialize<'de> for InputContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TextOrList::read(deserializer, "a string or a list of parts", Self::Text, Self::Parts)
    }
}
