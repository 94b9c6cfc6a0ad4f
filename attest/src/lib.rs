//! The pure verifier of BlindLlama's attestation evidence, and the formats that both sides share.
//!
//! Bytes, policy and time in, verdict out: no I/O, no async, no clock, no randomness, no TPM library. Whatever comes from
//! outside is parsed once into a typed value; the only way to a [`verify::VerifiedPeer`] is [`verify::verify`].
//! The formats are described in `docs/spec/evidence.md`.

pub mod application;
pub mod binding;
pub mod bytes;
pub mod canonical_json;
pub mod certificate;
pub mod credential;
pub mod digest;
pub mod evidence;
mod excerpt;
pub mod explain;
pub mod firmware;
pub mod hash;
pub mod nonce;
pub mod pcr_banks;
pub mod policy;
pub mod receipt;
pub mod tpm;
pub mod verify;
