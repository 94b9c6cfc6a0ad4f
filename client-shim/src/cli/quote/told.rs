//! What is said about a quote: each check with its result, and no more in the end than was checked.

use blindllama_attest::tpm::CheckedQuote;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::cli::{
    Outcome,
    style::{self, Style},
    text::printable,
};

/// A check and its result.
pub(super) struct Line {
    code: &'static str,
    result: CheckResult,
    sentence: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CheckResult {
    Passed,
    Failed,
    NotChecked,
}

impl Line {
    pub(super) fn passed(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, result: CheckResult::Passed, sentence: sentence.into() }
    }

    pub(super) fn failed(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, result: CheckResult::Failed, sentence: sentence.into() }
    }

    pub(super) fn not_checked(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, result: CheckResult::NotChecked, sentence: sentence.into() }
    }

    fn as_text(&self, style: Style) -> String {
        let mark = match self.result {
            CheckResult::Passed => style.good("✓"),
            CheckResult::Failed => style.bad("✗"),
            CheckResult::NotChecked => style.faint("–"),
        };
        let sentence = printable(&self.sentence);
        let not_checked = if self.result == CheckResult::NotChecked { "not checked: " } else { "" };
        format!("{mark} {:<12} {not_checked}{sentence}", self.code)
    }

    fn as_json(&self) -> Value {
        let result = match self.result {
            CheckResult::Passed => "passed",
            CheckResult::Failed => "failed",
            CheckResult::NotChecked => "not_checked",
        };
        json!({"code": self.code, "result": result, "sentence": self.sentence})
    }
}

/// All checks of a quote.
pub(super) struct Told {
    lines: Vec<Line>,
    quote: Option<CheckedQuote>,
    code: Option<&'static str>,
}

impl Told {
    pub(super) const fn accepted(quote: CheckedQuote) -> Self {
        Self { lines: Vec::new(), quote: Some(quote), code: None }
    }

    pub(super) fn refused(code: &'static str, line: Line) -> Self {
        Self { lines: vec![line], quote: None, code: Some(code) }
    }

    /// A failed check of its own makes the whole refused.
    pub(super) fn add(&mut self, line: Line) {
        if line.result == CheckResult::Failed && self.code.is_none() {
            self.code = Some(line.code);
        }
        self.lines.push(line);
    }

    pub(super) fn outcome(&self) -> Outcome {
        if self.code.is_none() { Outcome::Verified } else { Outcome::Refused }
    }

    pub(super) fn say(&self, json: bool) -> String {
        if json { format!("{:#}", self.as_json()) } else { self.as_text(style::for_stdout()) }
    }

    fn as_text(&self, style: Style) -> String {
        let lines = self.lines.iter().map(|line| line.as_text(style) + "\n");
        lines.collect::<String>() + &self.conclusion(style)
    }

    fn conclusion(&self, style: Style) -> String {
        let not_checked = self.not_checked();
        match self.code {
            Some(code) => format!("{} ({code})", style.bad("The quote is refused.")),
            None if not_checked.is_empty() => style.good("Everything about the quote holds."),
            None => format!("The quote is well signed; {}", style.warning(format!("not checked: {}", not_checked.join(", ")))),
        }
    }

    fn not_checked(&self) -> Vec<&'static str> {
        self.lines.iter().filter(|line| line.result == CheckResult::NotChecked).map(|line| line.code).collect()
    }

    fn as_json(&self) -> Value {
        json!({
            "schema": "blindllama-quote-check/v1",
            "accepted": self.code.is_none(),
            "code": self.code,
            "checks": self.lines.iter().map(Line::as_json).collect::<Vec<_>>(),
            "not_checked": self.not_checked(),
            "uses_sha1": self.quote.as_ref().map(|checked| checked.uses_sha1),
            "quote": self.quote.as_ref().map(quote_json),
        })
    }
}

fn quote_json(checked: &CheckedQuote) -> Value {
    let clock = checked.quote.clock;
    json!({
        "scheme": checked.scheme.to_string(),
        "extra_data": HEXLOWER.encode(&checked.quote.extra_data),
        "clock_ms": clock.clock, "resets": clock.reset_count, "restarts": clock.restart_count, "safe": clock.safe,
        "firmware_version": format!("{:#018x}", checked.quote.firmware_version),
        "pcr_digest": HEXLOWER.encode(&checked.quote.pcr_digest),
    })
}
