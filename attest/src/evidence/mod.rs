//! The evidence document, version 1: what `GET /attestation?nonce=` answers.
//!
//! The types here are the wire format, read strictly: no unknown and no duplicate keys, no lenient encodings. They carry
//! no trust; [`crate::verify::verify`] is what turns a document into a verdict.

pub mod encoding;
mod parse;

pub use parse::InvalidDocument;

use serde::{Deserialize, Serialize};

use crate::{application::LoggedEvent, binding::Binding, nonce::NonceProof, pcr_banks::PcrBanks};
use encoding::Base64Bytes;

/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;

/// The largest evidence document that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

/// The most application events that are read: hundreds of launches between two reboots.
pub const MAX_APPLICATION_EVENTS: usize = 4096;

/// The most certificates of one key that are read.
pub const MAX_CERTIFICATES: usize = crate::certificate::MAX_CHAIN_CERTIFICATES;

/// The most siblings that a nonce proof can need: the height of a tree with [`crate::nonce::MAX_LEAVES`] leaves.
pub const MAX_SIBLINGS: usize = 16;

/// The whole document.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceDocument {
    /// Always [`VERSION`].
    pub version: u32,
    /// The verifier's nonce, lower-case hex.
    pub nonce: String,
    /// What the quote is bound to.
    pub binding: Binding,
    /// Where the nonce stands in the quote's tree.
    pub nonce_proof: NonceProof,
    /// What the TPM says.
    pub tpm: TpmEvidence,
    /// What was measured, and by whom.
    pub event_log: EventLogs,
    /// Memory-encryption evidence; none is understood yet, so the list has to be empty.
    pub tee: [(); 0],
}

/// A quote and what it takes to check it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpmEvidence {
    /// TPMS_ATTEST as signed (TPM 2.0 Library, Part 2, section 10.12.12).
    pub quote: Base64Bytes,
    /// TPMT_SIGNATURE (Part 2, section 11.3.4).
    pub signature: Base64Bytes,
    /// TPM2B_PUBLIC of the attestation key (Part 2, section 12.2.5).
    pub ak_public: Base64Bytes,
    /// Certificates of the attestation key, DER, leaf first.
    pub ak_certificates: Vec<Base64Bytes>,
    /// Certificates of the endorsement key, DER, leaf first.
    pub ek_certificates: Vec<Base64Bytes>,
    /// Values of the quoted PCRs, by bank.
    pub pcrs: PcrBanks,
}

/// The logs that explain the PCR values.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLogs {
    /// The firmware's TCG PC Client log, where the platform has one.
    pub firmware: Option<Base64Bytes>,
    /// systemd's userspace measurement log, where there is one.
    pub systemd: Option<Base64Bytes>,
    /// The gateway's own log, all launches since boot.
    pub application: Vec<LoggedEvent>,
}
