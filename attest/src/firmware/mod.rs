//! The firmware's event log: what explains the boot PCRs.
//!
//! The format is the TCG PC Client Platform Firmware Profile's crypto-agile log (Spec ID Event03), all little endian. Only
//! the SHA-256 digests are used: they are what a quote can confirm. Event types and data are claims that no PCR protects,
//! so nothing is decided by them, save EV_NO_ACTION, which the profile never extends.

mod log;

pub use log::{FirmwareEvent, FirmwareLog, FirmwareLogError};
