//! The Ed25519 keys (RFC 8032) under which policies are signed.

use std::fmt;

use data_encoding::BASE64;
use ed25519_dalek::{
    PUBLIC_KEY_LENGTH, Signature, Signer as _, SigningKey, VerifyingKey,
    pkcs8::{DecodePrivateKey as _, DecodePublicKey as _},
};
use subtle::ConstantTimeEq as _;

/// The public key of whoever may issue policies. Never one of the few points under which signatures prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyKey(VerifyingKey);

/// The private key; wiped from memory when dropped.
pub struct PolicySigningKey(SigningKey);

/// The text is no usable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicyKey {
    /// No public key in either form.
    #[error("a policy key is an Ed25519 public key, as PEM (openssl pkey -in KEY -pubout) or as the base64 of its 32 bytes")]
    NotPublic,
    /// The key is of small order: signatures under it can be valid for any message.
    #[error("this Ed25519 key is of small order, so signatures under it prove nothing")]
    Weak,
    /// No private key.
    #[error("a policy is signed with an Ed25519 private key in PKCS#8 PEM (openssl genpkey -algorithm ed25519), not encrypted")]
    NotPrivate,
}

impl PolicyKey {
    /// Reads a SubjectPublicKeyInfo in PEM (RFC 8410), or the bare base64 of the 32 bytes; white space around is free.
    ///
    /// # Errors
    /// [`InvalidPolicyKey`] says what a key looks like.
    pub fn parse(text: &str) -> Result<Self, InvalidPolicyKey> {
        let text = text.trim();
        if text.starts_with("-----") {
            return VerifyingKey::from_public_key_pem(text).map_err(|_| InvalidPolicyKey::NotPublic)?.try_into();
        }
        let bytes = BASE64.decode(text.as_bytes()).map_err(|_| InvalidPolicyKey::NotPublic)?;
        let bytes: [u8; PUBLIC_KEY_LENGTH] = bytes.try_into().map_err(|_| InvalidPolicyKey::NotPublic)?;
        VerifyingKey::from_bytes(&bytes).map_err(|_| InvalidPolicyKey::NotPublic)?.try_into()
    }

    /// Whether both are the same key, in a time that does not depend on where they differ.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }

    /// Whether this key made `signature` over `message`; with the strict rules, under which one message has one signature.
    pub(super) fn signed(&self, message: &[u8], signature: &Signature) -> bool {
        self.0.verify_strict(message, signature).is_ok()
    }
}

impl TryFrom<VerifyingKey> for PolicyKey {
    type Error = InvalidPolicyKey;

    fn try_from(key: VerifyingKey) -> Result<Self, InvalidPolicyKey> {
        if key.is_weak() { Err(InvalidPolicyKey::Weak) } else { Ok(Self(key)) }
    }
}

impl fmt::Display for PolicyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0.as_bytes()))
    }
}

impl PolicySigningKey {
    /// Reads PKCS#8 in PEM (RFC 8410), as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// [`InvalidPolicyKey::NotPrivate`]; encrypted keys are not read.
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, InvalidPolicyKey> {
        SigningKey::from_pkcs8_pem(text.trim()).map(Self).map_err(|_| InvalidPolicyKey::NotPrivate)
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PolicyKey {
        PolicyKey(self.0.verifying_key())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        self.0.sign(message)
    }
}

impl fmt::Debug for PolicySigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicySigningKey({})", self.public())
    }
}
