//! A model's output read as it comes: reasoning, text and tool calls.
//!
//! Pure code between the detokeniser and the response. Streamed and whole answers are read by the same [`OutputReader`], so
//! they say the same; how the text is split makes no difference to what its events add up to, and the cost is linear in the
//! text.

mod events;
mod format;
mod marker;
mod reasoning;
#[cfg(test)]
mod tests;
mod tools;

pub(crate) use self::format::OutputFormat;
pub use self::format::{ReasoningFormat, ToolFormat};
use self::{
    events::Events,
    reasoning::{Part, ReasoningReader},
    tools::ToolReader,
};

/// What a piece of a model's output says.
#[cfg_attr(test, derive(Debug, Clone, PartialEq, Eq))]
pub(crate) enum OutputEvent {
    /// Text of the model's thinking.
    Reasoning(String),
    /// Text for the user.
    Content(String),
    /// A call begins. Calls are numbered from 0.
    ToolCall {
        /// Its number.
        index: usize,
        /// The function's name, which may be one that the request does not have.
        name: String,
    },
    /// More of a call's arguments.
    ToolArguments {
        /// The call's number.
        index: usize,
        /// JSON text, to be joined with what came before. An answer that was cut off leaves it unfinished.
        fragment: String,
    },
}

/// What the request says of tools.
#[derive(Clone)]
pub(crate) enum ToolMode {
    /// No tools, or `tool_choice: "none"`: text stays text.
    None,
    /// The model decides, and writes calls in its own format.
    Auto,
    /// The output is constrained to `[{"name": …, "parameters": …}, …]`.
    Required,
    /// The output is constrained to the arguments of the function of this name.
    Named(String),
}

/// Reads one answer as it comes.
pub(crate) struct OutputReader {
    reasoning: Option<ReasoningReader>,
    tools: Box<dyn ToolReader>,
    events: Events,
}

impl OutputReader {
    /// `starts_in_reasoning` is what [`ReasoningFormat::prompt_ends_inside`] says of the prompt.
    pub(crate) fn new(format: &OutputFormat, mode: ToolMode, starts_in_reasoning: bool) -> Self {
        let call_marker = format.tools.and_then(ToolFormat::call_marker).filter(|_| matches!(mode, ToolMode::Auto));
        let reasoning = format.reasoning.map(|format| ReasoningReader::new(format, starts_in_reasoning, call_marker));
        let (tools, events) = tools::reader(format.tools, mode);
        Self { reasoning, tools, events }
    }

    /// What `text` adds: the answer's next piece as detokenised, of any length.
    pub(crate) fn push(&mut self, mut text: &str) -> Vec<OutputEvent> {
        match &mut self.reasoning {
            None => self.tools.push(text, &mut self.events),
            Some(reasoning) => {
                while let Some(part) = reasoning.next(&mut text) {
                    read(&part, &mut *self.tools, &mut self.events);
                }
            }
        }
        self.events.take()
    }

    /// What was held back, once the answer has ended or was cut off.
    pub(crate) fn finish(&mut self) -> Vec<OutputEvent> {
        if let Some(reasoning) = &mut self.reasoning {
            read(&reasoning.finish(), &mut *self.tools, &mut self.events);
        }
        self.tools.finish(&mut self.events);
        self.events.finish();
        self.events.take()
    }
}

fn read(part: &Part<'_>, tools: &mut dyn ToolReader, events: &mut Events) {
    match part {
        Part::Reasoning(text) => events.reasoning(text),
        Part::Answer(text) => tools.push(text, events),
    }
}

/// Takes `length` bytes from the front of `text`: all of it where there are no more, or where they would end in a character.
fn take<'t>(text: &mut &'t str, length: usize) -> &'t str {
    let (taken, rest) = text.split_at_checked(length).unwrap_or((text, ""));
    *text = rest;
    taken
}
