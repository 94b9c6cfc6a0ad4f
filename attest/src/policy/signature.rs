//! Detached signatures of policies: `<policy>.sig`.
//!
//! The file is one line, `blindllama-policy-ed25519 <public key> <signature>`, both in base64. What is signed is the file of
//! the policy byte by byte, under a prefix of its own so that no signature made for anything else fits. The public key in the
//! line only says whose signature to expect: the key to trust comes from the user.

use std::fmt;

use data_encoding::BASE64;
use ed25519_dalek::{SIGNATURE_LENGTH, Signature};

use super::{InvalidPolicyKey, Policy, PolicyError, PolicyKey, PolicySigningKey};
use crate::digest::Sha256Digest;

/// What the signed bytes begin with.
const DOMAIN: &[u8] = b"blindllama/policy/v1\0";
/// What the line of a signature file begins with.
const KIND: &str = "blindllama-policy-ed25519";

/// A signature of a policy, read but not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySignature {
    key: PolicyKey,
    signature: Signature,
}

/// A policy that the trusted key signed. Only [`PolicySignature::verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPolicy {
    policy: Policy,
    key: PolicyKey,
    revision: u32,
    sha256: Sha256Digest,
}

/// The bytes are no policy that may be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnsignablePolicy {
    /// Not a text at all.
    #[error("the policy is no UTF-8 text")]
    NotText,
    /// No valid policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No edition to hold an older one to.
    #[error(
        "a signed policy needs a revision (revision = 1, then one more with each change): without it, an old one could come back"
    )]
    NoRevision,
}

/// The signature does not make the policy trustworthy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFileError {
    /// No signature file.
    #[error("the signature file has to be one line, \"{KIND} <public key> <signature>\": {0}")]
    Malformed(&'static str),
    /// The key in the signature file cannot be used.
    #[error("the signature file names no usable key: {0}")]
    Key(#[from] InvalidPolicyKey),
    /// Somebody else signed.
    #[error("the policy is signed with the key {found}, and you trust {trusted}")]
    OtherKey {
        /// The key that the signature file names.
        found: PolicyKey,
        /// The key to trust.
        trusted: PolicyKey,
    },
    /// The signature is not one over this policy.
    #[error(
        "the signature does not belong to this policy: the policy was changed after it was signed, or the signature is forged"
    )]
    Forged,
    /// Properly signed, but of no use.
    #[error("the signature is good, but {0}")]
    Unusable(#[from] UnsignablePolicy),
}

impl PolicySignature {
    /// Signs the policy file's bytes.
    ///
    /// # Errors
    /// [`UnsignablePolicy`] unless they are a valid policy with a revision.
    pub fn sign(policy: &[u8], key: &PolicySigningKey) -> Result<Self, UnsignablePolicy> {
        read_signable(policy)?;
        Ok(Self { key: key.public(), signature: key.sign(&signed_bytes(policy)) })
    }

    /// Reads a signature file to its last byte.
    ///
    /// # Errors
    /// [`SignatureFileError::Malformed`] or [`SignatureFileError::Key`].
    pub fn parse(file: &[u8]) -> Result<Self, SignatureFileError> {
        let malformed = SignatureFileError::Malformed;
        let text = std::str::from_utf8(file).map_err(|_| malformed("it is no text"))?;
        let line = text.strip_suffix('\n').ok_or(malformed("its line does not end"))?;
        let mut words = line.split(' ');
        let (Some(KIND), Some(key), Some(signature), None) = (words.next(), words.next(), words.next(), words.next()) else {
            return Err(malformed("these are other words"));
        };
        let signature = BASE64.decode(signature.as_bytes()).map_err(|_| malformed("the signature is no base64"))?;
        let signature: [u8; SIGNATURE_LENGTH] = signature.try_into().map_err(|_| malformed("the signature has not 64 bytes"))?;
        let read = Self { key: PolicyKey::parse(key)?, signature: Signature::from_bytes(&signature) };
        if read.to_string() == text { Ok(read) } else { Err(malformed("it is written in another way")) }
    }

    /// Checks that `trusted` signed exactly these bytes, and only then reads them.
    ///
    /// # Errors
    /// [`SignatureFileError`] says what is wrong with the signature, or with what was signed.
    pub fn verify(&self, policy: &[u8], trusted: &PolicyKey) -> Result<SignedPolicy, SignatureFileError> {
        if !self.key.is(trusted) {
            return Err(SignatureFileError::OtherKey { found: self.key, trusted: *trusted });
        }
        if !trusted.signed(&signed_bytes(policy), &self.signature) {
            return Err(SignatureFileError::Forged);
        }
        let (read, revision) = read_signable(policy)?;
        Ok(SignedPolicy { policy: read, key: *trusted, revision, sha256: Sha256Digest::of(&[policy]) })
    }
}

/// The signature file's text.
impl fmt::Display for PolicySignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{KIND} {} {}", self.key, BASE64.encode(&self.signature.to_bytes()))
    }
}

impl SignedPolicy {
    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy, to be used.
    #[must_use]
    pub fn into_policy(self) -> Policy {
        self.policy
    }

    /// The key that signed it.
    #[must_use]
    pub const fn key(&self) -> PolicyKey {
        self.key
    }

    /// Its edition: of two policies of one key, the higher one counts.
    #[must_use]
    pub const fn revision(&self) -> u32 {
        self.revision
    }

    /// SHA-256 of the policy file.
    #[must_use]
    pub const fn sha256(&self) -> Sha256Digest {
        self.sha256
    }
}

fn read_signable(policy: &[u8]) -> Result<(Policy, u32), UnsignablePolicy> {
    let text = std::str::from_utf8(policy).map_err(|_| UnsignablePolicy::NotText)?;
    let policy = Policy::parse(text)?;
    let revision = policy.revision().ok_or(UnsignablePolicy::NoRevision)?;
    Ok((policy, revision))
}

fn signed_bytes(policy: &[u8]) -> Vec<u8> {
    [DOMAIN, policy].concat()
}
