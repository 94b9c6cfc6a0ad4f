//! Hermes, Qwen 2.5 and 3: `<tool_call>{"name": …, "arguments": …}</tool_call>`.

use super::{
    ToolReader,
    call_object::{CallObject, Outcome},
};
use crate::output::{
    events::Events,
    marker::{MarkerSearch, Piece},
};

pub(in crate::output) const TOOL_CALL: &str = "<tool_call>";
const END_TOOL_CALL: &str = "</tool_call>";
const ARGUMENTS: &[&str] = &["arguments"];

/// As vLLM's `hermes`, which reads to the next `</tool_call>` even where that is inside a string, and drops text after the
/// first call: here a call ends where its JSON ends, and such text is content.
pub(super) struct HermesReader {
    search: MarkerSearch,
    /// A call has been read whose closing tag has not come.
    unclosed: bool,
    call: Option<CallObject>,
}

impl HermesReader {
    pub(super) fn new() -> Self {
        Self { search: MarkerSearch::new(&[TOOL_CALL, END_TOOL_CALL]), unclosed: false, call: None }
    }
}

impl ToolReader for HermesReader {
    fn push(&mut self, mut text: &str, events: &mut Events) {
        loop {
            if let Some(call) = &mut self.call {
                match call.push(&mut text, events) {
                    Outcome::More => return,
                    Outcome::Ended => self.unclosed = true,
                    Outcome::NotACall(text) => events.content(&text),
                }
                self.call = None;
            }
            match self.search.next(&mut text) {
                None => return,
                Some(Piece::Text(text)) => events.content(text),
                Some(Piece::Marker(TOOL_CALL)) => {
                    self.unclosed = false;
                    self.call = Some(CallObject::after(TOOL_CALL.to_owned(), ARGUMENTS));
                }
                Some(Piece::Marker(_)) if std::mem::take(&mut self.unclosed) => {}
                Some(Piece::Marker(end)) => events.content(end),
            }
        }
    }

    fn finish(&mut self, events: &mut Events) {
        events.content(self.search.finish());
        if let Some(text) = self.call.as_mut().and_then(CallObject::finish) {
            events.content(&text);
        }
    }
}
