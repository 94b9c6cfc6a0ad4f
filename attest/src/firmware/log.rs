//! A log as a whole: which format it has, and its events.

use std::collections::BTreeSet;

use super::{Bank, FirmwareEvent, crypto_agile::LoggedBanks, event::RawEvent, legacy, replay};
use crate::{
    bytes::{Malformed, Reader},
    hash::{Digest, HashAlgorithm},
};

/// The format of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// TCG_PCClientPCREvent: one SHA-1 digest an event, from the days of TPM 1.2.
    Legacy,
    /// TCG_PCR_EVENT2 after a Spec ID event: a digest for each bank.
    CryptoAgile,
}

impl LogFormat {
    /// Its name in JSON: `legacy` or `crypto-agile`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::CryptoAgile => "crypto-agile",
        }
    }
}

/// A parsed log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareLog {
    format: LogFormat,
    banks: Vec<HashAlgorithm>,
    startup_locality: u8,
    events: Vec<FirmwareEvent>,
}

/// A log that is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirmwareLogError {
    /// The bytes are no log.
    #[error("the firmware log is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// A log of the TPM 1.2 format, where another bank is wanted.
    #[error(
        "the firmware log is of the old SHA-1 format, which cannot explain {wanted} PCRs; \
         have the firmware write a crypto-agile log, or use a platform entry without firmware_log_pcrs"
    )]
    Sha1Only {
        /// The bank that is wanted.
        wanted: HashAlgorithm,
    },
    /// A crypto-agile log that has other banks only.
    #[error("the firmware log has no {wanted} digests; enable the TPM's {wanted} bank in the firmware setup")]
    NoSuchBank {
        /// The bank that is wanted.
        wanted: HashAlgorithm,
    },
}

impl FirmwareLog {
    /// The longest log that is read, in bytes; real ones have some ten or hundred thousand.
    pub const MAX_BYTES: usize = 4 * 1024 * 1024;
    /// The most events that a log may have; real ones have about a hundred.
    pub const MAX_EVENTS: usize = 8192;

    /// Reads a log of either format to its last byte.
    ///
    /// # Errors
    /// [`FirmwareLogError::Malformed`] names the field that is wrong.
    pub fn parse(log: &[u8]) -> Result<Self, FirmwareLogError> {
        at_most("the log's size in bytes", log.len(), Self::MAX_BYTES, "at most 4 MiB are read")?;
        let mut reader = Reader::new(log);
        let first = legacy::read_event(&mut reader)?;
        match LoggedBanks::from_spec_id_event(&first)? {
            Some(banks) => {
                let spec_id = RawEvent { digests: Vec::new(), ..first };
                let events = read_events(reader, spec_id, |reader| banks.read_event(reader))?;
                Self::new(LogFormat::CryptoAgile, banks.algorithms(), events)
            }
            None => Self::new(LogFormat::Legacy, vec![HashAlgorithm::Sha1], read_events(reader, first, legacy::read_event)?),
        }
    }

    fn new(format: LogFormat, banks: Vec<HashAlgorithm>, events: Vec<FirmwareEvent>) -> Result<Self, FirmwareLogError> {
        let startup_locality = replay::startup_locality(&events)?;
        Ok(Self { format, banks, startup_locality, events })
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> LogFormat {
        self.format
    }

    /// The banks that can be replayed, in the log's order; it may have others (SM3) besides.
    #[must_use]
    pub fn banks(&self) -> &[HashAlgorithm] {
        &self.banks
    }

    /// The locality that TPM2_Startup came from: 0, 3 or 4.
    #[must_use]
    pub const fn startup_locality(&self) -> u8 {
        self.startup_locality
    }

    /// All events, in order, those that extend nothing included.
    #[must_use]
    pub fn events(&self) -> &[FirmwareEvent] {
        &self.events
    }

    /// The PCRs that an event extends.
    #[must_use]
    pub fn measured_pcrs(&self) -> BTreeSet<u8> {
        self.events.iter().filter_map(FirmwareEvent::extended_pcr).collect()
    }

    /// Whether an event extends `pcr`. Where none does, a replay that fits proves nothing.
    #[must_use]
    pub fn measures(&self, pcr: u8) -> bool {
        self.events.iter().any(|event| event.extended_pcr() == Some(pcr))
    }

    /// The value that the log gives `pcr` in `bank`; `None` if it has no such bank.
    #[must_use]
    pub fn replay(&self, bank: HashAlgorithm, pcr: u8) -> Option<Digest> {
        self.bank(bank).map(|bank| bank.replay(pcr))
    }

    /// The bank of that algorithm.
    #[must_use]
    pub fn bank(&self, algorithm: HashAlgorithm) -> Option<Bank<'_>> {
        Bank::of(self, algorithm)
    }

    /// The bank of that algorithm, or why there is none.
    ///
    /// # Errors
    /// [`FirmwareLogError::Sha1Only`] for a legacy log, [`FirmwareLogError::NoSuchBank`] for a crypto-agile one.
    pub fn require_bank(&self, wanted: HashAlgorithm) -> Result<Bank<'_>, FirmwareLogError> {
        self.bank(wanted).ok_or(match self.format {
            LogFormat::Legacy => FirmwareLogError::Sha1Only { wanted },
            LogFormat::CryptoAgile => FirmwareLogError::NoSuchBank { wanted },
        })
    }
}

/// Reads what follows the first event.
fn read_events<'a>(
    mut reader: Reader<'a>,
    first: RawEvent<'a>,
    read_event: impl Fn(&mut Reader<'a>) -> Result<RawEvent<'a>, Malformed>,
) -> Result<Vec<FirmwareEvent>, Malformed> {
    let mut events = vec![FirmwareEvent::new(0, first)?];
    while !reader.is_empty() {
        let index = events.len();
        at_most("the index of an event", index, FirmwareLog::MAX_EVENTS - 1, "at most 8192 events are read")?;
        events.push(FirmwareEvent::new(index, read_event(&mut reader)?)?);
    }
    Ok(events)
}

const fn at_most(field: &'static str, found: usize, limit: usize, expected: &'static str) -> Result<(), Malformed> {
    if found > limit { Err(Malformed::Field { field, found: found as u64, expected }) } else { Ok(()) }
}
