//! Colours, where a person is looking.

use std::{
    fmt::Display,
    io::{IsTerminal as _, stderr, stdout},
};

/// Paints text for one output, or leaves it as it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    on: bool,
}

pub(super) fn for_stdout() -> Style {
    Style { on: stdout().is_terminal() && colours_wanted() }
}

pub(super) fn for_stderr() -> Style {
    Style { on: stderr().is_terminal() && colours_wanted() }
}

/// The convention of <https://no-color.org>: set and not empty means no colours.
fn colours_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

impl Style {
    pub(super) const fn is_on(self) -> bool {
        self.on
    }

    pub(super) fn good(self, text: impl Display) -> String {
        self.paint("1;32", text)
    }

    pub(super) fn bad(self, text: impl Display) -> String {
        self.paint("1;31", text)
    }

    pub(super) fn warning(self, text: impl Display) -> String {
        self.paint("1;33", text)
    }

    pub(super) fn faint(self, text: impl Display) -> String {
        self.paint("2", text)
    }

    /// SGR (ECMA-48, section 8.3.117).
    fn paint(self, code: &str, text: impl Display) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_string() }
    }
}
