//! `{"name": …, "arguments": …}`, the object in which most models write a call.

use std::ops::ControlFlow::{self, Break, Continue};

use super::json::{JsonScanner, Scan};
use crate::output::{events::Events, take};

/// The key of the function's name.
const NAME: &str = "name";
/// White space between JSON's tokens.
pub(super) const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Reads one call as it comes. Other keys are passed over.
///
/// The call is told when its name and the start of its arguments are known, in either order; until then it can turn out to be
/// no call, and all of its text is kept. The arguments are the model's own JSON text, without the white space around it.
pub(super) struct CallObject {
    /// Names that the arguments' key may have.
    arguments_keys: &'static [&'static str],
    stage: Stage,
    /// The key, or the name, that is being read.
    token: String,
    call: Call,
}

/// How reading goes on.
pub(super) enum Outcome {
    /// All text is used up.
    More,
    /// The call is over: whole, or broken in its arguments, whose start was told.
    Ended,
    /// There is no call; the text so far, that before it included. What cannot follow was left.
    NotACall(String),
}

enum Call {
    Unknown {
        /// All text so far, and what was before it.
        text: String,
        name: Option<String>,
        /// Arguments that came before the name.
        arguments: Option<String>,
    },
    Told,
}

enum Stage {
    Open,
    Key { may_close: bool },
    InKey(JsonScanner),
    Colon(Key),
    Value(Key),
    InValue(JsonScanner, Role),
    CommaOrClose,
}

#[derive(Clone, Copy)]
enum Key {
    Name,
    Arguments,
    Other,
}

/// What a value is good for.
#[derive(Clone, Copy)]
enum Role {
    Name,
    Arguments,
    /// They come before the name.
    EarlyArguments,
    Other,
}

impl CallObject {
    /// `before` is markup that belongs to the call, and is text if there is none.
    pub(super) const fn after(before: String, arguments_keys: &'static [&'static str]) -> Self {
        let call = Call::Unknown { text: before, name: None, arguments: None };
        Self { arguments_keys, stage: Stage::Open, token: String::new(), call }
    }

    /// Reads on, and takes what it read from the front of `text`.
    pub(super) fn push(&mut self, text: &mut &str, events: &mut Events) -> Outcome {
        loop {
            if !matches!(self.stage, Stage::InKey(_) | Stage::InValue(..)) {
                self.take(text, text.len() - text.trim_start_matches(WHITE_SPACE).len());
            }
            let Some(byte) = text.bytes().next() else { return Outcome::More };
            let next = match (&mut self.stage, byte) {
                (Stage::InKey(scanner), _) => {
                    let (length, scan) = scanner.push(text);
                    let key = self.take(text, length);
                    self.in_key(key, &scan)
                }
                (Stage::InValue(scanner, role), _) => {
                    let (role, (length, scan)) = (*role, scanner.push(text));
                    let value = self.take(text, length);
                    self.in_value(role, value, &scan, events)
                }
                (Stage::Value(key), _) if JsonScanner::can_start(byte) => {
                    let key = *key;
                    Continue(Stage::InValue(JsonScanner::new(), self.role(key, events)))
                }
                (Stage::Key { .. }, b'"') => Continue(Stage::InKey(JsonScanner::new())),
                (Stage::Key { may_close: true } | Stage::CommaOrClose, b'}') => {
                    self.take(text, 1);
                    Break(self.end())
                }
                (stage, _) => match stage.after(byte) {
                    Some(stage) => {
                        self.take(text, 1);
                        Continue(stage)
                    }
                    None => Break(self.end()),
                },
            };
            match next {
                Continue(stage) => self.stage = stage,
                Break(outcome) => return outcome,
            }
        }
    }

    /// The output has ended: the text of a call that was not told.
    pub(super) fn finish(&mut self) -> Option<String> {
        match self.end() {
            Outcome::NotACall(text) => Some(text),
            Outcome::More | Outcome::Ended => None,
        }
    }

    fn in_key(&mut self, text: &str, scan: &Scan) -> ControlFlow<Outcome, Stage> {
        self.token.push_str(text);
        match scan {
            Scan::More => Break(Outcome::More),
            Scan::Broken => Break(self.end()),
            Scan::Ended => {
                let key = serde_json::from_str::<String>(&std::mem::take(&mut self.token)).unwrap_or_default();
                Continue(Stage::Colon(match key.as_str() {
                    NAME => Key::Name,
                    key if self.arguments_keys.contains(&key) => Key::Arguments,
                    _ => Key::Other,
                }))
            }
        }
    }

    /// What the value that begins is good for; the first of several with the same key counts.
    fn role(&mut self, key: Key, events: &mut Events) -> Role {
        match (key, &mut self.call) {
            (Key::Name, Call::Unknown { name: None, .. }) => Role::Name,
            (Key::Arguments, Call::Unknown { name: Some(name), arguments: None, .. }) => {
                events.call(std::mem::take(name));
                self.call = Call::Told;
                Role::Arguments
            }
            (Key::Arguments, Call::Unknown { name: None, arguments, .. }) if arguments.is_none() => {
                *arguments = Some(String::new());
                Role::EarlyArguments
            }
            _ => Role::Other,
        }
    }

    fn in_value(&mut self, role: Role, value: &str, scan: &Scan, events: &mut Events) -> ControlFlow<Outcome, Stage> {
        match (role, &mut self.call) {
            (Role::Arguments, _) => events.arguments(value),
            (Role::EarlyArguments, Call::Unknown { arguments: Some(arguments), .. }) => arguments.push_str(value),
            (Role::Name, _) => self.token.push_str(value),
            _ => {}
        }
        match scan {
            Scan::More => Break(Outcome::More),
            Scan::Broken => Break(self.end()),
            Scan::Ended if matches!(role, Role::Name) => self.named(events),
            Scan::Ended => Continue(Stage::CommaOrClose),
        }
    }

    /// The name is whole. Only a string is one.
    fn named(&mut self, events: &mut Events) -> ControlFlow<Outcome, Stage> {
        let Ok(found) = serde_json::from_str::<String>(&std::mem::take(&mut self.token)) else { return Break(self.end()) };
        match &mut self.call {
            Call::Unknown { arguments: Some(arguments), .. } => {
                events.call(found);
                events.arguments(arguments);
                self.call = Call::Told;
            }
            Call::Unknown { name, .. } => *name = Some(found),
            Call::Told => {}
        }
        Continue(Stage::CommaOrClose)
    }

    fn take<'t>(&mut self, text: &mut &'t str, length: usize) -> &'t str {
        let taken = take(text, length);
        if let Call::Unknown { text, .. } = &mut self.call {
            text.push_str(taken);
        }
        taken
    }

    fn end(&mut self) -> Outcome {
        match &mut self.call {
            Call::Unknown { text, .. } => Outcome::NotACall(std::mem::take(text)),
            Call::Told => Outcome::Ended,
        }
    }
}

impl Stage {
    /// The stage after a byte of punctuation, if it can follow.
    const fn after(&self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Open, b'{') => Some(Self::Key { may_close: true }),
            (Self::Colon(key), b':') => Some(Self::Value(*key)),
            (Self::CommaOrClose, b',') => Some(Self::Key { may_close: false }),
            _ => None,
        }
    }
}
