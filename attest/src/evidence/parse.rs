//! From bytes to an evidence document, strictly.
//!
//! Derived serde readers are lenient in places: they take an array for an object, and a missing key for `null`. Rather
//! than guard each type, the document is read a second time as plain JSON and compared with what the types would write:
//! a document that is not exactly what was understood is refused. Duplicate keys are refused by the typed reading.

use super::{EvidenceDocument, MAX_APPLICATION_EVENTS, MAX_CERTIFICATES, MAX_DOCUMENT_BYTES, MAX_SIBLINGS};
use crate::excerpt::excerpt;

/// The bytes are no evidence document of this version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// Something is larger than any honest document has it.
    #[error("the evidence has {found} {what}; at most {limit} are read")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: usize,
        /// How much is read.
        limit: usize,
    },
    /// No document of this format.
    #[error("the evidence is malformed at {path}: {reason}")]
    Malformed {
        /// Where in the document, `.` for the whole.
        path: String,
        /// What is wrong there.
        reason: String,
    },
}

impl EvidenceDocument {
    /// Reads a document: size first, then syntax, then that it says exactly what was understood.
    ///
    /// # Errors
    /// [`InvalidDocument`] says where it goes wrong.
    pub fn parse(document: &[u8]) -> Result<Self, InvalidDocument> {
        at_most("bytes", document.len(), MAX_DOCUMENT_BYTES)?;
        let mut json = serde_json::Deserializer::from_slice(document);
        let parsed: Self = serde_path_to_error::deserialize(&mut json)
            .map_err(|error| malformed(&error.path().to_string(), &error.inner().to_string()))?;
        json.end().map_err(|error| malformed(".", &error.to_string()))?;
        at_most("entries in its application log", parsed.event_log.application.len(), MAX_APPLICATION_EVENTS)?;
        at_most("certificates of its attestation key", parsed.tpm.ak_certificates.len(), MAX_CERTIFICATES)?;
        at_most("certificates of its endorsement key", parsed.tpm.ek_certificates.len(), MAX_CERTIFICATES)?;
        at_most("siblings in its nonce proof", parsed.nonce_proof.siblings.len(), MAX_SIBLINGS)?;
        parsed.check_exact(document)?;
        Ok(parsed)
    }

    fn check_exact(&self, document: &[u8]) -> Result<(), InvalidDocument> {
        let given: serde_json::Value = serde_json::from_slice(document).map_err(|error| malformed(".", &error.to_string()))?;
        let understood = serde_json::to_value(self).map_err(|error| malformed(".", &error.to_string()))?;
        if given == understood {
            return Ok(());
        }
        let differing = understood.as_object().into_iter().flatten().find(|(key, value)| given.get(key) != Some(value));
        let path = differing.map_or(".", |(key, _)| key.as_str());
        Err(malformed(path, "a key is missing, an array stands for an object, or a number is written in another way"))
    }
}

fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), InvalidDocument> {
    if found <= limit { Ok(()) } else { Err(InvalidDocument::TooLarge { what, found, limit }) }
}

fn malformed(path: &str, reason: &str) -> InvalidDocument {
    InvalidDocument::Malformed { path: excerpt(path), reason: excerpt(reason) }
}
