//! `[{"name": …, "arguments": …}, …]`: several calls.

use super::call_object::{CallObject, Outcome, WHITE_SPACE};
use crate::output::{events::Events, take};

/// Reads an array of calls as it comes.
pub(super) struct CallArray {
    arguments_keys: &'static [&'static str],
    stage: Stage,
    /// The text since the last call.
    text: String,
}

enum Stage {
    Open,
    Item,
    InItem(CallObject),
    CommaOrClose,
}

impl CallArray {
    /// `before` is markup that belongs to the first call, and is text if there is none.
    pub(super) const fn after(before: String, arguments_keys: &'static [&'static str]) -> Self {
        Self { arguments_keys, stage: Stage::Open, text: before }
    }

    /// Reads on, and takes what it read from the front of `text`. What is no call ends the array; calls before it stay.
    pub(super) fn push(&mut self, text: &mut &str, events: &mut Events) -> Outcome {
        loop {
            if let Stage::InItem(call) = &mut self.stage {
                match call.push(text, events) {
                    Outcome::Ended => self.stage = Stage::CommaOrClose,
                    outcome => return outcome,
                }
            }
            self.take(text, text.len() - text.trim_start_matches(WHITE_SPACE).len());
            let Some(byte) = text.bytes().next() else { return Outcome::More };
            self.stage = match (&self.stage, byte) {
                (Stage::Item, b'{') => {
                    self.stage = Stage::InItem(CallObject::after(std::mem::take(&mut self.text), self.arguments_keys));
                    continue;
                }
                (Stage::Open, b'[') | (Stage::CommaOrClose, b',') => Stage::Item,
                (Stage::CommaOrClose, b']') => {
                    take(text, 1);
                    return Outcome::Ended;
                }
                _ => return Outcome::NotACall(std::mem::take(&mut self.text)),
            };
            self.take(text, 1);
        }
    }

    /// The output has ended: the text since the last call.
    pub(super) fn finish(&mut self) -> Option<String> {
        match &mut self.stage {
            Stage::InItem(call) => call.finish(),
            Stage::Open | Stage::Item | Stage::CommaOrClose => Some(std::mem::take(&mut self.text)),
        }
    }

    fn take(&mut self, text: &mut &str, length: usize) {
        self.text.push_str(take(text, length));
    }
}
