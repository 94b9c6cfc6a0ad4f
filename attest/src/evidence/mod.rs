//! The evidence document, version 1: what `GET /attestation?nonce=` answers.
//!
//! The types here are the wire format, read strictly: no unknown and no duplicate keys, no lenient encodings. They carry
//! no trust; [`crate::verify::verify`] is what turns a document into a verdict.

pub mod encoding;
mod parse;

pub use parse::InvalidDocument;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{application::LoggedEvent, binding::Binding, digest::Sha256Digest, nonce::NonceProof};
use encoding::Base64Bytes;

/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;

/// The largest evidence document that is read, in bytes.
pub const MAX_DOCUMENT_BYTES: usize = 8 * 1024 * 1024;

/// The most application events that are read: hundreds of launches between two reboots.
pub const MAX_APPLICATION_EVENTS: usize = 4096;

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

/// PCR values by bank; only the SHA-256 bank is understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PcrBanks {
    /// The SHA-256 bank: PCR index to value.
    #[serde(with = "pcr_map")]
    pub sha256: BTreeMap<u8, Sha256Digest>,
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

/// PCR maps: keys are decimal indexes 0 to 23 without leading zeros, each at most once.
pub mod pcr_map {
    use std::{collections::BTreeMap, fmt};

    use serde::{
        Deserializer, Serialize, Serializer,
        de::{Error as _, MapAccess, Visitor},
    };

    use crate::digest::Sha256Digest;

    /// Writes the map with decimal string keys.
    ///
    /// # Errors
    /// Whatever the serializer reports.
    pub fn serialize<S: Serializer>(pcrs: &BTreeMap<u8, Sha256Digest>, serializer: S) -> Result<S::Ok, S::Error> {
        let by_text: BTreeMap<String, &Sha256Digest> = pcrs.iter().map(|(index, value)| (index.to_string(), value)).collect();
        by_text.serialize(serializer)
    }

    /// Reads the map, refusing duplicates and malformed indexes.
    ///
    /// # Errors
    /// Names the offending index.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u8, Sha256Digest>, D::Error> {
        deserializer.deserialize_map(PcrMapVisitor)
    }

    struct PcrMapVisitor;

    impl<'de> Visitor<'de> for PcrMapVisitor {
        type Value = BTreeMap<u8, Sha256Digest>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of PCR index (0 to 23) to SHA-256 value")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pcrs = BTreeMap::new();
            while let Some(key) = map.next_key::<String>()? {
                let index = parse_index(&key).ok_or_else(|| A::Error::custom(format!("{key:?} is no PCR index (0 to 23)")))?;
                if pcrs.insert(index, map.next_value()?).is_some() {
                    return Err(A::Error::custom(format!("PCR {index} is given twice")));
                }
            }
            Ok(pcrs)
        }
    }

    fn parse_index(text: &str) -> Option<u8> {
        let index: u8 = text.parse().ok().filter(|index| *index < 24)?;
        (index.to_string() == text).then_some(index)
    }
}
