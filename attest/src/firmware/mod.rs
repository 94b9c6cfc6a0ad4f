//! The firmware's event log: what explains the boot PCRs.
//!
//! Both formats of the TCG PC Client Platform Firmware Profile are read, all little endian: the crypto-agile one (Spec ID
//! Event03) with a digest for each bank, and the older one with SHA-1 digests alone. A log is a claim. A quote confirms its
//! digests and their order in each PCR; event types and data are protected by nothing, save where the digest is that of the
//! data ([`FirmwareEvent::digest_is_data_hash`]). So nothing is decided by them but what the replay itself needs:
//! EV_NO_ACTION, which the profile never extends, and StartupLocality, without which PCR 0 comes out differently.

mod crypto_agile;
mod description;
mod difference;
mod event;
mod event_type;
mod legacy;
mod log;
mod replay;
mod text;
mod uefi;

pub use difference::{EventDifference, difference};
pub use event::FirmwareEvent;
pub use event_type::EventType;
pub use log::{FirmwareLog, FirmwareLogError, LogFormat};
pub use replay::Bank;
