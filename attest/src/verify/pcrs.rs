//! Checks 9 and 10: the quote covers what the policy needs, and the values are those that were quoted.

use super::{VerifyError, quote::Bound, report::Passed};
use crate::{
    hash::{Digest, HashAlgorithm},
    pcr_banks::PcrBanks,
    policy::{Platform, Policy},
    tpm::{Quote, quoted_pcrs::PcrMismatch},
};

/// Check 9 passed: the quote covers all PCRs of at least one platform.
///
/// `platform` is the one whose values are nearest. So far it is only the candidate to which the following checks are held,
/// and which [`super::allowed::check_policy`] accepts only if it matches in every value.
pub(super) struct Covered<'d, 'p> {
    bound: Bound<'d>,
    platform: &'p Platform,
    /// The digest of the given values, as the TPM would make it.
    actual: Digest,
}

/// Check 10 passed: the PCR values are the quoted ones.
pub(super) struct Known<'d, 'p> {
    pub(super) bound: Bound<'d>,
    pub(super) platform: &'p Platform,
}

impl<'d> Known<'d, '_> {
    pub(super) const fn values(&self) -> &'d PcrBanks {
        &self.bound.evidence.document.tpm.pcrs
    }

    /// The value of a PCR; zero for one that was not quoted, which checks 9 and 10 rule out for those that count.
    pub(super) fn value(&self, bank: HashAlgorithm, pcr: u8) -> Digest {
        self.values().get(bank, pcr).unwrap_or_else(|| Digest::filled(bank, 0))
    }
}

/// The quoted PCRs are not what they have to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PcrError {
    /// The quote covers a bank that we do not compute, or leaves SHA-256 out.
    #[error(
        "the quote covers PCR banks with the hash algorithms {banks:04x?}; it has to cover SHA-256 (0x000b), which holds the \
         launches, and may cover SHA-1, SHA-384 and SHA-512 beside it"
    )]
    BankNotSupported {
        /// The quoted banks (TCG Algorithm Registry).
        banks: Vec<u16>,
    },
    /// The quote covers a SHA-1 bank, and the platform names none.
    #[error(
        "the quote covers SHA-1 PCRs, and platform {platform:?} lists none; have the server quote SHA-256 alone, or, if its \
         firmware can do no better, list them under platform.pcrs.sha1"
    )]
    Sha1BankNotAllowed {
        /// The platform.
        platform: String,
    },
    /// A value is missing, or there is one too many.
    #[error(
        "PCR {pcr} of bank {bank} is {}; the evidence has to give exactly the quoted values",
        if *.quoted { "quoted but not given" } else { "given but not quoted" }
    )]
    SelectionMismatch {
        /// The bank.
        bank: HashAlgorithm,
        /// The PCR.
        pcr: u8,
        /// Whether it is quoted (and not given), or given (and not quoted).
        quoted: bool,
    },
    /// No platform of the policy has all its PCRs quoted.
    #[error(
        "the quote leaves out PCRs that the policy needs: {}",
        missing.iter().map(|(platform, bank, pcr)| format!("PCR {pcr} of bank {bank} for platform {platform:?}"))
            .collect::<Vec<_>>().join(", ")
    )]
    NotQuoted {
        /// For each platform the first PCR that is missing.
        missing: Vec<(String, HashAlgorithm, u8)>,
    },
    /// The values are not those that the TPM signed.
    #[error("the given PCR values hash to {actual}, but the quote has another PCR digest: a value was changed")]
    DigestMismatch {
        /// The digest of the given values.
        actual: Digest,
    },
}

/// Check 9: the PCR selection covers what the policy requires.
pub(super) fn check_selection<'d, 'p>(bound: Bound<'d>, policy: &'p Policy) -> Result<Passed<Covered<'d, 'p>>, VerifyError> {
    let given = &bound.evidence.document.tpm.pcrs;
    if bound.quote.pcrs(HashAlgorithm::Sha256).is_none() {
        return Err(PcrError::bank_not_supported(&bound.quote).into());
    }
    let values = bound.quote.quoted_values(given).map_err(|mismatch| PcrError::new(mismatch, &bound.quote))?;
    let platform = nearest_covered(policy, given)?;
    if given.bank(HashAlgorithm::Sha1).is_some() && platform.pcrs.bank(HashAlgorithm::Sha1).is_none() {
        return Err(PcrError::Sha1BankNotAllowed { platform: platform.name.clone() }.into());
    }
    let actual = bound.key.scheme().hash().digest(&values);
    let statement = format!("the quote covers {} PCRs, among them all that platform {:?} needs", values.len(), platform.name);
    Ok(Passed::new(9, "pcr_selection", statement, Covered { bound, platform, actual }))
}

impl PcrError {
    fn new(mismatch: PcrMismatch, quote: &Quote) -> Self {
        match mismatch {
            PcrMismatch::BankUnsupported { .. } => Self::bank_not_supported(quote),
            PcrMismatch::NotGiven { bank, pcr } => Self::SelectionMismatch { bank, pcr, quoted: true },
            PcrMismatch::NotQuoted { bank, pcr } => Self::SelectionMismatch { bank, pcr, quoted: false },
        }
    }

    fn bank_not_supported(quote: &Quote) -> Self {
        Self::BankNotSupported { banks: quote.selections.iter().map(|selection| selection.hash).collect() }
    }
}

fn nearest_covered<'p>(policy: &'p Policy, given: &PcrBanks) -> Result<&'p Platform, PcrError> {
    let covered = policy.platforms().iter().filter(|platform| missing(platform, given).is_none());
    covered.min_by_key(|platform| differing_pcrs(platform, given).count()).ok_or_else(|| {
        let missing = policy.platforms().iter().filter_map(|platform| {
            let (bank, pcr) = missing(platform, given)?;
            Some((platform.name.clone(), bank, pcr))
        });
        PcrError::NotQuoted { missing: missing.collect() }
    })
}

/// The first PCR that `platform` needs and that has no value.
fn missing(platform: &Platform, given: &PcrBanks) -> Option<(HashAlgorithm, u8)> {
    let launch_pcrs = [platform.application_pcr, platform.identity_pcr].map(|pcr| (HashAlgorithm::Sha256, pcr));
    let boot = platform.pcrs.iter().flat_map(|(bank, values)| values.keys().map(move |pcr| (bank, *pcr)));
    boot.chain(launch_pcrs).find(|(bank, pcr)| given.get(*bank, *pcr).is_none())
}

/// The PCRs whose value is not the platform's, with that value; by bank, in ascending order.
pub(super) fn differing_pcrs<'a>(platform: &'a Platform, given: &'a PcrBanks) -> impl Iterator<Item = (u8, Digest)> + 'a {
    let values = platform.pcrs.iter().flat_map(|(_, values)| values);
    let differs = |(pcr, value): &(&u8, &Digest)| given.get(value.algorithm(), **pcr) != Some(**value);
    values.filter(differs).map(|(pcr, value)| (*pcr, *value))
}

/// Check 10: the quote's PCR digest is that of the given values, under the signature scheme's hash (TPM 2.0 Library, Part 3,
/// section 18.4).
pub(super) fn check_digest<'d, 'p>(covered: Covered<'d, 'p>) -> Result<Passed<Known<'d, 'p>>, VerifyError> {
    let Covered { bound, platform, actual } = covered;
    if bound.quote.pcr_digest != actual.as_bytes() {
        return Err(PcrError::DigestMismatch { actual }.into());
    }
    let statement = format!("the PCR values are the quoted ones, with digest {actual}");
    Ok(Passed::new(10, "pcr_digest", statement, Known { bound, platform }))
}
