//! What a quote is bound to: the keys and the model of the running gateway.

use serde::{Deserialize, Serialize};

use crate::{digest::Sha256Digest, evidence::encoding::Base64Array};

/// The identity that a quote vouches for, as served in the evidence's `binding`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// SHA-256 of the TLS key's SubjectPublicKeyInfo (DER).
    pub tls_spki_sha256: Sha256Digest,
    /// The Ed25519 key that signs receipts (RFC 8032), base64.
    pub receipt_public_key: Base64Array<32>,
    /// SHA-256 of the HPKE public key; no gateway has one yet, so anything but `null` is refused.
    #[serde(deserialize_with = "null")]
    pub hpke_public_key: Option<Sha256Digest>,
    /// SHA-256 of the model's weights manifest.
    pub model_sha256: Sha256Digest,
}

fn null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Sha256Digest>, D::Error> {
    <()>::deserialize(deserializer).map(|()| None)
}

/// `SHA-256("blindllama/binding/v1" ‖ canonical binding)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindingDigest(Sha256Digest);

impl BindingDigest {
    /// The digest itself.
    #[must_use]
    pub const fn digest(self) -> Sha256Digest {
        self.0
    }
}

impl Binding {
    /// Hashes the canonical binding: TLS key, receipt key, HPKE key (zero where there is none) and model, 32 bytes each.
    #[must_use]
    pub fn digest(&self) -> BindingDigest {
        let hpke = self.hpke_public_key.unwrap_or(Sha256Digest::ZERO);
        BindingDigest(Sha256Digest::of(&[
            b"blindllama/binding/v1",
            self.tls_spki_sha256.as_bytes(),
            self.receipt_public_key.as_bytes(),
            hpke.as_bytes(),
            self.model_sha256.as_bytes(),
        ]))
    }
}
