//! What is known beside evidence and policy: the firmware log of the expected boot, and the documents behind digests.

use std::collections::BTreeMap;

use super::{Context, releases::part_of};
use crate::{
    application::Part,
    digest::Sha256Digest,
    evidence::EvidenceDocument,
    policy::Policy,
    verify::{NotAllowed, VerifyError},
};

/// Material to compare with. It explains, and never makes evidence pass.
#[derive(Debug, Clone, Default)]
pub struct Reference {
    firmware_log: Option<Vec<u8>>,
    documents: BTreeMap<Sha256Digest, Vec<u8>>,
    notes: Vec<String>,
}

/// A document whose hash is not the one that it was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the document offered for {wanted} hashes to {actual} and is not used")]
pub struct WrongDocument {
    /// The digest that was wanted.
    pub wanted: Sha256Digest,
    /// The digest of what came.
    pub actual: Sha256Digest,
}

impl Reference {
    /// Knows nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the firmware log of the boot that the policy was written for.
    #[must_use]
    pub fn with_firmware_log(self, log: Vec<u8>) -> Self {
        Self { firmware_log: Some(log), ..self }
    }

    /// Takes the document behind `wanted`, if it is that; otherwise remembers to say that it was not used.
    ///
    /// # Errors
    /// [`WrongDocument`] if it hashes to something else.
    pub fn add_document(&mut self, wanted: Sha256Digest, document: Vec<u8>) -> Result<(), WrongDocument> {
        let actual = Sha256Digest::of(&[&document]);
        if actual != wanted {
            let wrong = WrongDocument { wanted, actual };
            self.add_note(wrong.to_string());
            return Err(wrong);
        }
        self.documents.insert(wanted, document);
        Ok(())
    }

    /// Adds something that the explanation has to mention: a document that could not be had, for example.
    pub fn add_note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub(super) fn firmware_log(&self) -> Option<&[u8]> {
        self.firmware_log.as_deref()
    }

    pub(super) fn document(&self, digest: Sha256Digest) -> Option<&[u8]> {
        self.documents.get(&digest).map(Vec::as_slice)
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// The documents that would explain `error`: first the expected one, then the found one. Empty where none would help.
#[must_use]
pub fn documents_wanted(error: &VerifyError, evidence: Option<&EvidenceDocument>, policy: &Policy) -> Vec<Sha256Digest> {
    match error {
        VerifyError::NotAllowed(NotAllowed::Part { part: Part::GatewayBinary, .. }) => Vec::new(),
        VerifyError::NotAllowed(NotAllowed::Part { expected, found, .. }) => vec![*expected, *found],
        VerifyError::NotAllowed(NotAllowed::PastLaunch { number, part, found }) if *part != Part::GatewayBinary => {
            let reference = Reference::new();
            let context = Context { evidence, policy, reference: &reference };
            part_of(&context, *number, *part).map_or_else(Vec::new, |expected| vec![expected, *found])
        }
        _ => Vec::new(),
    }
}
