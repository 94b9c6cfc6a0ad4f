//! Calls that the request demands: a grammar holds the model to JSON, so there is no markup.

use super::{
    ToolReader,
    call_array::CallArray,
    call_object::{Outcome, WHITE_SPACE},
};
use crate::output::events::Events;

const ARGUMENTS: &[&str] = &["parameters"];

/// `tool_choice: "required"`: `[{"name": …, "parameters": …}, …]`.
///
/// vLLM has neither calls nor content for an array that was cut off, unless it streams; here it is as in its streams.
pub(super) struct RequiredReader {
    array: Option<CallArray>,
}

impl RequiredReader {
    pub(super) const fn new() -> Self {
        Self { array: Some(CallArray::after(String::new(), ARGUMENTS)) }
    }
}

impl ToolReader for RequiredReader {
    fn push(&mut self, mut text: &str, events: &mut Events) {
        if let Some(array) = &mut self.array {
            match array.push(&mut text, events) {
                Outcome::More => return,
                Outcome::Ended => {}
                Outcome::NotACall(text) => events.content(&text),
            }
            self.array = None;
        }
        events.content(text);
    }

    fn finish(&mut self, events: &mut Events) {
        if let Some(text) = self.array.as_mut().and_then(CallArray::finish) {
            events.content(&text);
        }
    }
}

/// A function's name in `tool_choice`: all of the output is its arguments. Output of nothing but white space is no call, as
/// in vLLM.
pub(super) struct NamedReader {
    /// Until the call was told.
    name: Option<String>,
}

impl NamedReader {
    pub(super) const fn new(name: String) -> Self {
        Self { name: Some(name) }
    }
}

impl ToolReader for NamedReader {
    fn push(&mut self, text: &str, events: &mut Events) {
        let text = if self.name.is_some() { text.trim_start_matches(WHITE_SPACE) } else { text };
        if text.is_empty() {
            return;
        }
        if let Some(name) = self.name.take() {
            events.call(name);
        }
        events.arguments(text);
    }

    fn finish(&mut self, _events: &mut Events) {}
}
