//! Llama 3 and 4: `{"name": …, "parameters": …}; {…}`, with or without `<|python_tag|>` before it.

use super::{
    ToolReader,
    call_object::{CallObject, Outcome},
};
use crate::output::{
    events::Events,
    marker::{MarkerSearch, Piece},
};

const PYTHON_TAG: &str = "<|python_tag|>";
const OPEN: &str = "{";
const ARGUMENTS: &[&str] = &["parameters", "arguments"];

/// As vLLM's `llama3_json` for whole answers: a call may begin at any `{`. Its streams find calls at the very start only, and
/// its whole answers lose the text around calls; here both are alike, and such text is content. The tag, which is usually
/// skipped as a special token, is never content.
pub(super) struct LlamaJsonReader {
    search: MarkerSearch,
    stage: Stage,
}

enum Stage {
    /// Before a call, or between two.
    Text,
    Call(CallObject),
    /// One `{` that begins no call makes all that follows text, as in vLLM.
    NoMoreCalls,
}

impl LlamaJsonReader {
    /// What stands between two calls.
    pub(super) const SEPARATOR: char = ';';

    pub(super) fn new() -> Self {
        Self { search: MarkerSearch::new(&[PYTHON_TAG, OPEN]), stage: Stage::Text }
    }
}

impl ToolReader for LlamaJsonReader {
    fn push(&mut self, mut text: &str, events: &mut Events) {
        loop {
            self.stage = match &mut self.stage {
                Stage::NoMoreCalls => return events.content(text),
                Stage::Call(call) => match call.push(&mut text, events) {
                    Outcome::More => return,
                    Outcome::Ended => Stage::Text,
                    Outcome::NotACall(text) => {
                        events.content(&text);
                        Stage::NoMoreCalls
                    }
                },
                Stage::Text => match self.search.next(&mut text) {
                    None => return,
                    Some(Piece::Text(text)) => {
                        events.content(text);
                        continue;
                    }
                    Some(Piece::Marker(OPEN)) => {
                        let mut call = CallObject::after(String::new(), ARGUMENTS);
                        // Nothing can be decided by the first brace.
                        call.push(&mut &*OPEN, events);
                        Stage::Call(call)
                    }
                    Some(Piece::Marker(_)) => continue,
                },
            };
        }
    }

    fn finish(&mut self, events: &mut Events) {
        events.content(self.search.finish());
        if let Stage::Call(call) = &mut self.stage
            && let Some(text) = call.finish()
        {
            events.content(&text);
        }
    }
}
