//! Mistral: `[TOOL_CALLS][{"name": …, "arguments": …}, …]` of tokenisers before version 11, and `[TOOL_CALLS]name{…}` or
//! `[TOOL_CALLS]name[ARGS]{…}` of later ones, once for each call.

use super::{
    ToolReader,
    call_array::CallArray,
    call_object::{CallObject, Outcome},
    json::{JsonScanner, Scan},
};
use crate::output::{
    events::Events,
    marker::{MarkerSearch, Piece},
    take,
};

pub(in crate::output) const TOOL_CALLS: &str = "[TOOL_CALLS]";
const ARGS: &str = "[ARGS]";
const OPEN: &str = "{";
const ARGUMENTS: &[&str] = &["arguments"];

/// As vLLM's `mistral`, which picks one of the two formats by the tokeniser's version: here the text itself tells. What is no
/// call is content as it is, the marker included; text after calls is kept.
pub(super) struct MistralReader {
    calls: MarkerSearch,
    stage: Stage,
    /// Markers, and white space after them, before what may be a call.
    markers: String,
}

enum Stage {
    Text,
    /// After the marker, which models repeat at times.
    Start,
    Array(CallArray),
    /// An array's brackets are missing.
    Object(CallObject),
    Name(Name),
    Arguments(JsonScanner),
}

/// `name{` or `name[ARGS]{`.
struct Name {
    search: MarkerSearch,
    /// All text so far.
    text: String,
    name: String,
    /// `[ARGS]` has come: only white space and the brace can follow.
    ended: bool,
}

impl MistralReader {
    pub(super) fn new() -> Self {
        Self { calls: MarkerSearch::new(&[TOOL_CALLS]), stage: Stage::Text, markers: String::new() }
    }

    /// Reads on in the current stage. The next one, or `None` where `text` is used up.
    fn step(&mut self, text: &mut &str, events: &mut Events) -> Option<Stage> {
        let outcome = match &mut self.stage {
            Stage::Text => {
                return match self.calls.next(text)? {
                    Piece::Text(text) => {
                        events.content(text);
                        Some(Stage::Text)
                    }
                    Piece::Marker(marker) => {
                        self.markers.push_str(marker);
                        Some(Stage::Start)
                    }
                };
            }
            Stage::Start => return self.start(text, events),
            Stage::Array(array) => array.push(text, events),
            Stage::Object(object) => object.push(text, events),
            Stage::Name(name) => match name.push(text) {
                Outcome::Ended => {
                    events.call(std::mem::take(&mut name.name));
                    events.arguments(OPEN);
                    let mut arguments = JsonScanner::new();
                    arguments.push(OPEN);
                    return Some(Stage::Arguments(arguments));
                }
                outcome => outcome,
            },
            Stage::Arguments(scanner) => {
                let (length, scan) = scanner.push(text);
                events.arguments(take(text, length));
                match scan {
                    Scan::More => Outcome::More,
                    Scan::Ended | Scan::Broken => Outcome::Ended,
                }
            }
        };
        match outcome {
            Outcome::More => return None,
            Outcome::Ended => self.markers.clear(),
            Outcome::NotACall(text) => self.no_call(&text, events),
        }
        Some(Stage::Text)
    }

    fn no_call(&mut self, text: &str, events: &mut Events) {
        events.content(&std::mem::take(&mut self.markers));
        events.content(text);
    }

    /// Finds out which format follows, and starts to read it.
    fn start(&mut self, text: &mut &str, events: &mut Events) -> Option<Stage> {
        let mut piece = match self.calls.next(text)? {
            Piece::Text(piece) => piece,
            Piece::Marker(marker) => marker,
        };
        let (Some(first), false) = (piece.trim_start().chars().next(), piece == TOOL_CALLS) else {
            self.markers.push_str(piece);
            return Some(Stage::Start);
        };
        let white_space = piece.len() - piece.trim_start().len();
        self.markers.push_str(take(&mut piece, white_space));
        self.stage = match first {
            '[' => Stage::Array(CallArray::new(ARGUMENTS)),
            '{' => Stage::Object(CallObject::new(ARGUMENTS)),
            _ => Stage::Name(Name::new()),
        };
        // The piece can be one that was held back, so it is not in `text`.
        self.push(piece, events);
        Some(std::mem::replace(&mut self.stage, Stage::Text))
    }
}

impl ToolReader for MistralReader {
    fn push(&mut self, mut text: &str, events: &mut Events) {
        while let Some(stage) = self.step(&mut text, events) {
            self.stage = stage;
        }
    }

    fn finish(&mut self, events: &mut Events) {
        let no_call = match &mut self.stage {
            Stage::Text | Stage::Arguments(_) => None,
            Stage::Start => Some(String::new()),
            Stage::Array(array) => Some(array.finish()),
            Stage::Object(object) => object.finish(),
            Stage::Name(name) => Some(name.finish()),
        };
        if let Some(text) = no_call {
            self.no_call(&text, events);
        }
        events.content(self.calls.finish());
    }
}

impl Name {
    fn new() -> Self {
        Self { search: MarkerSearch::new(&[ARGS, OPEN]), text: String::new(), name: String::new(), ended: false }
    }

    /// Reads on. [`Outcome::Ended`] is after the brace that opens the arguments.
    fn push(&mut self, text: &mut &str) -> Outcome {
        while let Some(piece) = self.search.next(text) {
            match piece {
                Piece::Marker(OPEN) => return Outcome::Ended,
                Piece::Marker(marker) => {
                    self.ended = true;
                    self.text.push_str(marker);
                }
                Piece::Text(piece) => {
                    self.text.push_str(piece);
                    if !self.extend(piece) {
                        return Outcome::NotACall(self.finish());
                    }
                }
            }
        }
        Outcome::More
    }

    fn finish(&mut self) -> String {
        self.text.push_str(self.search.finish());
        std::mem::take(&mut self.text)
    }

    /// Names are of letters, digits, `_`, `-` and `.`; white space may follow.
    fn extend(&mut self, piece: &str) -> bool {
        let name = piece.trim_end();
        let goes_on = name.is_empty() || !self.ended;
        self.ended |= name.len() < piece.len();
        self.name.push_str(name);
        goes_on && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    }
}
