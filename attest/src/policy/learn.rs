//! A policy that allows what a server shows now: a draft for review.
//!
//! Nothing is believed here. Whoever learns a policy verifies the very evidence against it, and drops it if that fails: then
//! the evidence contradicts itself, and no policy could allow it.

use super::{
    ApplicationMeasurements, Certifies, Machine, Platform, PolicyDocument, Release, ReleaseStatus, TpmKind, TrustedAk,
    TrustedRoot, WeakeningSwitches,
};
use crate::{
    application::{ApplicationLog, ApplicationLogError, Event, LaunchPcr, LaunchPcrs, Launches, LoggedEvent, Parts},
    digest::Sha256Digest,
    evidence::{EvidenceDocument, encoding::Base64Bytes},
    firmware::{FirmwareLog, FirmwareLogError},
    hash::{Digest, HashAlgorithm},
    pcr_banks::PcrBanks,
    tpm::{AkError, AttestationKey, Name},
};

const MAX_EVIDENCE_AGE_SECONDS: u32 = 30;
const REATTEST_AFTER_SECONDS: u32 = 300;

/// What the learned entries are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedNames {
    /// The machine.
    pub machine: String,
    /// Its boot state.
    pub platform: String,
    /// What it runs.
    pub release: String,
}

/// Whom the learned policy trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LearnedTrust {
    /// The attestation key by its name, as a software TPM's: nothing shows that it is more.
    PinnedKey,
    /// This authority, for this machine alone; its own list of machines is replaced.
    Authority(TrustedRoot),
}

