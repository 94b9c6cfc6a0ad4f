//! From the events of a log to the values of PCRs.

use super::{FirmwareEvent, FirmwareLog};
use crate::{
    bytes::Malformed,
    hash::{Digest, HashAlgorithm},
};

const STARTUP_LOCALITY_SIGNATURE: &[u8; 16] = b"StartupLocality\0";

/// One bank of a log: every measured event has a digest in it.
#[derive(Debug, Clone, Copy)]
pub struct Bank<'a> {
    log: &'a FirmwareLog,
    algorithm: HashAlgorithm,
}

impl<'a> Bank<'a> {
    /// The bank of `log`, if it has it.
    pub(super) fn of(log: &'a FirmwareLog, algorithm: HashAlgorithm) -> Option<Self> {
        log.banks().contains(&algorithm).then_some(Self { log, algorithm })
    }

    /// The bank's algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The value that the log gives `pcr`; its start value if the log has no event for it ([`FirmwareLog::measures`]).
    #[must_use]
    pub fn replay(&self, pcr: u8) -> Digest {
        let events = self.log.events().iter().filter(|event| event.extended_pcr() == Some(pcr));
        let digests = events.filter_map(|event| event.digest(self.algorithm));
        digests.fold(self.start_value(pcr), |value, digest| value.extended_with(digest.as_bytes()))
    }

    /// PCR 0 starts with the locality of TPM2_Startup in its last byte, PCRs 17 to 22 with all ones, the others with zero
    /// (TPM 2.0 Library, Part 3, section 9.3; PC Client Platform TPM Profile, section 4.6).
    fn start_value(&self, pcr: u8) -> Digest {
        match pcr {
            0 => {
                let mut value = vec![0; self.algorithm.size().saturating_sub(1)];
                value.push(self.log.startup_locality());
                Digest::new(self.algorithm, &value).unwrap_or(Digest::filled(self.algorithm, 0))
            }
            17..=22 => Digest::filled(self.algorithm, 0xff),
            _ => Digest::filled(self.algorithm, 0),
        }
    }
}

/// The locality that TPM2_Startup came from: that of the StartupLocality event, 0 without one.
///
/// It is the start value of PCR 0, so it has to be told once and before the first measurement there (PC Client Platform
/// Firmware Profile, section 10.4.5.3).
pub(super) fn startup_locality(events: &[FirmwareEvent]) -> Result<u8, Malformed> {
    let mut told = events.iter().filter_map(|event| Some((event.index(), locality_of(event)?)));
    let Some((index, locality)) = told.next() else { return Ok(0) };
    let measured_before = events.iter().take(index).any(|event| event.extended_pcr() == Some(0));
    let count = 1_u64.saturating_add(told.count() as u64);
    if measured_before || count > 1 {
        let expected = "there is one at most, before the first event of PCR 0";
        return Err(Malformed::Field { field: "the number of StartupLocality events", found: count, expected });
    }
    locality
}

/// What a StartupLocality event says; `None` for other events.
fn locality_of(event: &FirmwareEvent) -> Option<Result<u8, Malformed>> {
    let informs_of_pcr_0 = !event.extends() && event.pcr() == 0;
    let locality = event.data().strip_prefix(STARTUP_LOCALITY_SIGNATURE).filter(|_| informs_of_pcr_0)?;
    Some(match locality {
        [locality @ (0 | 3 | 4)] => Ok(*locality),
        other => Err(Malformed::Field {
            field: "StartupLocality",
            found: other.first().copied().unwrap_or_default().into(),
            expected: "TPM2_Startup comes from locality 0 or 3, or 4 for an H-CRTM, in one byte",
        }),
    })
}
