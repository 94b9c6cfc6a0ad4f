//! `POST /v1/chat/completions`: the request, as this gateway understands it.
//!
//! Reading is strict in types and collects what it does not know, so that [`ChatRequest::unsupported`] can refuse it by
//! name: a parameter is never ignored. None of these types has a `Debug`: they are content.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// A chat completion request.
#[derive(Deserialize)]
pub struct ChatRequest {
    /// The id of the model.
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Whether to answer as server-sent events.
    pub stream: Option<bool>,
    /// How to stream.
    pub stream_options: Option<StreamOptions>,
    /// Limit on new tokens; OpenAI's older name.
    pub max_tokens: Option<usize>,
    /// Limit on new tokens.
    pub max_completion_tokens: Option<usize>,
    /// Softmax temperature, 0 to 2.
    pub temperature: Option<f64>,
    /// Nucleus sampling, above 0 to 1.
    pub top_p: Option<f64>,
    /// Penalty on tokens already in the answer, -2 to 2.
    pub presence_penalty: Option<f64>,
    /// Penalty on tokens by their count in the answer, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Seed of the request's random generator.
    pub seed: Option<i64>,
    /// Number of answers; only 1.
    pub n: Option<u32>,
    /// The caller's name for its end user: accepted for compatibility, and unused.
    #[serde(rename = "user")]
    pub _user: Option<String>,
    /// Log probabilities; only `false`.
    pub logprobs: Option<bool>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// `stream_options`.
#[derive(Deserialize)]
pub struct StreamOptions {
    /// Whether a last chunk tells the token counts.
    pub include_usage: Option<bool>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// One message of the conversation.
#[derive(Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
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
}

/// What is said: one text, or a list of text parts.
pub enum Content {
    /// One text.
    Text(String),
    /// Text in parts.
    Parts(Vec<ContentPart>),
}

/// A part of a message's content.
#[derive(Deserialize)]
pub struct ContentPart {
    /// Always `text`: this gateway serves text models.
    #[serde(rename = "type")]
    pub kind: ContentKind,
    /// The text.
    pub text: String,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// The kinds of content that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentKind {
    /// Plain text.
    Text,
}

/// A visitor rather than an untagged enum, which would lose the path and the reason of an error inside.
impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;

        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of text parts")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Content, E> {
                Ok(Content::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Content, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }

        deserializer.deserialize_any(ContentVisitor)
    }
}

impl ChatRequest {
    /// The paths of everything in the request that this gateway does not support.
    ///
    /// `null` stands for absent, as with OpenAI: SDKs send it for parameters that were never set.
    #[must_use]
    pub fn unsupported(&self) -> Vec<String> {
        let mut paths = names("", &self.unknown);
        if self.logprobs == Some(true) {
            paths.push("logprobs".to_owned());
        }
        if let Some(options) = &self.stream_options {
            paths.extend(names("stream_options.", &options.unknown));
        }
        for (index, message) in self.messages.iter().enumerate() {
            paths.extend(names(&format!("messages[{index}]."), &message.unknown));
            if let Content::Parts(parts) = &message.content {
                for (part_index, part) in parts.iter().enumerate() {
                    paths.extend(names(&format!("messages[{index}].content[{part_index}]."), &part.unknown));
                }
            }
        }
        paths
    }
}

fn names(prefix: &str, unknown: &Map<String, Value>) -> Vec<String> {
    unknown.iter().filter(|(_, value)| !value.is_null()).map(|(name, _)| format!("{prefix}{name}")).collect()
}
