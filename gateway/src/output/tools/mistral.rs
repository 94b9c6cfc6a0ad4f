//! Mistral: `[TOOL_CALLS][{"name": …, "arguments": …}, …]` of tokenisers before version 11, and `[TOOL_CALLS]name{…}` or
//! `[TOOL_CALLS]name[ARGS]{…}` of later ones, once for each call.

use super::{
    ToolReader,
    bare_call::BareCall,
    call_array::CallArray,
    call_object::{CallObject, Outcome},
};
use crate::output::{
    events::Events,
    marker::{MarkerSearch, Piece},
};

pub(in crate::output) const TOOL_CALLS: &str = "[TOOL_CALLS]";
const ARGUMENTS: &[&str] = &["arguments"];

/// As vLLM's `mistral`, which picks one of the two formats by the tokeniser's version: here the text itself tells. What is no
/// call is content as it is, the marker included, and text after calls is kept.
pub(super) struct MistralReader {
    search: MarkerSearch,
    stage: Stage,
}

enum Stage {
    Text,
    /// After the marker, which models repeat at times.
    Start {
        /// It and its repetitions, and white space after them.
        markers: String,
    },
    Array(CallArray),
    /// The array's brackets are missing.
    Object(CallObject),
    Bare(BareCall),
}

impl MistralReader {
    pub(super) fn new() -> Self {
        Self { search: MarkerSearch::new(&[TOOL_CALLS]), stage: Stage::Text }
    }

    /// Text, or what follows a marker and tells the format.
    fn outside(&mut self, piece: &Piece<'_>, events: &mut Events) {
        match (&mut self.stage, piece) {
            (Stage::Start { markers }, Piece::Marker(marker)) => markers.push_str(marker),
            (_, Piece::Marker(marker)) => self.stage = Stage::Start { markers: (*marker).to_owned() },
            (Stage::Start { markers }, Piece::Text(text)) => {
                let call = text.trim_start();
                markers.push_str(text.strip_suffix(call).unwrap_or_default());
                let Some(first) = call.chars().next() else { return };
                let markers = std::mem::take(markers);
                self.stage = match first {
                    '[' => Stage::Array(CallArray::after(markers, ARGUMENTS)),
                    '{' => Stage::Object(CallObject::after(markers, ARGUMENTS)),
                    _ => Stage::Bare(BareCall::after(markers)),
                };
                // The search may have held it back, so it is not always in the text that is being read.
                self.push(call, events);
            }
            (_, Piece::Text(text)) => events.content(text),
        }
    }
}

impl ToolReader for MistralReader {
    fn push(&mut self, mut text: &str, events: &mut Events) {
        loop {
            let outcome = match &mut self.stage {
                Stage::Array(array) => array.push(&mut text, events),
                Stage::Object(object) => object.push(&mut text, events),
                Stage::Bare(call) => call.push(&mut text, events),
                Stage::Text | Stage::Start { .. } => {
                    let Some(piece) = self.search.next(&mut text) else { return };
                    self.outside(&piece, events);
                    continue;
                }
            };
            match outcome {
                Outcome::More => return,
                Outcome::Ended => {}
                Outcome::NotACall(text) => events.content(&text),
            }
            self.stage = Stage::Text;
        }
    }

    fn finish(&mut self, events: &mut Events) {
        let no_call = match &mut self.stage {
            Stage::Text => None,
            Stage::Start { markers } => Some(std::mem::take(markers)),
            Stage::Array(array) => array.finish(),
            Stage::Object(object) => object.finish(),
            Stage::Bare(call) => call.finish(),
        };
        if let Some(text) = no_call {
            events.content(&text);
        }
        events.content(self.search.finish());
    }
}
