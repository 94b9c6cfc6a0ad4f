//! Checks 9 and 10: the quote covers what the policy needs, and the values are those that were quoted.

use std::collections::{BTreeMap, BTreeSet};

use super::{VerifyError, quote::Bound, report::Passed};
use crate::{
    digest::Sha256Digest,
    policy::{Platform, Policy},
};

/// Check 9 passed: the quote covers all PCRs of at least one platform.
///
/// `platform` is the one whose values are nearest. So far it is only the candidate to which the following checks are held,
/// and which [`super::allowed::check_policy`] accepts only if it matches in every value.
pub(super) struct Covered<'d, 'p> {
    bound: Bound<'d, 'p>,
    platform: &'p Platform,
}

/// Check 10 passed: the PCR values are the quoted ones.
pub(super) struct Known<'d, 'p> {
    pub(super) bound: Bound<'d, 'p>,
    pub(super) platform: &'p Platform,
}

impl<'d> Known<'d, '_> {
    pub(super) const fn values(&self) -> &'d BTreeMap<u8, Sha256Digest> {
        &self.bound.evidence.document.tpm.pcrs.sha256
    }
}

/// The quoted PCRs are not what they have to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PcrError {
    /// The quote covers other banks.
    #[error("the quote does not cover exactly one bank, SHA-256; the server has to quote that bank alone")]
    BankNotSupported,
    /// A value is missing, or there is one too many.
    #[error(
        "PCR {pcr} is {}; the evidence has to give exactly the quoted values",
        if *.quoted { "quoted, but its value is not given" } else { "given, but not quoted" }
    )]
    SelectionMismatch {
        /// The PCR.
        pcr: u8,
        /// Whether it is quoted (and not given), or given (and not quoted).
        quoted: bool,
    },
    /// No platform of the policy has all its PCRs quoted.
    #[error(
        "the quote leaves out PCRs that the policy needs: {}",
        missing.iter().map(|(platform, pcr)| format!("PCR {pcr} for platform {platform:?}")).collect::<Vec<_>>().join(", ")
    )]
    NotQuoted {
        /// For each platform the first PCR that is missing.
        missing: Vec<(String, u8)>,
    },
    /// The values are not those that the TPM signed.
    #[error("the given PCR values hash to {actual}, but the quote has another PCR digest: a value was changed")]
    DigestMismatch {
        /// The digest of the given values.
        actual: Sha256Digest,
    },
}

/// Check 9: the PCR selection covers what the policy requires.
pub(super) fn check_selection<'d, 'p>(bound: Bound<'d, 'p>, policy: &'p Policy) -> Result<Passed<Covered<'d, 'p>>, VerifyError> {
    let quoted = bound.quote.sha256_pcrs().ok_or(PcrError::BankNotSupported)?;
    let given = &bound.evidence.document.tpm.pcrs.sha256;
    if let Some(pcr) = quoted.iter().find(|pcr| !given.contains_key(pcr)) {
        return Err(PcrError::SelectionMismatch { pcr: *pcr, quoted: true }.into());
    }
    if let Some(pcr) = given.keys().find(|pcr| !quoted.contains(pcr)) {
        return Err(PcrError::SelectionMismatch { pcr: *pcr, quoted: false }.into());
    }
    let platform = nearest_covered(policy, quoted, given)?;
    let statement = format!("the quote covers {} PCRs, among them all that platform {:?} needs", quoted.len(), platform.name);
    Ok(Passed::new(9, "pcr_selection", statement, Covered { bound, platform }))
}

fn nearest_covered<'p>(
    policy: &'p Policy,
    quoted: &BTreeSet<u8>,
    given: &BTreeMap<u8, Sha256Digest>,
) -> Result<&'p Platform, PcrError> {
    let missing = |platform: &Platform| {
        let launch_pcrs = [platform.application_pcr, platform.identity_pcr];
        platform.pcrs.sha256.keys().copied().chain(launch_pcrs).find(|pcr| !quoted.contains(pcr))
    };
    let covered = policy.platforms().iter().filter(|platform| missing(platform).is_none());
    covered.min_by_key(|platform| differing_pcrs(platform, given).count()).ok_or_else(|| PcrError::NotQuoted {
        missing: policy.platforms().iter().filter_map(|platform| Some((platform.name.clone(), missing(platform)?))).collect(),
    })
}

/// The PCRs whose value is not the platform's, in ascending order.
pub(super) fn differing_pcrs<'a>(
    platform: &'a Platform,
    given: &'a BTreeMap<u8, Sha256Digest>,
) -> impl Iterator<Item = (u8, Sha256Digest)> + 'a {
    let values = platform.pcrs.sha256.iter();
    values.filter(|(pcr, value)| given.get(pcr) != Some(value)).map(|(pcr, value)| (*pcr, *value))
}

/// Check 10: the quote's PCR digest is that of the given values, in ascending order, under the signature scheme's hash.
pub(super) fn check_digest<'d, 'p>(covered: Covered<'d, 'p>) -> Result<Passed<Known<'d, 'p>>, VerifyError> {
    let Covered { bound, platform } = covered;
    let values: Vec<&[u8]> = bound.evidence.document.tpm.pcrs.sha256.values().map(|value| value.as_bytes().as_slice()).collect();
    let actual = Sha256Digest::of(&values);
    if bound.quote.pcr_digest != actual.as_bytes() {
        return Err(PcrError::DigestMismatch { actual }.into());
    }
    let statement = format!("the PCR values are the quoted ones, with digest {actual}");
    Ok(Passed::new(10, "pcr_digest", statement, Known { bound, platform }))
}
