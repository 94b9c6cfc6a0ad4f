//! The record of what was checked.

/// A check that was passed, and what it established.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedCheck {
    number: u8,
    code: &'static str,
    statement: String,
}

impl PassedCheck {
    /// The check's number, 1 to 16 (`docs/spec/evidence.md`).
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// The check's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// One sentence of what was established, with the value.
    #[must_use]
    pub fn statement(&self) -> &str {
        &self.statement
    }
}

/// What a check hands on. The value comes out only by entering the check into the report.
pub(super) struct Passed<T> {
    value: T,
    check: PassedCheck,
}

impl<T> Passed<T> {
    pub(super) const fn new(number: u8, code: &'static str, statement: String, value: T) -> Self {
        Self { value, check: PassedCheck { number, code, statement } }
    }
}

/// The checks passed so far.
#[derive(Default)]
pub(super) struct Report(Vec<PassedCheck>);

impl Report {
    pub(super) fn add<T>(&mut self, Passed { value, check }: Passed<T>) -> T {
        self.0.push(check);
        value
    }

    pub(super) fn checks(&self) -> Vec<PassedCheck> {
        self.0.clone()
    }

    pub(super) fn into_checks(self) -> Vec<PassedCheck> {
        self.0
    }
}
