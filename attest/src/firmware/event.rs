//! One event of a log, whatever the log's format.

use std::fmt;

use super::EventType;
use crate::{
    bytes::{Malformed, Reader},
    hash::{Digest, HashAlgorithm},
};

/// TPMs have 24 PCRs (PC Client Platform TPM Profile, section 4.6).
const PCR_COUNT: u32 = 24;

/// One event of a log.
#[derive(Clone, PartialEq, Eq)]
pub struct FirmwareEvent {
    index: usize,
    pcr: u32,
    event_type: EventType,
    digests: Vec<Digest>,
    data: Vec<u8>,
}

impl FirmwareEvent {
    /// Takes an event as it was read, at its place in the log.
    pub(super) fn new(index: usize, raw: RawEvent<'_>) -> Result<Self, Malformed> {
        let RawEvent { pcr, event_type, digests, data } = raw;
        if event_type != EventType::NO_ACTION && pcr >= PCR_COUNT {
            let expected = "a measured event names a PCR from 0 to 23";
            return Err(Malformed::Field { field: "pcrIndex", found: pcr.into(), expected });
        }
        Ok(Self { index, pcr, event_type, digests, data: data.to_vec() })
    }

    /// Its place in the log, from 0.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// The PCR that it names: 0 to 23 where it extends one, and any number otherwise.
    #[must_use]
    pub const fn pcr(&self) -> u32 {
        self.pcr
    }

    /// What it says that it measures.
    #[must_use]
    pub const fn event_type(&self) -> EventType {
        self.event_type
    }

    /// Its digests, at most one a bank; the Spec ID event has none.
    #[must_use]
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// Its digest in `bank`.
    #[must_use]
    pub fn digest(&self, bank: HashAlgorithm) -> Option<&Digest> {
        self.digests.iter().find(|digest| digest.algorithm() == bank)
    }

    /// The event data as logged.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// Whether its digests were extended: EV_NO_ACTION only informs.
    #[must_use]
    pub fn extends(&self) -> bool {
        self.event_type != EventType::NO_ACTION
    }

    /// The PCR that its digests were extended into; `None` for EV_NO_ACTION.
    #[must_use]
    pub fn extended_pcr(&self) -> Option<u8> {
        u8::try_from(self.pcr).ok().filter(|_| self.extends())
    }

    /// Whether the digest in `bank` is the hash of the event data, so that whoever believes the digest may believe the data;
    /// `None` where the bank has no digest, or none that was extended.
    #[must_use]
    pub fn digest_is_data_hash(&self, bank: HashAlgorithm) -> Option<bool> {
        let digest = self.digest(bank).filter(|_| self.extends())?;
        Some(*digest == bank.digest(&[&self.data]))
    }
}

/// Data may be long and private: only its size is shown.
impl fmt::Debug for FirmwareEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, pcr, event_type, digests, data } = self;
        write!(f, "event {index}: PCR {pcr}, {event_type}, {digests:?}, {} bytes", data.len())
    }
}

/// An event as the bytes have it, before anything is asked of its fields.
pub(super) struct RawEvent<'a> {
    pub(super) pcr: u32,
    pub(super) event_type: EventType,
    pub(super) digests: Vec<Digest>,
    pub(super) data: &'a [u8],
}

/// Reads `eventSize` and that many bytes of data, which end an event in both formats.
pub(super) fn read_data<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let size = reader.u32_le()?;
    reader.bytes(usize::try_from(size).unwrap_or(usize::MAX))
}
