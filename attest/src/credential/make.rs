//! TPM2_MakeCredential (TPM 2.0 Library, Part 3, section 12.6) without a TPM.

use aes::cipher::InvalidLength;
use zeroize::Zeroizing;

use super::{
    endorsement_key::EndorsementKey,
    seed::{self, SharedSeed},
};
use crate::hash::HashAlgorithm;

/// What a credential needs of a random generator: used once, overwritten when dropped.
///
/// Both parts have to be fresh and uniformly random; a part that is longer than the key needs is used from its start.
pub struct CredentialRandomness {
    seed: Zeroizing<[u8; Self::PART_BYTES]>,
    ephemeral: Zeroizing<[u8; Self::PART_BYTES]>,
}

/// A secret that only one TPM, holding one named object, can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// TPM2B_ID_OBJECT (Part 2, section 12.4.3).
    pub id_object: Vec<u8>,
    /// TPM2B_ENCRYPTED_SECRET (Part 2, section 11.4.33).
    pub encrypted_secret: Vec<u8>,
}

/// A credential that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The attestation key's Name is none.
    #[error("the attestation key's Name is not a nameAlg of SHA-256, SHA-384 or SHA-512 and a digest of its size")]
    InvalidName,
    /// The secret does not fit.
    #[error("the secret has {found} bytes; this endorsement key carries 1 to {limit}")]
    SecretSize {
        /// The secret's size in bytes.
        found: usize,
        /// The size of the digest of the endorsement key's nameAlg.
        limit: usize,
    },
    /// The random scalar is zero or not below the curve's order, which happens once in 2^32 times on P-256.
    #[error("the random number is no scalar of the endorsement key's curve; draw again")]
    DrawAgain,
    /// A primitive refused a size that is always right.
    #[error("{0} failed, which no input should cause")]
    Failed(&'static str),
}

impl From<InvalidLength> for CredentialError {
    fn from(_: InvalidLength) -> Self {
        Self::Failed("a key derivation")
    }
}

impl CredentialRandomness {
    /// The size of each part in bytes.
    pub const PART_BYTES: usize = 48;

    /// Takes the seed, which RSA keys need, and the OAEP seed or the ephemeral scalar.
    #[must_use]
    pub const fn new(seed: Zeroizing<[u8; Self::PART_BYTES]>, ephemeral: Zeroizing<[u8; Self::PART_BYTES]>) -> Self {
        Self { seed, ephemeral }
    }

    pub(super) fn seed(&self, size: usize) -> &[u8] {
        self.seed.get(..size).unwrap_or(self.seed.as_slice())
    }

    pub(super) fn ephemeral(&self, size: usize) -> &[u8] {
        self.ephemeral.get(..size).unwrap_or(self.ephemeral.as_slice())
    }
}

/// Encrypts `secret` so that only the TPM with the endorsement key gives it back, and only if it also holds the object that
/// has the Name `ak_name` (nameAlg and digest).
///
/// # Errors
/// [`CredentialError`]; [`CredentialError::DrawAgain`] asks for other randomness.
pub fn make_credential(
    ek: &EndorsementKey,
    ak_name: &[u8],
    secret: &[u8],
    randomness: CredentialRandomness,
) -> Result<Credential, CredentialError> {
    check_name(ak_name)?;
    let SharedSeed { suite, seed, encrypted_secret } = seed::share(&ek.key, &randomness)?;
    if secret.is_empty() || secret.len() > suite.hash_size() {
        return Err(CredentialError::SecretSize { found: secret.len(), limit: suite.hash_size() });
    }
    let mut identity = Zeroizing::new(tpm2b(secret));
    suite.encrypt(&suite.cipher_key(&seed, ak_name)?, &mut identity)?;
    let integrity = suite.hmac(&suite.hmac_key(&seed)?, &[&identity, ak_name])?;
    let id_object = tpm2b(&[tpm2b(&integrity).as_slice(), &identity].concat());
    Ok(Credential { id_object, encrypted_secret })
}

/// A TPM2B. What is written here has at most a few hundred bytes.
pub(super) fn tpm2b(bytes: &[u8]) -> Vec<u8> {
    let size = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    [&size.to_be_bytes(), bytes].concat()
}

/// A Name as it may stand for a key: SHA-1 names are refused, since two objects may have one.
pub(super) fn check_name(name: &[u8]) -> Result<(), CredentialError> {
    let (algorithm, digest) = name.split_first_chunk().ok_or(CredentialError::InvalidName)?;
    match HashAlgorithm::from_tpm_id(u16::from_be_bytes(*algorithm)) {
        Some(algorithm) if algorithm != HashAlgorithm::Sha1 && digest.len() == algorithm.size() => Ok(()),
        _ => Err(CredentialError::InvalidName),
    }
}
