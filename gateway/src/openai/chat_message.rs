//! Messages of a conversation.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

use super::{
    by_tag::{Variant, by_tag},
    text_or_list::TextOrList,
    tools::ToolCall,
    unknown::Unknown,
};

/// One message of the conversation, as it came: not every role can have every member.
#[derive(Deserialize, JsonSchema)]
#[schemars(description = "One message of the conversation.", transform = by_role)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said; only an assistant that calls tools may leave it out.
    pub content: Option<Content>,
    /// A name that tells speakers of one role apart.
    pub name: Option<String>,
    /// The calls that an assistant made.
    pub tool_calls: Option<Vec<ToolCall>>,
    /// The call that a tool answers.
    pub tool_call_id: Option<String>,
    /// An assistant's refusal, as OpenAI's models word it.
    pub refusal: Option<String>,
    /// What an assistant thought, in vLLM's spelling.
    pub reasoning: Option<String>,
    /// The same in DeepSeek's spelling.
    pub reasoning_content: Option<String>,
    #[serde(flatten)]
    unknown: Unknown,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions.
    System,
    /// Instructions; OpenAI's newer name.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// What a call of a tool gave.
    Tool,
}

/// What is said: one text, or a list of text parts.
pub enum Content {
    /// One text.
    Text(String),
    /// Text in parts.
    Parts(Vec<ContentPart>),
}

/// A part of a message's content.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ContentPart {
    /// Plain text.
    Text {
        /// The text.
        text: String,
        /// What is not understood.
        #[serde(flatten)]
        unknown: Unknown,
    },
    /// An assistant's refusal.
    Refusal {
        /// Its words.
        refusal: String,
        /// What is not understood.
        #[serde(flatten)]
        unknown: Unknown,
    },
}

impl ContentPart {
    /// Its words.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Text { text, .. } => text,
            Self::Refusal { refusal, .. } => refusal,
        }
    }

    fn unknown(&self) -> &Unknown {
        match self {
            Self::Text { unknown, .. } | Self::Refusal { unknown, .. } => unknown,
        }
    }
}

/// What each role can say: `turns` checks the same.
fn by_role(schema: &mut Schema) {
    let optional = &["content", "name", "tool_calls", "refusal", "reasoning", "reasoning_content"];
    let variants = [
        Variant { title: "PromptMessage", values: &["system", "developer", "user"], required: &["content"], optional: &["name"] },
        Variant { title: "AssistantMessage", values: &["assistant"], required: &[], optional },
        Variant { title: "ToolMessage", values: &["tool"], required: &["content", "tool_call_id"], optional: &["name"] },
    ];
    by_tag(schema, "role", &variants);
}

impl JsonSchema for Content {
    fn schema_name() -> Cow<'static, str> {
        "Content".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What is said: one text, or a list of text parts.",
            "anyOf": [{"type": "string"}, generator.subschema_for::<Vec<ContentPart>>()],
        })
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TextOrList::read(deserializer, "a string or a list of text parts", Self::Text, Self::Parts)
    }
}

impl Message {
    /// The paths of what is not understood, below `prefix`.
    pub(crate) fn unknown(&self, prefix: &str) -> Vec<String> {
        let mut paths: Vec<_> = self.unknown.paths(prefix).collect();
        if let Some(Content::Parts(parts)) = &self.content {
            for (index, part) in parts.iter().enumerate() {
                paths.extend(part.unknown().paths(&format!("{prefix}content[{index}].")));
            }
        }
        for (index, call) in self.tool_calls.iter().flatten().enumerate() {
            let prefix = format!("{prefix}tool_calls[{index}].");
            paths.extend(call.unknown.paths(&prefix));
            paths.extend(call.function.unknown.paths(&format!("{prefix}function.")));
        }
        paths
    }
}
