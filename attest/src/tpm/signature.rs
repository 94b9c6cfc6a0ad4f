//! TPMT_SIGNATURE over a quote (TPM 2.0 Library, Part 2, section 11.3.4).

use super::{PublicKey, SignatureAlgorithm, SignatureScheme, SigningScheme, public_key::InvalidSignature};
use crate::{
    bytes::{Malformed, Reader},
    hash::HashAlgorithm,
};

/// The size of RSA-4096.
const MAX_RSA_BYTES: usize = 512;
/// The size of a number of P-384.
const MAX_ECC_BYTES: usize = 48;

/// A signature with its scheme; the hash is SHA-1, SHA-256 or SHA-384.
///
/// SHA-1 is read so that it can be refused for what it is: no [`AttestationKey`](super::AttestationKey) signs with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    hash: HashAlgorithm,
    value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Rsassa(Vec<u8>),
    Rsapss(Vec<u8>),
    Ecdsa { r: Vec<u8>, s: Vec<u8> },
}

/// A signature that cannot be read, is of another kind, or does not verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The bytes are no TPMT_SIGNATURE.
    #[error("the quote's TPMT_SIGNATURE is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// A scheme or hash that this version does not check.
    #[error(
        "the quote's signature has {field} {found:#06x}, which this version does not support; it has to be RSASSA, RSAPSS \
         or ECDSA, with SHA-256 or SHA-384"
    )]
    Unsupported {
        /// The field's name in the specification.
        field: &'static str,
        /// The algorithm that it names (TCG Algorithm Registry).
        found: u16,
    },
    /// The attestation key is bound to another scheme or hash.
    #[error("the quote's signature is {signature}, but the attestation key signs with {key} alone: another key made it")]
    SchemeMismatch {
        /// The key's scheme.
        key: SigningScheme,
        /// The signature's scheme.
        signature: SignatureScheme,
    },
    /// The attestation key did not sign these bytes.
    #[error("the quote's signature does not verify under the attestation key: the quote was changed, or another key signed it")]
    Invalid,
}

impl SignatureError {
    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "signature_malformed",
            Self::Unsupported { .. } => "signature_unsupported",
            Self::SchemeMismatch { .. } => "signature_scheme_mismatch",
            Self::Invalid => "signature_invalid",
        }
    }
}

impl From<InvalidSignature> for SignatureError {
    fn from(InvalidSignature: InvalidSignature) -> Self {
        Self::Invalid
    }
}

impl Signature {
    /// Reads a TPMT_SIGNATURE.
    ///
    /// # Errors
    /// [`SignatureError::Malformed`] or [`SignatureError::Unsupported`].
    pub fn parse(tpmt_signature: &[u8]) -> Result<Self, SignatureError> {
        let mut reader = Reader::new(tpmt_signature);
        let unsupported = |field, found| SignatureError::Unsupported { field, found };
        let scheme = SignatureScheme::read(&mut reader, ["sigAlg", "hash"], unsupported)?;
        let value = match scheme.algorithm() {
            SignatureAlgorithm::Rsassa => Value::Rsassa(rsa_signature(&mut reader)?),
            SignatureAlgorithm::Rsapss => Value::Rsapss(rsa_signature(&mut reader)?),
            SignatureAlgorithm::Ecdsa => Value::Ecdsa { r: ecc_parameter(&mut reader)?, s: ecc_parameter(&mut reader)? },
        };
        reader.finish()?;
        Ok(Self { hash: scheme.hash(), value })
    }

    /// The scheme that the signature names.
    #[must_use]
    pub const fn scheme(&self) -> SignatureScheme {
        let algorithm = match self.value {
            Value::Rsassa(_) => SignatureAlgorithm::Rsassa,
            Value::Rsapss(_) => SignatureAlgorithm::Rsapss,
            Value::Ecdsa { .. } => SignatureAlgorithm::Ecdsa,
        };
        SignatureScheme::new(algorithm, self.hash)
    }
}

impl PublicKey {
    /// Checks a signature with the scheme that the signature itself names.
    ///
    /// # Errors
    /// [`InvalidSignature`] unless this key made it over exactly these bytes.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        match &signature.value {
            Value::Rsassa(value) => self.verify_rsassa(signature.hash, message, value),
            Value::Rsapss(value) => self.verify_rsapss(signature.hash, message, value),
            Value::Ecdsa { r, s } => self.verify_ecdsa(signature.hash, message, r, s),
        }
    }
}

fn rsa_signature(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    at_most(MAX_RSA_BYTES, "TPM2B_PUBLIC_KEY_RSA.size", "a signature of RSA-4096 has 512 bytes", reader.tpm2b()?)
}

fn ecc_parameter(reader: &mut Reader<'_>) -> Result<Vec<u8>, Malformed> {
    at_most(MAX_ECC_BYTES, "TPM2B_ECC_PARAMETER.size", "a number of P-384 has at most 48 bytes", reader.tpm2b()?)
}

fn at_most(limit: usize, field: &'static str, expected: &'static str, bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    if bytes.len() > limit {
        return Err(Malformed::Field { field, found: bytes.len() as u64, expected });
    }
    Ok(bytes.to_vec())
}
