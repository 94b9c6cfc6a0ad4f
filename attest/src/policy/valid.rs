//! A policy that makes sense.

use std::{collections::BTreeSet, ops::RangeInclusive, time::Duration};

use super::{Platform, PolicyDocument, PolicyError, Release, TrustedAk};
use crate::{hash::HashAlgorithm, tpm::Name};

/// The version of the policy format that this crate reads and writes.
const VERSION: u32 = 1;
const EVIDENCE_AGE_SECONDS: RangeInclusive<u32> = 1..=600;
const REATTEST_SECONDS: RangeInclusive<u32> = 1..=86_400;
/// PCRs 0 to 7 belong to the firmware, and 16 to 23 can be reset without a reboot.
const LAUNCH_PCRS: RangeInclusive<u8> = 8..=15;

/// A valid policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(PolicyDocument);

/// A check that the user chose to weaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weakening {
    /// `allow_software_tpm`.
    SoftwareTpm,
    /// `allow_self_reported`.
    SelfReported,
    /// `any_machine`.
    AnyMachine,
}

impl Weakening {
    /// The policy's key.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SoftwareTpm => "allow_software_tpm",
            Self::SelfReported => "allow_self_reported",
            Self::AnyMachine => "any_machine",
        }
    }

    /// What the weakening means, in plain words.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::SoftwareTpm => "allow_software_tpm: the TPM is a program; it proves nothing about the hardware",
            Self::SelfReported => {
                "allow_self_reported: the gateway measures itself; whoever is root on its machine could make it claim anything"
            }
            Self::AnyMachine => "any_machine: whoever owns a TPM that the authority certifies can answer",
        }
    }
}

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] names the key, its value and what belongs there.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        PolicyDocument::parse(text)?.try_into()
    }

    /// How long a verdict is used before the peer has to attest again.
    #[must_use]
    pub const fn reattest_after(&self) -> Duration {
        Duration::from_secs(self.0.reattest_after_seconds as u64)
    }

    /// The oldest evidence accepted, from sending the nonce to the verdict.
    #[must_use]
    pub const fn max_evidence_age(&self) -> Duration {
        Duration::from_secs(self.0.max_evidence_age_seconds as u64)
    }

    /// The weakenings that are switched on; every output has to name them.
    #[must_use]
    pub fn weakenings(&self) -> Vec<Weakening> {
        let switches = [
            (self.0.weakening.allow_software_tpm, Weakening::SoftwareTpm),
            (self.0.weakening.allow_self_reported, Weakening::SelfReported),
            (self.0.weakening.any_machine, Weakening::AnyMachine),
        ];
        switches.into_iter().filter_map(|(on, weakening)| on.then_some(weakening)).collect()
    }

    /// Whether `weakening` is switched on.
    #[must_use]
    pub fn allows(&self, weakening: Weakening) -> bool {
        self.weakenings().contains(&weakening)
    }

    /// The pinned key of that name.
    #[must_use]
    pub fn trusted_ak(&self, name: Name) -> Option<&TrustedAk> {
        self.0.trusted_ak.iter().find(|ak| ak.name == name)
    }

    /// The allowed platforms; at least one.
    #[must_use]
    pub fn platforms(&self) -> &[Platform] {
        &self.0.platform
    }

    /// The allowed releases; at least one.
    #[must_use]
    pub fn releases(&self) -> &[Release] {
        &self.0.release
    }
}

impl TryFrom<PolicyDocument> for Policy {
    type Error = PolicyError;

    fn try_from(document: PolicyDocument) -> Result<Self, PolicyError> {
        check_numbers(&document)?;
        check_list("trusted_ak", document.trusted_ak.iter().map(|ak| ak.name.to_string()))?;
        check_list("platform", document.platform.iter().map(|platform| platform.name.clone()))?;
        check_list("release", document.release.iter().map(|release| release.name.clone()))?;
        for (index, ak) in document.trusted_ak.iter().enumerate() {
            require(!ak.machine.is_empty(), || format!("trusted_ak[{index}].machine"), &"empty", "each machine has a name")?;
        }
        for (index, platform) in document.platform.iter().enumerate() {
            check_platform(&format!("platform[{index}]"), platform)?;
        }
        Ok(Self(document))
    }
}

fn require(
    holds: bool,
    path: impl FnOnce() -> String,
    found: &dyn std::fmt::Display,
    expected: &'static str,
) -> Result<(), PolicyError> {
    if holds { Ok(()) } else { Err(PolicyError::Value { path: path(), found: found.to_string(), expected }) }
}

fn check_numbers(document: &PolicyDocument) -> Result<(), PolicyError> {
    let PolicyDocument { version, max_evidence_age_seconds: age, reattest_after_seconds: reattest, .. } = document;
    require(*version == VERSION, || "version".to_owned(), version, "this program reads version 1")?;
    let age_key = || "max_evidence_age_seconds".to_owned();
    require(EVIDENCE_AGE_SECONDS.contains(age), age_key, age, "it has to be 1 to 600")?;
    let reattest_key = || "reattest_after_seconds".to_owned();
    require(REATTEST_SECONDS.contains(reattest), reattest_key, reattest, "it has to be 1 to 86400")
}

fn check_list(key: &str, names: impl Iterator<Item = String>) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        let path = || format!("{key}[{index}].name");
        require(!name.is_empty(), path, &"empty", "each entry has a name")?;
        require(seen.insert(name.clone()), path, &format!("{name:?} again"), "each name may be used once")?;
    }
    require(!seen.is_empty(), || key.to_owned(), &"an empty list", "nothing could ever be accepted: at least one is needed")
}

fn check_platform(path: &str, platform: &Platform) -> Result<(), PolicyError> {
    let Platform { application_pcr, identity_pcr, pcrs, .. } = platform;
    let listed = |pcr: u8| pcrs.get(HashAlgorithm::Sha256, pcr).is_some();
    for (key, pcr) in [("application_pcr", application_pcr), ("identity_pcr", identity_pcr)] {
        let path = || format!("{path}.{key}");
        let expected = "it has to be 8 to 15: lower ones are the firmware's, higher ones resettable";
        require(LAUNCH_PCRS.contains(pcr), path, pcr, expected)?;
        let expected = "pcrs.sha256 must not list it: its value differs with each launch, and releases pin what it holds";
        require(!listed(*pcr), path, pcr, expected)?;
    }
    let identity_key = || format!("{path}.identity_pcr");
    require(application_pcr != identity_pcr, identity_key, identity_pcr, "application_pcr is the same")?;
    if let Some(missing) = (0..=7).find(|pcr| !listed(*pcr)) {
        let found = format!("without PCR {missing}");
        require(false, || format!("{path}.pcrs.sha256"), &found, "PCRs 0 to 7 have to be listed at least")?;
    }
    check_firmware_log_pcrs(path, platform)
}

fn check_firmware_log_pcrs(path: &str, platform: &Platform) -> Result<(), PolicyError> {
    let bank = platform.firmware_log_bank();
    let mut seen = BTreeSet::new();
    for (index, pcr) in platform.firmware_log_pcrs.iter().enumerate() {
        let path = || format!("{path}.firmware_log_pcrs[{index}]");
        let listed = platform.pcrs.get(bank, *pcr).is_some();
        require(listed, path, pcr, "platform.pcrs does not list that PCR in firmware_log_bank")?;
        require(seen.insert(*pcr), path, pcr, "it is listed before")?;
    }
    Ok(())
}
