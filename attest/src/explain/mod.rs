//! Why evidence was refused, for people: what differs from what, and which line of the policy would allow it.
//!
//! Nothing here judges. [`crate::verify`] gave the verdict; this reads refused evidence once more and looks for the cause. What it
//! says about a boot event, a file or a configuration key rests on logs and documents that whoever answered could have
//! written: documents are used only where their hash is the measured one, and all else is told as a claim.

mod application_log;
mod checks;
mod documents;
mod firmware;
mod key;
mod pcrs;
mod reference;
mod releases;
mod session;

use serde::Serialize;

pub use checks::{CHECKS, Check, CheckResult, Explained, explained_checks};
pub use pcrs::pcr_meaning;
pub use reference::{Reference, WrongDocument, documents_wanted};

use crate::{evidence::EvidenceDocument, policy::Policy, verify::VerifyError};

/// How many differences are listed; the rest is counted.
pub const MAX_DETAILS: usize = 20;

/// What made a check fail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What happened, in one sentence.
    pub what: String,
    /// What had to be there.
    pub expected: Option<String>,
    /// What was there instead.
    pub found: Option<String>,
    /// The boot events, files or keys that differ, at most [`MAX_DETAILS`].
    pub details: Vec<Detail>,
    /// How many more there are.
    pub more_details: usize,
    /// What this explanation could not take into account.
    pub notes: Vec<String>,
    /// What the policy would have to say; `None` where no policy can allow it.
    pub allow: Option<Allow>,
    /// What to do.
    pub advice: String,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// What kind of thing it is.
    pub kind: DetailKind,
    /// Which one: a path, a key, an event.
    pub subject: String,
    /// How it differs.
    pub change: Change,
    /// The expected value, where there is one.
    pub expected: Option<String>,
    /// The found value, where there is one.
    pub found: Option<String>,
}

/// The kind of a [`Detail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DetailKind {
    /// An event of the firmware's log.
    BootEvent,
    /// An event of the application's log.
    ApplicationEvent,
    /// A file of a manifest.
    File,
    /// A value in a document, by its path.
    Key,
    /// A line of a text, from 1.
    Line,
    /// A PCR.
    Pcr,
    /// A part of a launch.
    Part,
}

/// How something differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is not expected.
    Added,
    /// It is expected and not there.
    Removed,
    /// It is there, with another value.
    Changed,
}

impl Detail {
    /// The change follows from which of the two values there are.
    fn new(kind: DetailKind, subject: impl Into<String>, expected: Option<String>, found: Option<String>) -> Self {
        let change = match (&expected, &found) {
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Removed,
            _ => Change::Changed,
        };
        Self { kind, subject: subject.into(), change, expected, found }
    }
}

/// What a policy would have to say to accept the evidence. Whether it should is for its owner to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Allow {
    /// The key, such as `release[0].engine_packages`; of a list where the line adds an entry.
    pub key: String,
    /// The TOML text.
    pub line: String,
}

impl Allow {
    fn new(key: impl Into<String>, line: impl Into<String>) -> Self {
        Self { key: key.into(), line: line.into() }
    }
}

impl Explanation {
    fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into(), ..Self::default() }
    }

    fn values(self, expected: impl ToString, found: impl ToString) -> Self {
        Self { expected: Some(expected.to_string()), found: Some(found.to_string()), ..self }
    }

    fn allowed_by(self, allow: Option<Allow>) -> Self {
        Self { allow, ..self }
    }

    /// Keeps the first [`MAX_DETAILS`] and counts the others.
    fn with_details(mut self, details: impl IntoIterator<Item = Detail>) -> Self {
        for detail in details {
            if self.details.len() < MAX_DETAILS {
                self.details.push(detail);
            } else {
                self.more_details = self.more_details.saturating_add(1);
            }
        }
        self
    }

    fn with_note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }
}

/// Everything that an explanation looks at beside the error.
struct Context<'a> {
    evidence: Option<&'a EvidenceDocument>,
    policy: &'a Policy,
    reference: &'a Reference,
}

/// Explains the check that failed.
///
/// `evidence` is the refused document where it could be read; `reference` is what is known of the expected state, and of the
/// documents behind the found one.
#[must_use]
pub fn explain(error: &VerifyError, evidence: Option<&EvidenceDocument>, policy: &Policy, reference: &Reference) -> Explanation {
    let context = Context { evidence, policy, reference };
    match error {
        VerifyError::Document(_) => key::document(error),
        VerifyError::UnsupportedVersion { found } => key::version(*found),
        VerifyError::NonceMismatch { sent, found } => key::nonce(sent, found.as_ref()),
        VerifyError::AttestationKey(_) => key::attestation_key(error),
        VerifyError::Trust(trust) => key::trust(trust, policy),
        VerifyError::Signature(_) => key::signature(error),
        VerifyError::Quote(_) => key::quote(error),
        VerifyError::NonceProof(_) | VerifyError::QualifyingDataMismatch { .. } => key::qualifying_data(error, &context),
        VerifyError::Pcrs(pcrs) => pcrs::not_quoted(pcrs, &context),
        VerifyError::BootLog(log) => firmware::boot_log(log, &context),
        VerifyError::ApplicationLog(log) => application_log::malformed(log, &context),
        VerifyError::ApplicationLogMismatch(mismatch) => application_log::mismatch(mismatch, &context),
        VerifyError::BindingNotMeasured(binding) => application_log::binding(binding),
        VerifyError::NotAllowed(not_allowed) => releases::not_allowed(not_allowed, &context),
        VerifyError::Session(session) => session::session(session),
    }
}
