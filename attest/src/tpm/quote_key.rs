//! The key that a raw quote is checked with, as tools write it to a file.

use x509_cert::der::Document;

use super::{
    AkError, Name, PublicKey, RestrictedSigningKey, Signature, SignatureError, SigningScheme, public_key::PublicKeyError,
};

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const PEM_LABEL: &str = "PUBLIC KEY";

/// The public key of a raw quote's signer.
#[derive(Debug, Clone)]
pub enum QuoteKey {
    /// A TPM's key with its attributes: only TPM2_Quote and its kin can have made its signatures over attestations.
    Restricted(RestrictedSigningKey),
    /// A key without attributes: whether it can sign what no TPM made, nothing here tells.
    Bare(PublicKey),
}

/// A file that is no acceptable key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteKeyError {
    /// No TPM2B_PUBLIC or TPMT_PUBLIC of a restricted signing key.
    #[error(transparent)]
    PublicArea(#[from] AkError),
    /// No PEM of a public key.
    #[error("the attestation key is no PEM text with the label {PEM_LABEL:?}; export it with tpm2_readpublic -f pem")]
    Pem,
    /// The PEM holds another kind of key.
    #[error(transparent)]
    PublicKey(#[from] PublicKeyError),
}

impl QuoteKeyError {
    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PublicArea(error) => error.code(),
            Self::Pem | Self::PublicKey(PublicKeyError::Malformed(_) | PublicKeyError::NotCanonical) => "ak_malformed",
            Self::PublicKey(PublicKeyError::Unsupported { .. }) => "ak_unsupported",
            Self::PublicKey(PublicKeyError::Rsa(_)) => "ak_weak_rsa_key",
            Self::PublicKey(PublicKeyError::NotOnCurve) => "ak_not_on_curve",
        }
    }
}

impl QuoteKey {
    /// Reads a key's file: PEM of a SubjectPublicKeyInfo, a TPM2B_PUBLIC, or a TPMT_PUBLIC.
    ///
    /// The first bytes tell which: a TPM2B_PUBLIC starts with its size, a TPMT_PUBLIC with its type, and no key is so short
    /// that the two could be confused.
    ///
    /// # Errors
    /// [`QuoteKeyError`] says what is wrong with the key.
    pub fn parse(file: &[u8]) -> Result<Self, QuoteKeyError> {
        if file.starts_with(PEM_BEGIN) {
            return Self::parse_pem(file);
        }
        let first = file.first_chunk().map(|size| usize::from(u16::from_be_bytes(*size)));
        let is_sized = first == file.len().checked_sub(2);
        let parse = if is_sized { RestrictedSigningKey::parse } else { RestrictedSigningKey::parse_public_area };
        Ok(Self::Restricted(parse(file)?))
    }

    fn parse_pem(file: &[u8]) -> Result<Self, QuoteKeyError> {
        let text = str::from_utf8(file).map_err(|_| QuoteKeyError::Pem)?;
        match Document::from_pem(text) {
            Ok((PEM_LABEL, spki)) => Ok(Self::Bare(PublicKey::from_spki_der(spki.as_bytes())?)),
            _ => Err(QuoteKeyError::Pem),
        }
    }

    /// The key's Name; `None` for a bare key, whose public area is unknown.
    #[must_use]
    pub const fn name(&self) -> Option<Name> {
        match self {
            Self::Restricted(key) => Some(key.name()),
            Self::Bare(_) => None,
        }
    }

    /// The bare key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        match self {
            Self::Restricted(key) => key.public_key(),
            Self::Bare(key) => key,
        }
    }

    /// Checks a signature, and says how it was made. A bare key has no scheme of its own: it is the signature's.
    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> Result<SigningScheme, SignatureError> {
        match self {
            Self::Restricted(key) => key.verify(message, signature)?,
            Self::Bare(key) => key.verify(message, signature)?,
        }
        Ok(SigningScheme { key: self.public_key().key_type(), signature: signature.scheme() })
    }
}
