//! A credential that waits for its answer.

use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{ActivationAnswer, ActivationRequest, CredentialError, CredentialRandomness, EndorsementKey, make_credential};
use crate::{digest::Sha256Digest, evidence::encoding::Base64Bytes};

/// What the verifier keeps until the TPM has answered; it is used up by the answer.
pub struct Challenge {
    ak_name: Vec<u8>,
    ek_spki_sha256: Sha256Digest,
    secret: Zeroizing<[u8; 32]>,
}

/// An attestation key that lives in the TPM of a known endorsement key; [`Challenge::check`] proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivatedKey {
    ak_name: Vec<u8>,
    ek_spki_sha256: Sha256Digest,
    recorded: bool,
}

/// The answer is not the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the answer to the credential is wrong: the attestation key is not in the TPM of this endorsement key, or the answer \
     belongs to another challenge"
)]
pub struct WrongSecret;

impl Challenge {
    /// Makes a credential for the object `ak_name` in the TPM of `ek`, and the request that carries it.
    ///
    /// `secret` and `randomness` have to be fresh and uniformly random.
    ///
    /// # Errors
    /// Those of [`make_credential`].
    pub fn new(
        ek: &EndorsementKey,
        ak_name: &[u8],
        secret: [u8; 32],
        randomness: CredentialRandomness,
    ) -> Result<(Self, ActivationRequest), CredentialError> {
        let secret = Zeroizing::new(secret);
        let credential = make_credential(ek, ak_name, secret.as_slice(), randomness)?;
        let request = ActivationRequest {
            ak_name: HEXLOWER.encode(ak_name),
            id_object: Base64Bytes(credential.id_object),
            encrypted_secret: Base64Bytes(credential.encrypted_secret),
        };
        Ok((Self { ak_name: ak_name.to_vec(), ek_spki_sha256: ek.spki_sha256(), secret }, request))
    }

    /// Compares the answer with the secret, in constant time.
    ///
    /// # Errors
    /// [`WrongSecret`] unless they are equal.
    pub fn check(self, answer: &ActivationAnswer) -> Result<ActivatedKey, WrongSecret> {
        if bool::from(self.secret.as_slice().ct_eq(&answer.secret.0)) {
            Ok(ActivatedKey { ak_name: self.ak_name, ek_spki_sha256: self.ek_spki_sha256, recorded: false })
        } else {
            Err(WrongSecret)
        }
    }
}

impl ActivatedKey {
    /// An activation that took place earlier, for verifying saved evidence again.
    ///
    /// It is exactly as trustworthy as the record that it is read from; nothing is proved here.
    #[must_use]
    pub const fn recorded(ak_name: Vec<u8>, ek_spki_sha256: Sha256Digest) -> Self {
        Self { ak_name, ek_spki_sha256, recorded: true }
    }

    /// Whether it is only a record, and was not checked here.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// The attestation key's Name: nameAlg and digest.
    #[must_use]
    pub fn ak_name(&self) -> &[u8] {
        &self.ak_name
    }

    /// SHA-256 of the endorsement key's SubjectPublicKeyInfo.
    #[must_use]
    pub const fn ek_spki_sha256(&self) -> Sha256Digest {
        self.ek_spki_sha256
    }
}
