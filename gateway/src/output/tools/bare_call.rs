//! `name{…}` or `name[ARGS]{…}`: a call whose name stands bare before its arguments.

use super::{
    call_object::Outcome,
    json::{JsonScanner, Scan},
};
use crate::output::{
    events::Events,
    marker::{MarkerSearch, Piece},
    take,
};

const ARGS: &str = "[ARGS]";
const OPEN: &str = "{";

/// Reads one such call as it comes. It is told with the brace that opens its arguments.
pub(super) struct BareCall {
    search: MarkerSearch,
    /// All text so far, and what was before it.
    text: String,
    name: String,
    /// White space or `[ARGS]` has come: only white space and the brace can follow.
    named: bool,
    arguments: Option<JsonScanner>,
}

impl BareCall {
    /// `before` is markup that belongs to the call, and is text if there is none.
    pub(super) fn after(before: String) -> Self {
        let search = MarkerSearch::new(&[ARGS, OPEN]);
        Self { search, text: before, name: String::new(), named: false, arguments: None }
    }

    /// Reads on, and takes what it read from the front of `text`.
    pub(super) fn push(&mut self, text: &mut &str, events: &mut Events) -> Outcome {
        while self.arguments.is_none() {
            match self.search.next(text) {
                None => return Outcome::More,
                Some(Piece::Marker(OPEN)) => self.open(events),
                Some(Piece::Marker(marker)) => {
                    self.named = true;
                    self.text.push_str(marker);
                }
                Some(Piece::Text(piece)) => {
                    self.text.push_str(piece);
                    if !self.extend_name(piece) {
                        return Outcome::NotACall(std::mem::take(&mut self.text));
                    }
                }
            }
        }
        let Some(arguments) = &mut self.arguments else { return Outcome::More };
        let (length, scan) = arguments.push(text);
        events.arguments(take(text, length));
        match scan {
            Scan::More => Outcome::More,
            Scan::Ended | Scan::Broken => Outcome::Ended,
        }
    }

    /// The output has ended: the text of a call that was not told.
    pub(super) fn finish(&mut self) -> Option<String> {
        self.text.push_str(self.search.finish());
        self.arguments.is_none().then(|| std::mem::take(&mut self.text))
    }

    fn open(&mut self, events: &mut Events) {
        events.call(std::mem::take(&mut self.name));
        events.arguments(OPEN);
        let mut arguments = JsonScanner::new();
        arguments.push(OPEN);
        self.arguments = Some(arguments);
    }

    /// Whether `piece` can be more of the name: letters, digits, `_`, `-` and `.`, with white space after it.
    fn extend_name(&mut self, piece: &str) -> bool {
        let name = piece.trim_end();
        let goes_on = name.is_empty() || !self.named;
        self.named |= name.len() < piece.len();
        self.name.push_str(name);
        goes_on && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    }
}
