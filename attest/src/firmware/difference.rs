//! Where two logs part: what was measured otherwise than in a log that somebody kept.

use super::{FirmwareEvent, FirmwareLog};
use crate::hash::HashAlgorithm;

/// The first difference between two logs in what they extend one PCR with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventDifference<'a> {
    /// TPM2_Startup came from another locality, so that PCR 0 starts with another value.
    StartupLocality {
        /// The expected locality.
        expected: u8,
        /// The found locality.
        found: u8,
    },
    /// Something else was measured.
    Changed {
        /// The expected event.
        expected: &'a FirmwareEvent,
        /// The event in its place.
        found: &'a FirmwareEvent,
    },
    /// The found log ends before this expected event.
    Missing {
        /// The expected event.
        expected: &'a FirmwareEvent,
    },
    /// The found log goes on after the end of the expected one.
    Added {
        /// The first event too many.
        found: &'a FirmwareEvent,
    },
}

/// The first event for `pcr` whose digest in `bank` differs between two logs; `None` if both extend it alike.
///
/// A log without that bank differs from any other at its first event there.
#[must_use]
pub fn difference<'a>(
    expected: &'a FirmwareLog,
    found: &'a FirmwareLog,
    bank: HashAlgorithm,
    pcr: u8,
) -> Option<EventDifference<'a>> {
    let localities = (expected.startup_locality(), found.startup_locality());
    if pcr == 0 && localities.0 != localities.1 {
        return Some(EventDifference::StartupLocality { expected: localities.0, found: localities.1 });
    }
    let (mut expected, mut found) = (events_of(expected, pcr), events_of(found, pcr));
    loop {
        return Some(match (expected.next(), found.next()) {
            (None, None) => return None,
            (Some(expected), None) => EventDifference::Missing { expected },
            (None, Some(found)) => EventDifference::Added { found },
            (Some(expected), Some(found)) if same_digest(expected, found, bank) => continue,
            (Some(expected), Some(found)) => EventDifference::Changed { expected, found },
        });
    }
}

fn events_of(log: &FirmwareLog, pcr: u8) -> impl Iterator<Item = &FirmwareEvent> {
    log.events().iter().filter(move |event| event.extended_pcr() == Some(pcr))
}

fn same_digest(expected: &FirmwareEvent, found: &FirmwareEvent, bank: HashAlgorithm) -> bool {
    expected.digest(bank).is_some_and(|digest| found.digest(bank) == Some(digest))
}
