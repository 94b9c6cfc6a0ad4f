//! Produces BlindLlama's evidence: owns the TPM on one thread, keeps the application log, measures what is launched.
//!
//! * [`Tpm`] is a cloneable handle to the one thread that talks to the TPM: quotes, activations, extends, PCR values.
//!   Nonces that wait at the same time share one quote.
//! * [`measure`] hashes the gateway's binary and the model's folder.
//! * [`ApplicationLog`] is the log of this boot: written before each extend, compared with the PCRs at start.
//! * [`launch`] records one launch, in the only order that a verifier accepts.
//!
//! The TSS libraries print diagnostics of their own to standard error. A program that wants only this crate's errors
//! is started with `TSS2_LOG=all+none` in its environment; setting it from here would race with other threads.

mod ak;
mod application_log;
mod certificate;
mod credential;
mod device;
mod ek;
mod error;
pub mod launch;
pub mod measure;
mod queue;
mod quote;
mod quoter;
mod tpm;

pub use ak::AkKind;
pub use application_log::{ApplicationLog, LogError};
pub use certificate::Certificate;
pub use ek::EkKind;
pub use error::TpmError;
pub use quote::Quote;
pub use tpm::{Tpm, TpmSettings};
