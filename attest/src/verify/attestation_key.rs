//! Checks 4 and 5: the attestation key is fit, and trusted.

use super::{VerifyError, document::Fresh, report::Passed};
use crate::{
    policy::{Policy, TpmKind, TrustedAk, Weakening},
    tpm::{AttestationKey, Name},
};

/// Check 4 passed: a restricted signing key.
pub(super) struct Fit<'d> {
    evidence: &'d Fresh<'d>,
    key: AttestationKey,
}

/// Check 5 passed: a key that the policy trusts.
pub(super) struct Trusted<'d, 'p> {
    pub(super) evidence: &'d Fresh<'d>,
    pub(super) key: AttestationKey,
    pub(super) ak: &'p TrustedAk,
}

/// The attestation key is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There are certificates, which nothing checks yet.
    #[error(
        "the evidence carries {found} certificates, which this version cannot check and therefore refuses; the server \
         has to leave them out"
    )]
    CertificatesNotSupported {
        /// How many.
        found: usize,
    },
    /// The policy does not pin the key.
    #[error(
        "the attestation key {name} is none of the policy's; if you trust that machine, add a [[trusted_ak]] with this name, \
         and if you do not know it, somebody else answered"
    )]
    NotTrusted {
        /// The key's Name.
        name: Name,
    },
    /// The policy pins the key as a software TPM's, and does not allow those.
    #[error(
        "the attestation key {name} of {machine:?} belongs to a software TPM, which proves nothing about hardware; for \
         development, set allow_software_tpm = true"
    )]
    SoftwareTpmNotAllowed {
        /// The key's Name.
        name: Name,
        /// The machine, as the policy names it.
        machine: String,
    },
}

/// Check 4: `ak_public` is a restricted signing key of its TPM.
pub(super) fn parse<'d>(evidence: &'d Fresh<'d>) -> Result<Passed<Fit<'d>>, VerifyError> {
    let key = AttestationKey::parse(&evidence.document.tpm.ak_public.0)?;
    let statement = format!("the attestation key {} can sign only what its TPM made itself", key.name());
    Ok(Passed::new(4, "attestation_key", statement, Fit { evidence, key }))
}

/// Check 5: the policy pins the key by name.
pub(super) fn check_trust<'d, 'p>(fit: Fit<'d>, policy: &'p Policy) -> Result<Passed<Trusted<'d, 'p>>, VerifyError> {
    let Fit { evidence, key } = fit;
    let tpm = &evidence.document.tpm;
    let certificates = tpm.ak_certificates.len().saturating_add(tpm.ek_certificates.len());
    if certificates > 0 {
        return Err(TrustError::CertificatesNotSupported { found: certificates }.into());
    }
    let name = key.name();
    let ak = policy.trusted_ak(name).ok_or(TrustError::NotTrusted { name })?;
    if ak.kind == TpmKind::Software && !policy.allows(Weakening::SoftwareTpm) {
        return Err(TrustError::SoftwareTpmNotAllowed { name, machine: ak.machine.clone() }.into());
    }
    let statement = format!("the policy pins that key as {:?}, a {} TPM", ak.machine, ak.kind);
    Ok(Passed::new(5, "trust", statement, Trusted { evidence, key, ak }))
}