/// The evidence does not say what a policy needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    /// The attestation key is none.
    #[error(transparent)]
    AttestationKey(#[from] AkError),
    /// There is no certificate that the authority could have made.
    #[error("the evidence carries no certificate of its {certifies}, so no authority can vouch for it")]
    NoCertificate {
        /// What the authority certifies.
        certifies: Certifies,
    },
    /// The firmware log cannot be read.
    #[error(transparent)]
    FirmwareLog(#[from] FirmwareLogError),
    /// The log begins with something other than a launch.
    #[error("the application log does not begin with a launch; wait until the gateway is ready")]
    NoLaunch,
    /// The application log is none.
    #[error(transparent)]
    ApplicationLog(#[from] ApplicationLogError),
}

/// Writes the policy that allows exactly what `document` shows, at its first revision, and says that it proves little:
/// application measurements are self-reported, which no evidence can refute.
///
/// # Errors
/// [`LearnError`]: the evidence does not say what a policy needs.
pub fn learn(document: &EvidenceDocument, names: LearnedNames, trust: LearnedTrust) -> Result<PolicyDocument, LearnError> {
    let LearnedNames { machine, platform, release } = names;
    let kind = match &trust {
        LearnedTrust::PinnedKey => TpmKind::Software,
        LearnedTrust::Authority(root) => root.kind,
    };
    let ak_name = AttestationKey::parse(&document.tpm.ak_public.0)?.name();
    let (trusted_ak, trusted_root) = match trust {
        LearnedTrust::PinnedKey => (vec![TrustedAk { name: ak_name, machine, kind }], Vec::new()),
        LearnedTrust::Authority(root) => (Vec::new(), vec![certified_machine(document, machine, ak_name, root)?]),
    };
    let platform = learn_platform(document, platform)?;
    let release = learn_releases(&document.event_log.application, platform.launch_pcrs(), &release)?;
    Ok(PolicyDocument {
        version: 1,
        revision: Some(1),
        max_evidence_age_seconds: MAX_EVIDENCE_AGE_SECONDS,
        reattest_after_seconds: REATTEST_AFTER_SECONDS,
        weakening: WeakeningSwitches {
            allow_software_tpm: kind == TpmKind::Software,
            allow_self_reported: true,
            any_machine: false,
        },
        trusted_ak,
        trusted_root,
        platform: vec![platform],
        release,
    })
}

fn certified_machine(
    document: &EvidenceDocument,
    name: String,
    ak_name: Name,
    root: TrustedRoot,
) -> Result<TrustedRoot, LearnError> {
    let certifies = root.certifies;
    let leaf = match certifies {
        Certifies::AttestationKey => document.tpm.ak_certificates.first(),
        Certifies::EndorsementKey => document.tpm.ek_certificates.first(),
    };
    let Base64Bytes(leaf) = leaf.ok_or(LearnError::NoCertificate { certifies })?;
    let machine = match certifies {
        Certifies::AttestationKey => Machine { name, ak_name: Some(ak_name), ek_sha256: None, certificate_sha256: None },
        Certifies::EndorsementKey => {
            let certificate_sha256 = Some(Sha256Digest::of(&[leaf]));
            Machine { name, ak_name: None, ek_sha256: None, certificate_sha256 }
        }
    };
    Ok(TrustedRoot { machine: vec![machine], ..root })
}

fn learn_platform(document: &EvidenceDocument, name: String) -> Result<Platform, LearnError> {
    let quoted = &document.tpm.pcrs;
    let log = document.event_log.firmware.as_ref().map(|log| FirmwareLog::parse(&log.0)).transpose()?;
    let events = &document.event_log.application;
    let (application_pcr, identity_pcr) = launch_pcrs(events)?;
    let start = |pcr| launch_start(pcr, events, quoted, log.as_ref());
    let mut pcrs = quoted.clone();
    for (bank, _) in quoted.iter() {
        for pcr in [application_pcr, identity_pcr] {
            pcrs.remove(bank, pcr);
        }
    }
    Ok(Platform {
        name,
        application_measurements: ApplicationMeasurements::SelfReported,
        application_pcr,
        application_pcr_start: start(application_pcr),
        identity_pcr,
        identity_pcr_start: start(identity_pcr),
        firmware_log_pcrs: log.map(|log| explained(&log, &pcrs)).unwrap_or_default(),
        firmware_log_bank: None,
        pcrs,
    })
}

/// Where the gateway measures: a launch begins in the application's PCR, then in that of its identity.
fn launch_pcrs(events: &[LoggedEvent]) -> Result<(u8, u8), LearnError> {
    let begin = |event: &LoggedEvent| matches!(event.event, Event::LaunchBegin(_)).then_some(event.pcr);
    let mut pcrs = events.iter().map_while(begin);
    pcrs.next().zip(pcrs.next()).ok_or(LearnError::NoLaunch)
}

/// The value at which the application log begins: what the boot loader left there, if that is what explains the quote.
fn launch_start(pcr: u8, events: &[LoggedEvent], quoted: &PcrBanks, log: Option<&FirmwareLog>) -> Option<Sha256Digest> {
    let quoted = quoted.get(HashAlgorithm::Sha256, pcr)?;
    let start = log?.replay(HashAlgorithm::Sha256, pcr)?.as_sha256()?;
    let explains = |start| Digest::from(LaunchPcr { pcr, start }.replay(events)) == quoted;
    (start != Sha256Digest::ZERO && explains(start)).then_some(start)
}

/// The pinned PCRs to whose value the log leads.
fn explained(log: &FirmwareLog, pcrs: &PcrBanks) -> Vec<u8> {
    let bank = pcrs.bank(HashAlgorithm::Sha256).into_iter().flatten();
    bank.filter(|(pcr, value)| log.replay(HashAlgorithm::Sha256, **pcr) == Some(**value)).map(|(pcr, _)| *pcr).collect()
}

fn learn_releases(events: &[LoggedEvent], pcrs: LaunchPcrs, name: &str) -> Result<Vec<Release>, LearnError> {
    let Launches { earlier, last } = ApplicationLog::new(events, pcrs)?.launches()?;
    let mut releases = vec![Release::new(name.to_owned(), ReleaseStatus::Serving, last.parts)];
    // One that was cut off is a prefix of a release: of one that is listed, or the verification against this policy says so.
    let complete = earlier.into_iter().enumerate().filter_map(|(index, launch)| Some((index, launch.parts.complete().ok()?)));
    for (index, parts) in complete {
        let known = |release: &Release| release.parts() == parts;
        if !releases.iter().any(known) {
            releases.push(earlier_release(name, index, parts));
        }
    }
    Ok(releases)
}

fn earlier_release(name: &str, index: usize, parts: Parts<Sha256Digest>) -> Release {
    let number = index.saturating_add(1);
    Release::new(format!("{name}, launch {number} since boot"), ReleaseStatus::Past, parts)
}
