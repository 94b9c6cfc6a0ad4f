//! The log of what was measured since boot, kept beside the PCRs that prove it.

mod store;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use blindllama_attest::{
    application::{Event, InvalidEvent, LoggedEvent, replay_pcr},
    digest::Sha256Digest,
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

const REBOOT: &str = "Only a reboot, which resets the TPM, makes the PCRs usable again";

/// The log of one boot, locked for this process and known to agree with the TPM.
///
/// It blocks, and must not be used from an async task. It lives where a reboot removes it, as a reboot resets the PCRs.
pub struct ApplicationLog {
    tpm: Tpm,
    store: Store,
    entries: Vec<LoggedEvent>,
    application_pcr: u8,
    identity_pcr: u8,
    interrupted: bool,
}

impl ApplicationLog {
    /// Opens or begins the log at `path`, takes its lock and compares it with the PCRs.
    ///
    /// An event is written before its PCR is extended. So if the last one is not in its PCR, the gateway was stopped
    /// between the two, and the event is dropped: it never took effect. Any other difference is an error.
    ///
    /// # Errors
    /// [`LogError`] says what to do; most often, reboot.
    pub fn open(path: &Path, tpm: Tpm, application_pcr: u8, identity_pcr: u8) -> Result<Self, LogError> {
        if application_pcr == identity_pcr {
            return Err(LogError::SharedPcr { pcr: application_pcr });
        }
        let mut store = Store::open(path)?;
        let stored = store.read()?;
        let pcrs = read_pcrs(&tpm, application_pcr, identity_pcr)?;
        let keep = reconcile(&stored.entries, stored.torn, &pcrs).map_err(|difference| match difference {
            Difference::TpmReset => LogError::TpmReset { path: path.to_owned() },
            Difference::Unexplained => LogError::Unexplained { path: path.to_owned(), application_pcr, identity_pcr },
        })?;
        if keep < stored.entries.len() || stored.torn {
            tracing::warn!("dropping the log's last event: the gateway was stopped before it took effect");
            store.keep(&stored, keep)?;
        }
        let mut entries = stored.entries;
        entries.truncate(keep);
        Ok(Self { tpm, store, entries, application_pcr, identity_pcr, interrupted: false })
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
        self.append(self.application_pcr, event)
    }

    /// Records `event` in the identity's PCR.
    ///
    /// # Errors
    /// As for [`ApplicationLog::append_application`].
    pub fn append_identity(&mut self, event: Event) -> Result<(), LogError> {
        self.append(self.identity_pcr, event)
    }

    /// The application PCR's value, read from the TPM and explained by the log.
    ///
    /// # Errors
    /// [`LogError::Unexplained`] if other software has extended the PCRs since the log was opened.
    pub fn application_value(&self) -> Result<Sha256Digest, LogError> {
        let pcrs = read_pcrs(&self.tpm, self.application_pcr, self.identity_pcr)?;
        if !explains(&self.entries, &pcrs) {
            let path = self.store.path().to_owned();
            return Err(LogError::Unexplained { path, application_pcr: self.application_pcr, identity_pcr: self.identity_pcr });
        }
        Ok(replay_pcr(&self.entries, self.application_pcr))
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

/// The values of the log's two PCRs, by index.
type LogPcrs = BTreeMap<u8, Sha256Digest>;

fn read_pcrs(tpm: &Tpm, application_pcr: u8, identity_pcr: u8) -> Result<LogPcrs, LogError> {
    let all = tpm.read_pcrs_blocking()?;
    let value = |pcr: u8| Ok((pcr, *all.get(&pcr).ok_or(LogError::NotQuoted { pcr })?));
    [application_pcr, identity_pcr].into_iter().map(value).collect()
}

/// How log and PCRs differ.
#[derive(Debug, PartialEq, Eq)]
enum Difference {
    TpmReset,
    Unexplained,
}

/// How many of `entries` the PCRs prove: all of them, or all but a last one that was written and never extended. A torn
/// line is such a last one, so no entry before it may be missing.
fn reconcile(entries: &[LoggedEvent], torn: bool, pcrs: &LogPcrs) -> Result<usize, Difference> {
    if explains(entries, pcrs) {
        return Ok(entries.len());
    }
    if let Some((_, extended)) = entries.split_last()
        && !torn
        && explains(extended, pcrs)
    {
        return Ok(extended.len());
    }
    if pcrs.values().all(|value| *value == Sha256Digest::ZERO) { Err(Difference::TpmReset) } else { Err(Difference::Unexplained) }
}

fn explains(entries: &[LoggedEvent], pcrs: &LogPcrs) -> bool {
    entries.iter().all(|entry| pcrs.contains_key(&entry.pcr))
        && pcrs.iter().all(|(pcr, value)| replay_pcr(entries, *pcr) == *value)
}

#[cfg(test)]
mod tests {
    use blindllama_attest::application::{Event, LoggedEvent, replay_pcr};
    use blindllama_attest::digest::Sha256Digest;

    use super::{Difference, LogPcrs, reconcile};

    fn entries(pcrs: &[u8]) -> Vec<LoggedEvent> {
        pcrs.iter()
            .map(|pcr| LoggedEvent::new(*pcr, Event::TlsSpki(Sha256Digest::of(&[&[*pcr]]))).expect("is canonical"))
            .collect()
    }

    fn after(entries: &[LoggedEvent]) -> LogPcrs {
        [14, 15].map(|pcr| (pcr, replay_pcr(entries, pcr))).into()
    }

    #[test]
    fn a_log_that_the_pcrs_prove_is_kept() {
        let log = entries(&[14, 15, 14]);
        assert_eq!(reconcile(&log, false, &after(&log)), Ok(3));
        assert_eq!(reconcile(&log, true, &after(&log)), Ok(3));
        assert_eq!(reconcile(&[], false, &after(&[])), Ok(0));
    }

    #[test]
    fn one_event_may_be_written_and_not_extended() {
        let log = entries(&[14, 15, 14]);
        assert_eq!(reconcile(&log, false, &after(&log[..2])), Ok(2));
        assert_eq!(reconcile(&log[..1], false, &after(&[])), Ok(0));
        assert_eq!(reconcile(&log, false, &after(&log[..1])), Err(Difference::Unexplained));
        assert_eq!(reconcile(&log, true, &after(&log[..2])), Err(Difference::Unexplained));
    }

    #[test]
    fn pcrs_beyond_the_log_are_refused() {
        let log = entries(&[14, 15, 14]);
        assert_eq!(reconcile(&log[..2], false, &after(&log)), Err(Difference::Unexplained));
        assert_eq!(reconcile(&[], false, &after(&log)), Err(Difference::Unexplained));
    }

    #[test]
    fn events_of_another_pcr_are_refused() {
        let log = entries(&[14, 13, 15]);
        assert_eq!(reconcile(&log, false, &after(&log)), Err(Difference::Unexplained));
    }

    #[test]
    fn a_tpm_reset_is_told_apart() {
        assert_eq!(reconcile(&entries(&[14, 15]), false, &after(&[])), Err(Difference::TpmReset));
    }
}
