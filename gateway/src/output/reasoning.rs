//! The model's thinking, told apart from its answer.

use super::{
    format::ReasoningFormat,
    marker::{MarkerSearch, Piece},
    take,
};

pub(super) const THINK: &str = "<think>";
pub(super) const END_THINK: &str = "</think>";

/// Splits an answer into `<think>reasoning</think>` and what follows.
///
/// As in vLLM, tags count until the reasoning has ended; later ones are text. vLLM finds most tags by their token ids and this
/// finds them in the text, so models that write them in several tokens are read alike.
pub(super) struct ReasoningReader {
    search: MarkerSearch,
    stage: Stage,
}

/// A part of the model's output.
pub(super) enum Part<'t> {
    Reasoning(&'t str),
    /// What comes after the reasoning: text and tool calls.
    Answer(&'t str),
}

#[derive(Clone, Copy)]
enum Stage {
    /// Nothing but white space has come.
    Start {
        inside: bool,
    },
    Reasoning,
    Answer,
}

impl ReasoningReader {
    /// A model that is `inside` reasoning from the start writes no opening tag; one that it writes all the same is dropped.
    /// `call_marker` ends the reasoning too, where the format lets a model call tools without closing its reasoning.
    pub(super) fn new(format: ReasoningFormat, inside: bool, call_marker: Option<&'static str>) -> Self {
        let call_marker = call_marker.filter(|_| format == ReasoningFormat::Qwen3);
        let markers: Vec<_> = [THINK, END_THINK].into_iter().chain(call_marker).collect();
        Self { search: MarkerSearch::new(&markers), stage: Stage::Start { inside } }
    }

    /// Takes the next part from the front of `text`; nothing where `text` is used up.
    pub(super) fn next<'t>(&mut self, text: &mut &'t str) -> Option<Part<'t>> {
        loop {
            if matches!(self.stage, Stage::Answer) {
                let answer = take(text, text.len());
                return (!answer.is_empty()).then_some(Part::Answer(answer));
            }
            let part = match self.search.next(text)? {
                Piece::Text(plain) => Some(self.text(plain)),
                Piece::Marker(marker) => self.marker(marker),
            };
            if part.is_some() {
                return part;
            }
        }
    }

    /// What was held back, when the output has ended.
    pub(super) fn finish(&mut self) -> Part<'static> {
        let held = self.search.finish();
        self.text(held)
    }

    fn text<'t>(&mut self, text: &'t str) -> Part<'t> {
        if let Stage::Start { inside } = self.stage {
            if text.trim_start().is_empty() {
                return if inside { Part::Reasoning(text) } else { Part::Answer(text) };
            }
            self.stage = if inside { Stage::Reasoning } else { Stage::Answer };
        }
        match self.stage {
            Stage::Answer => Part::Answer(text),
            Stage::Start { .. } | Stage::Reasoning => Part::Reasoning(text),
        }
    }

    fn marker(&mut self, marker: &'static str) -> Option<Part<'static>> {
        match (self.stage, marker) {
            (Stage::Start { .. }, THINK) => {
                self.stage = Stage::Reasoning;
                None
            }
            (_, THINK) => Some(Part::Reasoning(THINK)),
            (_, END_THINK) => {
                self.stage = Stage::Answer;
                None
            }
            (_, call_marker) => {
                self.stage = Stage::Answer;
                Some(Part::Answer(call_marker))
            }
        }
    }
}
