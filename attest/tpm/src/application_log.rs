//! The log of what was measured since boot, kept beside the PCRs that prove it.

mod store;

use std::{
    io,
    path::{Path, PathBuf},
};

use blindllama_attest::{
    application::{Event, InvalidEvent, LaunchPcrs, LoggedEvent},
    digest::Sha256Digest,
    evidence::MAX_APPLICATION_EVENTS,
};

use crate::{Tpm, TpmError};
use store::Store;

/// The application log could not be opened or continued.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another process holds the log.
    #[error("another gateway is running with this TPM's log ({path:?})")]
    InUse {
        /// The log.
        path: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("cannot use the application log {path:?}: {source}")]
    File {
        /// The log.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// A line is no event, or its digest is not that of its content.
    #[error("line {line} of the application log {path:?} was not written by a gateway: {reason}. {REBOOT}")]
    Malformed {
        /// The log.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The PCRs hold something that the log does not explain.
    #[error(
        "PCRs {application_pcr} and {identity_pcr} are not what the application log {path:?} says: the log was altered or \
         lost, or other software extended them. {REBOOT}"
    )]
    Unexplained {
        /// The log.
        path: PathBuf,
        /// The application's PCR.
        application_pcr: u8,
        /// The identity's PCR.
        identity_pcr: u8,
    },
    /// The log is older than the PCRs.
    #[error(
        "the TPM was reset after the application log {path:?} was written, which normally ends with a reboot: remove the \
         log and start again"
    )]
    TpmReset {
        /// The log.
        path: PathBuf,
    },
    /// The log is about PCRs that no quote covers.
    #[error("PCR {pcr} holds the application log but is not among the quoted PCRs: add it to their list")]
    NotQuoted {
        /// The PCR.
        pcr: u8,
    },
    /// Verifiers read no longer logs.
    #[error(
        "the application log {path:?} has {events} events, and verifiers read at most {MAX_APPLICATION_EVENTS}: the gateway was started \
         hundreds of times since the last boot. {REBOOT}"
    )]
    Full {
        /// The log.
        path: PathBuf,
        /// How many there are.
        events: usize,
    },
    /// Application and identity share a PCR.
    #[error("application and identity must have a PCR each, but both are set to {pcr}")]
    SharedPcr {
        /// The PCR.
        pcr: u8,
    },
    /// An earlier append failed, so log and PCR may differ until the log is opened again.
    #[error("an earlier event could not be recorded: restart the gateway")]
    Interrupted,
    /// The event has no canonical form.
    #[error(transparent)]
    Event(#[from] InvalidEvent),
    /// The TPM failed.
    #[error(transparent)]
    Tpm(#[from] TpmError),
}

/// A launch that would make the log too long is not begun.
const EVENTS_OF_A_LAUNCH: usize = 12;

const REBOOT: &str = "Only a reboot, which resets the TPM, makes the PCRs usable again";

/// The log of one boot, locked for this process and known to agree with the TPM.
///
/// It blocks, and must not be used from an async task. It lives where a reboot removes it, as a reboot resets the PCRs.
pub struct ApplicationLog {
    tpm: Tpm,
    store: Store,
    entries: Vec<LoggedEvent>,
    pcrs: LaunchPcrs,
    interrupted: bool,
}

impl ApplicationLog {
    /// Opens or begins the log at `path`, takes its lock and compares it with the PCRs, which held `pcrs`' start values before
    /// the first launch.
    ///
    /// An event is written before its PCR is extended. So if the last one is not in its PCR, the gateway was stopped
    /// between the two, and the event is dropped: it never took effect. Any other difference is an error.
    ///
    /// # Errors
    /// [`LogError`] says what to do; most often, reboot.
    pub fn open(path: &Path, tpm: Tpm, pcrs: LaunchPcrs) -> Result<Self, LogError> {
        if pcrs.application.pcr == pcrs.identity.pcr {
            return Err(LogError::SharedPcr { pcr: pcrs.identity.pcr });
        }
        let mut store = Store::open(path)?;
        let stored = store.read()?;
        let values = read_pcrs(&tpm, &pcrs)?;
        let keep = reconcile(&stored.entries, stored.torn, &pcrs, values).map_err(|difference| match difference {
            Difference::TpmReset => LogError::TpmReset { path: path.to_owned() },
            Difference::Unexplained => unexplained(path, &pcrs),
        })?;
        if keep < stored.entries.len() || stored.torn {
            tracing::warn!("dropping the log's last event: the gateway was stopped before it took effect");
            store.keep(&stored, keep)?;
        }
        let mut entries = stored.entries;
        entries.truncate(keep);
        if entries.len().saturating_add(EVENTS_OF_A_LAUNCH) > MAX_APPLICATION_EVENTS {
            return Err(LogError::Full { path: path.to_owned(), events: entries.len() });
        }
        Ok(Self { tpm, store, entries, pcrs, interrupted: false })
    }

    /// Everything measured since boot, in order.
    #[must_use]
    pub fn entries(&self) -> &[LoggedEvent] {
        &self.entries
    }

    /// Records `event` in the application's PCR.
    ///
    /// # Errors
    /// If it cannot be written or the TPM fails. Nothing can be recorded afterwards.
    pub fn append_application(&mut self, event: Event) -> Result<(), LogError> {
        self.append(self.pcrs.application.pcr, event)
    }

    /// Records `event` in the identity's PCR.
    ///
    /// # Errors
    /// As for [`ApplicationLog::append_application`].
    pub fn append_identity(&mut self, event: Event) -> Result<(), LogError> {
        self.append(self.pcrs.identity.pcr, event)
    }

    /// The application PCR's value, read from the TPM and explained by the log.
    ///
    /// # Errors
    /// [`LogError::Unexplained`] if other software has extended the PCRs since the log was opened.
    pub fn application_value(&self) -> Result<Sha256Digest, LogError> {
        if !explains(&self.entries, &self.pcrs, read_pcrs(&self.tpm, &self.pcrs)?) {
            return Err(unexplained(self.store.path(), &self.pcrs));
        }
        Ok(self.pcrs.application.replay(&self.entries))
    }

    fn append(&mut self, pcr: u8, event: Event) -> Result<(), LogError> {
        if self.interrupted {
            return Err(LogError::Interrupted);
        }
        let logged = LoggedEvent::new(pcr, event)?;
        self.interrupted = true;
        self.store.append(&logged)?;
        self.tpm.extend_blocking(pcr, logged.digest)?;
        self.interrupted = false;
        self.entries.push(logged);
        Ok(())
    }
}

/// The values of the log's two PCRs: the application's, then the identity's.
type Values = [Sha256Digest; 2];

fn read_pcrs(tpm: &Tpm, pcrs: &LaunchPcrs) -> Result<Values, LogError> {
    let all = tpm.read_pcrs_blocking()?;
    let value = |pcr: u8| all.get(&pcr).copied().ok_or(LogError::NotQuoted { pcr });
    Ok([value(pcrs.application.pcr)?, value(pcrs.identity.pcr)?])
}

fn unexplained(path: &Path, pcrs: &LaunchPcrs) -> LogError {
    let (application_pcr, identity_pcr) = (pcrs.application.pcr, pcrs.identity.pcr);
    LogError::Unexplained { path: path.to_owned(), application_pcr, identity_pcr }
}

/// How log and PCRs differ.
#[derive(Debug, PartialEq, Eq)]
enum Difference {
    TpmReset,
    Unexplained,
}

/// How many of `entries` the PCRs prove: all of them, or all but a last one that was written and never extended. A torn
/// line is such a last one, so no entry before it may be missing.
fn reconcile(entries: &[LoggedEvent], torn: bool, pcrs: &LaunchPcrs, values: Values) -> Result<usize, Difference> {
    if explains(entries, pcrs, values) {
        return Ok(entries.len());
    }
    if let Some((_, extended)) = entries.split_last()
        && !torn
        && explains(extended, pcrs, values)
    {
        return Ok(extended.len());
    }
    if explains(&[], pcrs, values) { Err(Difference::TpmReset) } else { Err(Difference::Unexplained) }
}

fn explains(entries: &[LoggedEvent], pcrs: &LaunchPcrs, values: Values) -> bool {
    let own = [pcrs.application, pcrs.identity];
    entries.iter().all(|entry| own.iter().any(|register| register.pcr == entry.pcr))
        && own.map(|register| register.replay(entries)) == values
}

#[cfg(test)]
mod tests {
    use blindllama_attest::application::{Event, LaunchPcr, LaunchPcrs, LoggedEvent};
    use blindllama_attest::digest::Sha256Digest;

    use super::{Difference, Values, reconcile};

    /// The boot loader has extended the application's PCR before.
    const PCRS: LaunchPcrs = LaunchPcrs {
        application: LaunchPcr { pcr: 14, start: Sha256Digest::from_bytes([7; 32]) },
        identity: LaunchPcr::zero(15),
    };

    fn entries(pcrs: &[u8]) -> Vec<LoggedEvent> {
        pcrs.iter()
            .map(|pcr| LoggedEvent::new(*pcr, Event::TlsSpki(Sha256Digest::of(&[&[*pcr]]))).expect("is canonical"))
            .collect()
    }

    fn after(entries: &[LoggedEvent]) -> Values {
        [PCRS.application.replay(entries), PCRS.identity.replay(entries)]
    }

    fn reconciled(log: &[LoggedEvent], torn: bool, values: Values) -> Result<usize, Difference> {
        reconcile(log, torn, &PCRS, values)
    }

    #[test]
    fn a_log_that_the_pcrs_prove_is_kept() {
        let log = entries(&[14, 15, 14]);
        assert_eq!(reconciled(&log, false, after(&log)), Ok(3));
        assert_eq!(reconciled(&log, true, after(&log)), Ok(3));
        assert_eq!(reconciled(&[], false, after(&[])), Ok(0));
    }

    #[test]
    fn one_event_may_be_written_and_not_extended() {
        let log = entries(&[14, 15, 14]);
        assert_eq!(reconciled(&log, false, after(&log[..2])), Ok(2));
        assert_eq!(reconciled(&log[..1], false, after(&[])), Ok(0));
        assert_eq!(reconciled(&log, false, after(&log[..1])), Err(Difference::Unexplained));
        assert_eq!(reconciled(&log, true, after(&log[..2])), Err(Difference::Unexplained));
    }

    #[test]
    fn pcrs_beyond_the_log_are_refused() {
        let log = entries(&[14, 15, 14]);
        assert_eq!(reconciled(&log[..2], false, after(&log)), Err(Difference::Unexplained));
        assert_eq!(reconciled(&[], false, after(&log)), Err(Difference::Unexplained));
    }

    #[test]
    fn other_start_values_are_refused() {
        let zero = [Sha256Digest::ZERO; 2];
        assert_eq!(reconciled(&[], false, zero), Err(Difference::Unexplained));
        let log = entries(&[14]);
        let from_zero = [LaunchPcr::zero(14).replay(&log), Sha256Digest::ZERO];
        assert_eq!(reconciled(&log, false, from_zero), Err(Difference::Unexplained));
    }

    #[test]
    fn events_of_another_pcr_are_refused() {
        let log = entries(&[14, 13, 15]);
        assert_eq!(reconciled(&log, false, after(&log)), Err(Difference::Unexplained));
    }

    #[test]
    fn a_tpm_reset_is_told_apart() {
        assert_eq!(reconciled(&entries(&[14, 15]), false, after(&[])), Err(Difference::TpmReset));
    }
}
