//! All sixteen checks with their results.

use serde::Serialize;

use crate::verify::{PassedCheck, VerifyError};

/// A check of [`crate::verify::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Its number, 1 to 16.
    pub number: u8,
    /// Its stable code.
    pub code: &'static str,
    /// What it establishes.
    pub establishes: &'static str,
}

const fn check(number: u8, code: &'static str, establishes: &'static str) -> Check {
    Check { number, code, establishes }
}

/// The checks, in order (`docs/spec/evidence.md`).
pub const CHECKS: [Check; 16] = [
    check(1, "document", "the evidence is a well-formed document"),
    check(2, "version", "the evidence is of a version that this program reads"),
    check(3, "nonce", "the evidence answers the nonce that was sent"),
    check(4, "attestation_key", "the attestation key can sign only what its TPM made itself"),
    check(5, "trust", "the policy trusts the attestation key"),
    check(6, "signature", "the attestation key signed the quote"),
    check(7, "quote", "a TPM made the quote"),
    check(8, "qualifying_data", "the quote was made for the nonce and the binding"),
    check(9, "pcr_selection", "the quote covers all PCRs that the policy needs"),
    check(10, "pcr_digest", "the PCR values are the quoted ones"),
    check(11, "firmware_log", "the firmware log explains the PCRs that the policy wants explained"),
    check(12, "application_log", "the application log explains its PCRs, and its last launch is sealed"),
    check(13, "binding", "TLS key, receipt key and model are those that the last launch measured"),
    check(14, "policy", "the policy allows the platform and every launch since boot"),
    check(15, "tls_key", "the connection ends at the attested TLS key"),
    check(16, "freshness", "the evidence is fresh, and the TPM ran on since"),
];

/// A check with its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Its number, 1 to 16.
    pub number: u8,
    /// Its stable code.
    pub code: &'static str,
    /// How it went.
    pub result: CheckResult,
    /// What was established, why it failed, or what it would have established.
    pub sentence: String,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// An earlier one failed, so nobody looked.
    NotReached,
}

/// All sixteen checks, as [`crate::verify::verify_with_report`] tells them: those that passed, the one that failed, and those that
/// nobody reached. Nothing counts as passed that is not in `passed`.
#[must_use]
pub fn explained_checks(passed: &[PassedCheck], failed: Option<&VerifyError>) -> Vec<Explained> {
    let explained = |check: &Check| {
        let statement = passed.iter().find(|passed| passed.number() == check.number).map(PassedCheck::statement);
        let (result, sentence) = match (statement, failed) {
            (Some(statement), _) => (CheckResult::Passed, statement.to_owned()),
            (None, Some(error)) if check.number == error.check() => (CheckResult::Failed, error.to_string()),
            (None, _) => (CheckResult::NotReached, check.establishes.to_owned()),
        };
        Explained { number: check.number, code: check.code, result, sentence }
    };
    CHECKS.iter().map(explained).collect()
}
