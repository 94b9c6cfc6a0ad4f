//! Llama 3.2, ToolACE and others: `[f(a=1, b="x"), g()]`, calls as Python writes them.

use super::{ToolReader, python_literal};
use crate::output::{events::Events, take};

/// As vLLM's `pythonic`: the list is the whole answer. Each call is told when its closing bracket has come, since its
/// arguments have to be written anew; vLLM's streams guess at them earlier and its whole answers keep none of the calls if one
/// is malformed, while here those before it stay.
pub(super) struct PythonicReader {
    stage: Stage,
    /// The text since the last call.
    text: String,
}

enum Stage {
    /// Before the list.
    Start,
    /// Before a call's name.
    Call,
    Name(String),
    Arguments(Arguments),
    /// After a call.
    CommaOrClose,
    /// After the list, or there is none.
    Text,
}

/// The text between a call's brackets while it comes: only where it ends is found here.
#[derive(Default)]
struct Arguments {
    name: String,
    text: String,
    open_brackets: usize,
    quote: Option<char>,
    escaped: bool,
}

impl PythonicReader {
    pub(super) const fn new() -> Self {
        Self { stage: Stage::Start, text: String::new() }
    }

    /// The stage after `character`; `None`, with all that follows text, if it can be in no list of calls.
    fn after(&mut self, character: char, events: &mut Events) -> Option<Stage> {
        let stage = std::mem::replace(&mut self.stage, Stage::Text);
        match (stage, character) {
            (Stage::Name(name), '(') => Some(Stage::Arguments(Arguments { name, ..Arguments::default() })),
            (Stage::Name(mut name), _) => {
                name.push(character);
                is_in_name(character).then_some(Stage::Name(name))
            }
            (Stage::Arguments(mut arguments), _) => {
                if !arguments.ended_by(character) {
                    return Some(Stage::Arguments(arguments));
                }
                let json = python_literal::arguments_to_json(&arguments.text)?;
                events.call(arguments.name);
                events.arguments(&json);
                self.text.clear();
                Some(Stage::CommaOrClose)
            }
            (stage, _) if character.is_whitespace() => Some(stage),
            (Stage::Start, '[') | (Stage::CommaOrClose, ',') => Some(Stage::Call),
            (Stage::Call, _) if character.is_ascii_alphabetic() => Some(Stage::Name(character.into())),
            (Stage::CommaOrClose, ']') => {
                self.text.clear();
                Some(Stage::Text)
            }
            _ => None,
        }
    }
}

impl ToolReader for PythonicReader {
    fn push(&mut self, mut text: &str, events: &mut Events) {
        while !matches!(self.stage, Stage::Text) {
            let Some(character) = text.chars().next() else { return };
            self.text.push_str(take(&mut text, character.len_utf8()));
            match self.after(character, events) {
                Some(stage) => self.stage = stage,
                None => events.content(&std::mem::take(&mut self.text)),
            }
        }
        events.content(text);
    }

    fn finish(&mut self, events: &mut Events) {
        events.content(&std::mem::take(&mut self.text));
    }
}

impl Arguments {
    /// Whether `character` is the bracket that closes the call; otherwise it is kept.
    fn ended_by(&mut self, character: char) -> bool {
        if let Some(quote) = self.quote {
            if character == quote && !self.escaped {
                self.quote = None;
            }
            self.escaped = character == '\\' && !self.escaped;
        } else {
            match character {
                '\'' | '"' => self.quote = Some(character),
                '(' | '[' | '{' => self.open_brackets += 1,
                ')' if self.open_brackets == 0 => return true,
                ')' | ']' | '}' => self.open_brackets = self.open_brackets.saturating_sub(1),
                _ => {}
            }
        }
        self.text.push(character);
        false
    }
}

/// Names may be dotted: `weather.get`.
fn is_in_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.')
}
