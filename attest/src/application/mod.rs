//! The application log: what the gateway measured into PCRs 14 and 15, launch by launch.

mod event;
mod launch;
mod manifest;

pub use event::{Event, InvalidEvent, LaunchBegin, LoggedEvent, MeasuredFile, MeasuredManifest};
pub use launch::{ApplicationLog, ApplicationLogError, EarlierLaunch, Launch, Launches, Part};
pub use manifest::{Manifest, ManifestEntry};

use crate::digest::Sha256Digest;

/// The PCR that holds the application, unless configured otherwise.
pub const APPLICATION_PCR: u8 = 14;
/// The PCR that holds the identity of the current launch, unless configured otherwise.
pub const IDENTITY_PCR: u8 = 15;

/// The value of `pcr` after the digests that `events` claim for it, starting from zero.
#[must_use]
pub fn replay_pcr(events: &[LoggedEvent], pcr: u8) -> Sha256Digest {
    events.iter().filter(|event| event.pcr == pcr).fold(Sha256Digest::ZERO, |value, event| value.extended_with(event.digest))
}
