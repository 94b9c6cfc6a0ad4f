//! Check 4: the attestation key is fit.

use super::{VerifyError, document::Fresh, report::Passed};
use crate::tpm::AttestationKey;

/// Check 4 passed: a restricted signing key.
pub(super) struct Fit<'d> {
    pub(super) evidence: &'d Fresh<'d>,
    pub(super) key: AttestationKey,
}

/// Check 4: `ak_public` is a restricted signing key of its TPM.
pub(super) fn parse<'d>(evidence: &'d Fresh<'d>) -> Result<Passed<Fit<'d>>, VerifyError> {
    let key = AttestationKey::parse(&evidence.document.tpm.ak_public.0)?;
    let statement = format!("the attestation key {} can sign only what its TPM made itself", key.name());
    Ok(Passed::new(4, "attestation_key", statement, Fit { evidence, key }))
}
