//! Checks 11 and 12: the logs explain the PCRs.

use super::{VerifyError, pcrs::Known, report::Passed};
use crate::{
    application::{ApplicationLog, Launches},
    evidence::encoding::Base64Bytes,
    firmware::{FirmwareLog, FirmwareLogError},
    hash::{Digest, HashAlgorithm},
    policy::Platform,
};

/// Check 11 passed: the boot logs explain what the platform wants explained.
pub(super) struct Booted<'d, 'p>(Known<'d, 'p>);

/// Check 12 passed: a well-formed, sealed log of launches explains the application's PCRs.
pub(super) struct Launched<'d, 'p> {
    pub(super) known: Known<'d, 'p>,
    pub(super) launches: Launches,
}

/// The boot logs do not explain the boot PCRs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootLogError {
    /// There is a log of systemd, which nothing checks yet.
    #[error(
        "the evidence carries systemd's measurement log, which this version cannot check and therefore refuses; the \
         server has to leave it out"
    )]
    SystemdLogNotSupported,
    /// The platform wants no firmware log.
    #[error(
        "the evidence carries a firmware log, but platform {platform:?} has no firmware_log_pcrs to hold it to; list the \
         PCRs that it explains, or have the server leave it out"
    )]
    FirmwareLogNotExpected {
        /// The platform.
        platform: String,
    },
    /// The platform wants a firmware log.
    #[error(
        "the evidence carries no firmware log, but platform {platform:?} wants PCRs {pcrs:?} explained; the server has to send it"
    )]
    FirmwareLogMissing {
        /// The platform.
        platform: String,
        /// The PCRs.
        pcrs: Vec<u8>,
    },
    /// The firmware log is of no use.
    #[error(transparent)]
    FirmwareLog(#[from] FirmwareLogError),
    /// The firmware log leads to another value.
    #[error("the firmware log replays PCR {pcr} to {replayed}, but {quoted} is quoted: the log was changed or is incomplete")]
    FirmwareLogMismatch {
        /// The PCR.
        pcr: u8,
        /// What the log leads to.
        replayed: Digest,
        /// What the TPM says.
        quoted: Digest,
    },
}

/// The application log leads to another value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the application log replays PCR {pcr} to {replayed}, but {quoted} is quoted: the log was changed, or something else \
     extended that PCR; only a reboot of the server makes it clean again"
)]
pub struct ApplicationLogMismatch {
    /// The PCR.
    pub pcr: u8,
    /// What the log leads to.
    pub replayed: Digest,
    /// What the TPM says.
    pub quoted: Digest,
}

/// Check 11: the firmware log replays to the PCRs that the platform wants explained.
pub(super) fn check_boot_logs<'d, 'p>(known: Known<'d, 'p>) -> Result<Passed<Booted<'d, 'p>>, VerifyError> {
    let logs = &known.bound.evidence.document.event_log;
    if logs.systemd.is_some() {
        return Err(BootLogError::SystemdLogNotSupported.into());
    }
    let platform = known.platform;
    let statement = match (&logs.firmware, platform.firmware_log_pcrs.as_slice()) {
        (None, []) => format!("platform {:?} wants no PCR explained by a firmware log, and there is none", platform.name),
        (Some(log), [_, ..]) => check_firmware_log(log, &known)?,
        (Some(_), []) => return Err(BootLogError::FirmwareLogNotExpected { platform: platform.name.clone() }.into()),
        (None, pcrs) => return Err(missing_log(platform, pcrs).into()),
    };
    Ok(Passed::new(11, "firmware_log", statement, Booted(known)))
}

fn missing_log(platform: &Platform, pcrs: &[u8]) -> BootLogError {
    BootLogError::FirmwareLogMissing { platform: platform.name.clone(), pcrs: pcrs.to_vec() }
}

fn check_firmware_log(log: &Base64Bytes, known: &Known<'_, '_>) -> Result<String, BootLogError> {
    let log = FirmwareLog::parse(&log.0)?;
    let bank = log.require_bank(known.platform.firmware_log_bank())?;
    let pcrs = &known.platform.firmware_log_pcrs;
    for pcr in pcrs {
        let (replayed, quoted) = (bank.replay(*pcr), known.value(bank.algorithm(), *pcr));
        if quoted != replayed {
            return Err(BootLogError::FirmwareLogMismatch { pcr: *pcr, replayed, quoted });
        }
    }
    let events = log.events().iter().filter(|event| event.extends()).count();
    Ok(format!("{events} events of the firmware log explain PCRs {pcrs:?}"))
}

/// Check 12: the application log replays to its PCRs, is well-formed and sealed.
pub(super) fn check_application_log<'d, 'p>(booted: Booted<'d, 'p>) -> Result<Passed<Launched<'d, 'p>>, VerifyError> {
    let Booted(known) = booted;
    let pcrs = known.platform.launch_pcrs();
    let events = &known.bound.evidence.document.event_log.application;
    let log = ApplicationLog::new(events, pcrs)?;
    for (pcr, replayed) in log.replay() {
        let (replayed, quoted) = (replayed.into(), known.value(HashAlgorithm::Sha256, pcr));
        if quoted != replayed {
            return Err(ApplicationLogMismatch { pcr, replayed, quoted }.into());
        }
    }
    let launches = log.launches()?;
    let statement = format!(
        "{} events of the application log explain PCRs {} and {}; the last of {} launches is sealed",
        events.len(),
        pcrs.application.pcr,
        pcrs.identity.pcr,
        launches.earlier.len().saturating_add(1)
    );
    Ok(Passed::new(12, "application_log", statement, Launched { known, launches }))
}
