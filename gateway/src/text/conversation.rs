//! A conversation in the form that a chat template reads.

use std::borrow::Cow;

use serde::Serialize;

use crate::openai::request::{Content, Message, Role};

/// Messages as a template sees them.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Conversation<'a>(Vec<Turn<'a>>);

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: TurnContent<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum TurnContent<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<TextPart<'a>>),
}

#[derive(Serialize)]
struct TextPart<'a> {
    r#type: &'static str,
    text: &'a str,
}

/// Which forms of content a template reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentFormat {
    /// Text only: a list would be printed as a list.
    Text,
    /// Lists of parts only.
    Parts,
    /// Both alike.
    Either,
}

impl ContentFormat {
    /// Finds out by rendering one message in both forms and looking for its text.
    ///
    /// vLLM gives parts only to templates with a loop over the content, by a look at their syntax tree; so a template that
    /// takes parts without a loop gets text here too.
    pub(super) fn probe(source: &str, render: impl Fn(Conversation<'_>) -> Option<String>) -> Self {
        const NEEDLE: &str = "needle";
        let render = |content| render(Conversation(vec![Turn { role: "user", content }])).filter(|text| text.contains(NEEDLE));
        let text = render(TurnContent::Text(Cow::Borrowed(NEEDLE)));
        let parts = render(TurnContent::Parts(vec![TextPart { r#type: "text", text: NEEDLE }]));
        match (text, parts) {
            (None, Some(_)) => Self::Parts,
            (Some(text), Some(parts)) if text == parts && loops_over_content(source) => Self::Either,
            _ => Self::Text,
        }
    }
}

/// Whether there is a tag `{% for … in …content… %}`.
fn loops_over_content(source: &str) -> bool {
    let tags = source.split("{%").skip(1).filter_map(|rest| rest.split("%}").next());
    let statements = tags.map(|tag| tag.trim_matches(['-', '+']).trim());
    let mut iterables = statements.filter_map(|statement| statement.strip_prefix("for ")?.split_once(" in "));
    iterables.any(|(_, iterable)| iterable.contains("content"))
}

impl<'a> Conversation<'a> {
    /// Brings `messages` into the template's form; a role `developer` that it does not know becomes `system`, as in vLLM.
    pub(super) fn new(messages: &'a [Message], format: ContentFormat, knows_developer: bool) -> Self {
        if knows_developer || messages.iter().all(|message| message.role != Role::Developer) {
            return Self(messages.iter().map(|message| Turn::new(message, format)).collect());
        }
        let is_system = |message: &&Message| matches!(message.role, Role::System | Role::Developer);
        // Templates look for one system message, the first.
        let texts: Vec<_> = messages.iter().filter(is_system).map(|message| joined(&message.content)).collect();
        let texts: Vec<_> = texts.iter().map(AsRef::as_ref).filter(|text: &&str| !text.is_empty()).collect();
        let system = Turn { role: "system", content: TurnContent::Text(Cow::Owned(texts.join("\n\n"))) };
        let others = messages.iter().filter(|message| !is_system(message)).map(|message| Turn::new(message, format));
        Self(std::iter::once(system).chain(others).collect())
    }
}

impl<'a> Turn<'a> {
    fn new(message: &'a Message, format: ContentFormat) -> Self {
        let content = match (&message.content, format) {
            (Content::Text(text), ContentFormat::Parts) => TurnContent::Parts(vec![TextPart { r#type: "text", text }]),
            (Content::Parts(parts), ContentFormat::Parts | ContentFormat::Either) => {
                TurnContent::Parts(parts.iter().map(|part| TextPart { r#type: "text", text: &part.text }).collect())
            }
            (content, _) => TurnContent::Text(joined(content)),
        };
        Self { role: name(message.role), content }
    }
}

/// Parts are joined as vLLM joins them.
fn joined(content: &Content) -> Cow<'_, str> {
    match content {
        Content::Text(text) => Cow::Borrowed(text),
        Content::Parts(parts) => Cow::Owned(parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join("\n")),
    }
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::System => "system",
        Role::Developer => "developer",
        Role::User => "user",
        Role::Assistant => "assistant",
    }
}
