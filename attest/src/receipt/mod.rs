//! Receipts: what a gateway signs about one response, so that its user can prove later what was asked and answered, and by
//! which attested gateway.
//!
//! A receipt is a JWS in compact form (RFC 7515) under the Ed25519 key of the evidence's binding. The gateway makes one with
//! [`Receipt::signing_input`], its own key and [`SigningInput::attach_signature`]; whoever holds request and response checks
//! it with [`verify_receipt`]. The format is described in `docs/spec/receipts.md`.

mod error;
mod jws;
mod stream;
#[cfg(test)]
mod tests;
mod verify;

pub use error::{ReceiptError, UnsignableReceipt};
pub use jws::{CompactReceipt, SigningInput, key_id};
pub use stream::{STREAM_END, STREAM_END_WITHOUT_DONE, STREAM_RECEIPT, SplitStream, split_stream};
pub use verify::{ExpectedReceipt, VerifiedReceipt, verify_receipt};

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;

/// The largest receipt that is made or read, in bytes of its compact form.
pub const MAX_RECEIPT_BYTES: usize = 8 * 1024;

/// The claims: what the gateway says about one response. On its own it carries no trust; [`VerifiedReceipt`] does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The request's method.
    pub method: String,
    /// The request's path, with `?` and the query where there is one.
    pub path: String,
    /// The response's status code.
    pub status: u16,
    /// The response's `x-request-id`.
    pub request_id: String,
    /// SHA-256 of the request's body without transfer framing; `None` where the gateway answered without reading all of it.
    pub request_sha256: Option<Sha256Digest>,
    /// SHA-256 of the response's body without transfer framing; of a stream's, up to the receipt.
    pub response_sha256: Sha256Digest,
    /// The digest of the binding that the gateway's evidence proves.
    pub binding_digest: Sha256Digest,
    /// The model or adapter that was asked for; the served model where none was that is served.
    pub model: ReceiptModel,
    /// Tokens of the prompt; `None` where none were counted.
    pub prompt_tokens: Option<u64>,
    /// Tokens of the answer; `None` where none were counted.
    pub completion_tokens: Option<u64>,
    /// How many inference requests came before this one on its TLS connection.
    pub connection_sequence: u64,
    /// When the request's head had arrived, by the gateway's clock, in Unix milliseconds.
    pub received_at: u64,
    /// When the response was complete, by the gateway's clock, in Unix milliseconds.
    pub completed_at: u64,
}

/// The model, by name and by content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptModel {
    /// The name that clients ask for.
    pub name: String,
    /// SHA-256 of the weights manifest, the binding's `model_sha256`.
    pub weights_sha256: Sha256Digest,
}
