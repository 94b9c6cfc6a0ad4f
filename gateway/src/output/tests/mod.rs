//! Recorded answers, and any text at all, in any split.

mod recorded;
mod splits;
mod templates;

use super::{OutputEvent, OutputFormat, OutputReader, ReasoningFormat, ToolFormat, ToolMode};

/// How an answer is read.
#[derive(Debug, Clone, Copy)]
struct Setting {
    tools: Option<ToolFormat>,
    reasoning: Option<ReasoningFormat>,
    mode: Mode,
    inside: bool,
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    None,
    Auto,
    Required,
    Named,
}

impl Setting {
    const fn auto(tools: ToolFormat) -> Self {
        Self { tools: Some(tools), reasoning: None, mode: Mode::Auto, inside: false }
    }

    const fn mode(mode: Mode) -> Self {
        Self { tools: None, reasoning: None, mode, inside: false }
    }

    const fn thinking(self, reasoning: ReasoningFormat, inside: bool) -> Self {
        Self { reasoning: Some(reasoning), inside, ..self }
    }

    fn reader(self) -> OutputReader {
        let mode = match self.mode {
            Mode::None => ToolMode::None,
            Mode::Auto => ToolMode::Auto,
            Mode::Required => ToolMode::Required,
            Mode::Named => ToolMode::Named("named".to_owned()),
        };
        OutputReader::new(&OutputFormat { tools: self.tools, reasoning: self.reasoning }, mode, self.inside)
    }

    /// All events of an answer that comes in `pieces`, neighbours of a kind joined.
    fn read(self, pieces: &[impl AsRef<str>]) -> Vec<OutputEvent> {
        let mut reader = self.reader();
        let mut events: Vec<_> = pieces.iter().flat_map(|piece| reader.push(piece.as_ref())).collect();
        events.extend(reader.finish());
        join(events)
    }
}

fn join(events: Vec<OutputEvent>) -> Vec<OutputEvent> {
    let mut joined: Vec<OutputEvent> = Vec::new();
    for event in events {
        match (joined.last_mut(), &event) {
            (Some(OutputEvent::Reasoning(text)), OutputEvent::Reasoning(more))
            | (Some(OutputEvent::Content(text)), OutputEvent::Content(more)) => text.push_str(more),
            (
                Some(OutputEvent::ToolArguments { index: a, fragment }),
                OutputEvent::ToolArguments { index: b, fragment: more },
            ) if a == b => {
                fragment.push_str(more);
            }
            _ => joined.push(event),
        }
    }
    joined
}

/// `text` in pieces of `lengths` characters, over and over.
pub(super) fn split(text: &str, lengths: &[usize]) -> Vec<String> {
    let mut characters = text.chars();
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        let piece: String = characters.by_ref().take(*length).collect();
        if piece.is_empty() {
            break;
        }
        pieces.push(piece);
    }
    pieces
}
