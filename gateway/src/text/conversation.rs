//! A conversation in the form that a chat template reads.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

/// One message of a conversation, in which each role has only what it can have.
pub struct Turn {
    /// Who speaks, and what only that speaker can say.
    pub speaker: Speaker,
    /// What is said, in one or more parts; `None` where an assistant only calls tools.
    pub content: Option<Vec<String>>,
    /// A name that tells speakers of one role apart.
    pub name: Option<String>,
}

/// Who speaks, and what only that speaker can say.
pub enum Speaker {
    /// Instructions.
    System,
    /// Instructions, in OpenAI's newer word.
    Developer,
    /// The user.
    User,
    /// The model.
    Assistant {
        /// What it thought before it spoke.
        reasoning: Option<String>,
        /// The tools that it called.
        tool_calls: Vec<CalledTool>,
    },
    /// What a call gave.
    Tool {
        /// The call's id.
        tool_call_id: String,
    },
}

/// A call of a tool, as templates read it.
#[derive(Serialize)]
pub struct CalledTool {
    /// The call's id.
    pub id: String,
    /// Always `function`.
    pub r#type: &'static str,
    /// The function and its arguments.
    pub function: CalledFunction,
}

/// A function and its arguments.
#[derive(Serialize)]
pub struct CalledFunction {
    /// The function's name.
    pub name: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
}

impl Turn {
    /// The bytes of its text.
    #[must_use]
    pub fn text_len(&self) -> usize {
        self.content.iter().flatten().map(String::len).sum()
    }

    /// What is said, as one text.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self.content.as_deref() {
            Some([text]) => Cow::Borrowed(text),
            // As vLLM joins them.
            Some(parts) => Cow::Owned(parts.join("\n")),
            None => Cow::Borrowed(""),
        }
    }
}

impl Speaker {
    /// The role's name.
    #[must_use]
    pub const fn role(&self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant { .. } => "assistant",
            Self::Tool { .. } => "tool",
        }
    }
}

/// Messages as a template sees them.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Conversation<'a>(Vec<TurnView<'a>>);

#[derive(Serialize)]
struct TurnView<'a> {
    role: &'static str,
    content: TurnContent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<&'a [CalledTool]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
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
        let render = |content| render(Conversation(vec![TurnView::plain("user", content)])).filter(|text| text.contains(NEEDLE));
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
    /// Brings `turns` into the template's form; a role `developer` that it does not know becomes `system`, as in vLLM.
    pub(super) fn new(turns: &'a [Turn], format: ContentFormat, knows_developer: bool) -> Self {
        if knows_developer || turns.iter().all(|turn| !matches!(turn.speaker, Speaker::Developer)) {
            return Self(turns.iter().map(|turn| TurnView::new(turn, format)).collect());
        }
        let is_system = |turn: &&Turn| matches!(turn.speaker, Speaker::System | Speaker::Developer);
        // Templates look for one system message, the first.
        let texts: Vec<_> = turns.iter().filter(is_system).map(Turn::text).collect();
        let texts: Vec<_> = texts.iter().map(AsRef::as_ref).filter(|text: &&str| !text.is_empty()).collect();
        let system = TurnView::plain("system", TurnContent::Text(Cow::Owned(texts.join("\n\n"))));
        let others = turns.iter().filter(|turn| !is_system(turn)).map(|turn| TurnView::new(turn, format));
        Self(std::iter::once(system).chain(others).collect())
    }
}

impl<'a> TurnView<'a> {
    const fn plain(role: &'static str, content: TurnContent<'a>) -> Self {
        Self { role, content, tool_calls: None, reasoning: None, reasoning_content: None, tool_call_id: None, name: None }
    }

    fn new(turn: &'a Turn, format: ContentFormat) -> Self {
        let parts = || turn.content.iter().flatten().map(|text| TextPart { r#type: "text", text }).collect();
        let content = match (&turn.speaker, turn.content.as_deref(), format) {
            // Most templates read nothing but text here.
            (Speaker::Tool { .. }, ..) | (_, Some([_]), ContentFormat::Either) | (_, _, ContentFormat::Text) => {
                TurnContent::Text(turn.text())
            }
            _ => TurnContent::Parts(parts()),
        };
        let view = Self { name: turn.name.as_deref(), ..Self::plain(turn.speaker.role(), content) };
        match &turn.speaker {
            Speaker::Assistant { reasoning, tool_calls } => Self {
                tool_calls: Some(tool_calls.as_slice()).filter(|calls| !calls.is_empty()),
                reasoning: reasoning.as_deref(),
                reasoning_content: reasoning.as_deref(),
                ..view
            },
            Speaker::Tool { tool_call_id } => Self { tool_call_id: Some(tool_call_id), ..view },
            Speaker::System | Speaker::Developer | Speaker::User => view,
        }
    }
}
