//! Whether evidence needs a credential activation before it can be judged, and the activation itself.

use super::{
    UnixTime, VerifyError, attestation_key, document,
    report::Report,
    trust::{Certificates, TrustError, find_trust},
};
use crate::{
    credential::{
        ActivationRequest, Challenge, CredentialError, CredentialRandomness, EndorsementKey, UnsupportedEndorsementKey,
    },
    digest::Sha256Digest,
    nonce::Nonce,
    policy::Policy,
    tpm::Name,
};

/// An attestation key that only an activation can tie to its certified endorsement key.
#[derive(Debug)]
pub struct ActivationNeeded {
    ak_name: Name,
    endorsement_key: EndorsementKey,
    ek_spki_sha256: Sha256Digest,
}

/// Looks whether the policy trusts this evidence's attestation key only through its endorsement key.
///
/// This is no verdict: whatever it says, [`super::verify`] has the last word.
///
/// # Errors
/// What [`super::verify`] would refuse too: checks 1 to 4, and certificates that lead nowhere.
pub fn activation_needed(
    document: &[u8],
    policy: &Policy,
    nonce: &Nonce,
    now: UnixTime,
) -> Result<Option<ActivationNeeded>, VerifyError> {
    let mut report = Report::default();
    let parsed = report.add(document::parse(document)?);
    let current = report.add(document::check_version(parsed)?);
    let fresh = report.add(document::check_nonce(current, nonce)?);
    let fit = report.add(attestation_key::parse(&fresh)?);
    let certificates = Certificates::parse(&fresh.document.tpm)?;
    match find_trust(&fit.key, &certificates, policy, None, now) {
        Ok(_) => Ok(None),
        Err(TrustError::NotActivated { name }) => needed(name, &certificates).map_err(VerifyError::from),
        Err(error) => Err(error.into()),
    }
}

fn needed(ak_name: Name, certificates: &Certificates) -> Result<Option<ActivationNeeded>, TrustError> {
    let Some(certificate) = certificates.endorsement_key() else { return Ok(None) };
    let endorsement_key = EndorsementKey::from_certificate(certificate)
        .map_err(|UnsupportedEndorsementKey { .. }| TrustError::NotActivated { name: ak_name })?;
    Ok(Some(ActivationNeeded { ak_name, endorsement_key, ek_spki_sha256: certificate.spki_sha256() }))
}

impl ActivationNeeded {
    /// The attestation key's Name.
    #[must_use]
    pub const fn ak_name(&self) -> Name {
        self.ak_name
    }

    /// SHA-256 of the endorsement key's SubjectPublicKeyInfo.
    #[must_use]
    pub const fn ek_spki_sha256(&self) -> Sha256Digest {
        self.ek_spki_sha256
    }

    /// Encrypts `secret` so that only a TPM with both keys gives it back.
    ///
    /// # Errors
    /// [`CredentialError`]: draw other randomness.
    pub fn challenge(
        &self,
        secret: [u8; 32],
        randomness: CredentialRandomness,
    ) -> Result<(Challenge, ActivationRequest), CredentialError> {
        Challenge::new(&self.endorsement_key, self.ak_name.as_bytes(), secret, randomness)
    }
}
