//! TPMT_SIGNATURE over a quote (TPM 2.0 Library, Part 2, section 11.3.4).

use p256::ecdsa::Signature;

use super::{algorithm, p256_parameter};
use crate::bytes::{Malformed, Reader};

/// An ECDSA signature with SHA-256 on P-256.
///
/// Both `s` and `n - s` verify (a TPM makes either), so a signature is never an identifier of a quote.
#[derive(Debug, Clone)]
pub struct EcdsaSignature(Signature);

/// A signature that cannot be read, is of another kind, or does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes are no TPMT_SIGNATURE.
    #[error("the quote's TPMT_SIGNATURE is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// A scheme or hash that this version does not check.
    #[error(
        "the quote's signature has {field} {found:#06x}, which this version does not support; it has to be ECDSA with SHA-256"
    )]
    Unsupported {
        /// The field's name in the specification.
        field: &'static str,
        /// The algorithm that it names (TCG Algorithm Registry).
        found: u16,
    },
    /// The attestation key did not sign these bytes.
    #[error("the quote's signature does not verify under the attestation key: the quote was changed, or another key signed it")]
    Invalid,
}

impl EcdsaSignature {
    /// Reads a TPMT_SIGNATURE of ECDSA with SHA-256.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] or [`SignatureError::Unsupported`]; [`SignatureError::Invalid`] for numbers outside the
    /// curve's order, under which nothing verifies.
    pub fn parse(tpmt_signature: &[u8]) -> Result<Self, SignatureError> {
        let mut reader = Reader::new(tpmt_signature);
        supported("sigAlg", reader.u16_be()?, algorithm::ECDSA)?;
        supported("hash", reader.u16_be()?, algorithm::SHA256)?;
        let (r, s) = (p256_parameter(&mut reader)?, p256_parameter(&mut reader)?);
        reader.finish()?;
        Signature::from_scalars(r, s).map(Self).map_err(|_| SignatureError::Invalid)
    }

    pub(super) const fn as_p256(&self) -> &Signature {
        &self.0
    }
}

fn supported(field: &'static str, found: u16, supported: u16) -> Result<(), SignatureError> {
    if found == supported { Ok(()) } else { Err(SignatureError::Unsupported { field, found }) }
}
