//! The endorsement key, as its certificate has it.

use rsa::{BoxedUint, RsaPublicKey, traits::PublicKeyParts as _};

use crate::{
    certificate::{Certificate, PublicKey},
    digest::Sha256Digest,
};

/// An endorsement key of one of the TCG's templates (TCG EK Credential Profile 2.6, sections B.3 and B.4).
///
/// The template says what a certificate leaves out: hash, symmetric cipher and scheme of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndorsementKey {
    pub(super) key: TemplateKey,
    spki_sha256: Sha256Digest,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TemplateKey {
    /// Template L-1: RSA-2048, SHA-256, AES-128.
    L1(RsaPublicKey),
    /// Template L-2: P-256, SHA-256, AES-128.
    L2(p256::PublicKey),
    /// Template H-3: P-384, SHA-384, AES-256.
    H3(p384::PublicKey),
}

/// A certificate whose key is of no template that is supported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the endorsement key of {subject} cannot be used: {reason}; RSA-2048 with exponent 65537 (template L-1), \
     P-256 (L-2) and P-384 (H-3) can"
)]
pub struct UnsupportedEndorsementKey {
    /// The certificate's subject, printable and short.
    pub subject: String,
    /// What is wrong with the key.
    pub reason: String,
}

impl EndorsementKey {
    /// Takes the key from the certificate's SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`UnsupportedEndorsementKey`] says what the certificate has instead.
    pub fn from_certificate(certificate: &Certificate) -> Result<Self, UnsupportedEndorsementKey> {
        let unsupported = |reason| UnsupportedEndorsementKey { subject: certificate.subject(), reason };
        let key = match certificate.public_key().map_err(|error| unsupported(error.to_string()))? {
            PublicKey::Rsa(key) => TemplateKey::L1(check_l1(key).map_err(unsupported)?),
            PublicKey::P256(key) => TemplateKey::L2(key),
            PublicKey::P384(key) => TemplateKey::H3(key),
        };
        Ok(Self { key, spki_sha256: certificate.spki_sha256() })
    }

    /// SHA-256 of the key's SubjectPublicKeyInfo.
    #[must_use]
    pub const fn spki_sha256(&self) -> Sha256Digest {
        self.spki_sha256
    }
}

fn check_l1(key: RsaPublicKey) -> Result<RsaPublicKey, String> {
    let bits = key.n().bits_vartime();
    if bits != 2048 {
        return Err(format!("it is RSA with {bits} bits"));
    }
    if *key.e() != BoxedUint::from(65537_u32) {
        return Err("it is RSA with an exponent other than 65537".to_owned());
    }
    Ok(key)
}
