//! The application log: what the gateway measured into PCRs 14 and 15, launch by launch.

mod event;
mod launch;
mod manifest;
mod parts;

pub use event::{Event, InvalidEvent, LaunchBegin, LoggedEvent, MeasuredFile, MeasuredManifest};
pub use launch::{ApplicationLog, ApplicationLogError, EarlierLaunch, Launch, Launches};
pub use manifest::{Manifest, ManifestEntry};
pub use parts::{Part, Parts};

use crate::digest::Sha256Digest;

/// The PCR that holds the application, unless configured otherwise.
pub const APPLICATION_PCR: u8 = 14;
/// The PCR that holds the identity of the current launch, unless configured otherwise.
pub const IDENTITY_PCR: u8 = 15;

/// One of the two PCRs that hold launches, and the value at which the application log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchPcr {
    /// The PCR's index.
    pub pcr: u8,
    /// Its value before the first launch: zero, unless the boot loader or systemd extended it.
    pub start: Sha256Digest,
}

impl LaunchPcr {
    /// A PCR that starts at zero.
    #[must_use]
    pub const fn zero(pcr: u8) -> Self {
        Self { pcr, start: Sha256Digest::ZERO }
    }

    /// Its value after the digests that `events` claim for it.
    #[must_use]
    pub fn replay(&self, events: &[LoggedEvent]) -> Sha256Digest {
        let own = events.iter().filter(|event| event.pcr == self.pcr);
        own.fold(self.start, |value, event| value.extended_with(event.digest))
    }
}

/// The PCRs of the application and of its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaunchPcrs {
    /// Holds the application.
    pub application: LaunchPcr,
    /// Holds the identity of the current launch.
    pub identity: LaunchPcr,
}
