//! Checks 1 to 3: the document is readable, of this version, and an answer to my nonce.

use super::{VerifyError, report::Passed};
use crate::{
    evidence::{EvidenceDocument, VERSION},
    nonce::Nonce,
};

/// Check 1 passed: a document.
pub(super) struct Parsed(EvidenceDocument);

/// Check 2 passed: a document of this version.
pub(super) struct Current(EvidenceDocument);

/// Check 3 passed: a document that answers my nonce.
pub(super) struct Fresh<'n> {
    pub(super) document: EvidenceDocument,
    pub(super) nonce: &'n Nonce,
}

/// Check 1: size and syntax.
pub(super) fn parse(document: &[u8]) -> Result<Passed<Parsed>, VerifyError> {
    let parsed = EvidenceDocument::parse(document)?;
    let statement = format!("the evidence is a well-formed document of {} bytes", document.len());
    Ok(Passed::new(1, "document", statement, Parsed(parsed)))
}

/// Check 2: version.
pub(super) fn check_version(Parsed(document): Parsed) -> Result<Passed<Current>, VerifyError> {
    if document.version != VERSION {
        return Err(VerifyError::UnsupportedVersion { found: document.version });
    }
    Ok(Passed::new(2, "version", format!("the evidence is of version {VERSION}"), Current(document)))
}

/// Check 3: the nonce is mine.
pub(super) fn check_nonce(Current(document): Current, nonce: &Nonce) -> Result<Passed<Fresh<'_>>, VerifyError> {
    let found = Nonce::from_hex(&document.nonce).ok();
    if found.as_ref() != Some(nonce) {
        return Err(VerifyError::NonceMismatch { sent: nonce.clone(), found });
    }
    let statement = format!("the evidence answers the nonce {}", nonce.to_hex());
    Ok(Passed::new(3, "nonce", statement, Fresh { document, nonce }))
}
