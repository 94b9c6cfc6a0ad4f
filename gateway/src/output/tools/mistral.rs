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
}

enum Stage {
    Text,
    /// After the marker, which models repeat at times.
    Start {
        /// It and its repetitions, and white space between them.
        markers: String,
    },
    Array(CallArray),
    /// An array's brackets are missing.
    Object(CallObject),
    Name(Name),
    Arguments(JsonScanner),
}

/// `name{` or `name[ARGS]{`.
struct Name {
    search: MarkerSearch,
    /// The markers, and all text so far.
    text: String,
    name: String,
    /// `[ARGS]` has come: only white space and the brace can follow.
    ended: bool,
}

impl MistralReader {
    pub(super) fn new() -> Self {
        Self { calls: MarkerSearch::new(&[TOOL_CALLS]), stage: Stage::Text }
    }

    /// Reads on in the current stage. The next one, or `None` where `text` is used up.
    fn step(&mut self, text: &mut &str, events: &mut Events) -> Option<Stage> {
        let outcome = match &mut self.stage {
            Stage::Text => {
                return Some(match self.calls.next(text)? {
                    Piece::Marker(marker) => Stage::Start { markers: marker.to_owned() },
                    Piece::Text(text) => {
                        events.content(text);
                        Stage::Text
                    }
                });
            }
            Stage::Start { markers } => {
                let piece = self.calls.next(text)?;
                let markers = std::mem::take(markers);
                return Some(self.start(markers, &piece, events));
            }
            Stage::Array(array) => array.push(text, events),
            Stage::Object(object) => object.push(text, events),
            Stage::Name(name) => match name.push(text) {
                Outcome::Ended => return Some(Stage::Arguments(name.arguments(events))),
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
            Outcome::Ended => {}
            Outcome::NotACall(text) => events.content(&text),
        }
        Some(Stage::Text)
    }

    /// Finds out which format follows the markers, and starts to read it.
    fn start(&mut self, mut markers: String, piece: &Piece<'_>, events: &mut Events) -> Stage {
        let (Piece::Text(piece) | Piece::Marker(piece)) = piece;
        let call = piece.trim_start();
        self.stage = match call.chars().next() {
            Some(_) if *piece != TOOL_CALLS => {
                markers.push_str(piece.strip_suffix(call).unwrap_or_default());
                if call.starts_with('[') {
                    Stage::Array(CallArray::after(markers, ARGUMENTS))
                } else if call.starts_with('{') {
                    Stage::Object(CallObject::after(markers, ARGUMENTS))
                } else {
                    Stage::Name(Name::after(markers))
                }
            }
            _ => {
                markers.push_str(piece);
                return Stage::Start { markers };
            }
        };
        // It can be what was held back, so it is not in the text that is being read.
        self.push(call, events);
        std::mem::replace(&mut self.stage, Stage::Text)
    }
}

impl ToolReader for MistralReader {
    fn push(&mut self, mut text: &str, events: &mut Events) {
        while let Some(stage) = self.step(&mut text, events) {
            self.stage = stage;
        }
    }

    fn finish(&mut self, events: &mut Events) {
        let text = match &mut self.stage {
            Stage::Text | Stage::Arguments(_) => None,
            Stage::Start { markers } => Some(std::mem::take(markers)),
            Stage::Array(array) => array.finish(),
            Stage::Object(object) => object.finish(),
            Stage::Name(name) => Some(name.finish()),
        };
        if let Some(text) = text {
            events.content(&text);
        }
        events.content(self.calls.finish());
    }
}

impl Name {
    fn after(markers: String) -> Self {
        Self { search: MarkerSearch::new(&[ARGS, OPEN]), text: markers, name: String::new(), ended: false }
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

    /// The call begins, and with it its arguments, whose brace was read.
    fn arguments(&mut self, events: &mut Events) -> JsonScanner {
        events.call(std::mem::take(&mut self.name));
        events.arguments(OPEN);
        let mut arguments = JsonScanner::new();
        arguments.push(OPEN);
        arguments
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
