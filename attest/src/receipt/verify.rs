//! The verdict on a receipt: who signed it, and whether it is about this exchange.

use super::{Receipt, ReceiptError, jws};
use crate::digest::Sha256Digest;

/// The exchange that the receipt has to be about, as its user saw it.
#[derive(Debug, Clone, Copy)]
pub struct ExpectedReceipt<'a> {
    /// The method that was sent.
    pub method: &'a str,
    /// The path that was sent, with `?` and the query where there is one.
    pub path: &'a str,
    /// The status that was received.
    pub status: u16,
    /// The `x-request-id` that was received; `None` where it was not kept. The other checks do not depend on it.
    pub request_id: Option<&'a str>,
    /// SHA-256 of the request's body.
    pub request_sha256: Sha256Digest,
    /// SHA-256 of the response's body; of a stream's, that of [`super::SplitStream::hashed`].
    pub response_sha256: Sha256Digest,
    /// The digest of the binding that was verified.
    pub binding_digest: Sha256Digest,
}

/// A receipt that is signed by the attested key and is about the expected exchange. Only [`verify_receipt`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt(Receipt);

impl VerifiedReceipt {
    /// What the gateway says. Model, token counts, sequence and times are its own words; the rest was compared.
    #[must_use]
    pub const fn claims(&self) -> &Receipt {
        &self.0
    }
}

/// Checks `jws` against the attested `public_key` and the exchange that it has to be about.
///
/// A receipt without a request digest passes for an error status only: the gateway then answered without having read the
/// request, and [`VerifiedReceipt::claims`] says so.
///
/// # Errors
/// The first check that fails, in the order of `docs/spec/receipts.md`.
pub fn verify_receipt(jws: &str, public_key: &[u8; 32], expected: &ExpectedReceipt<'_>) -> Result<VerifiedReceipt, ReceiptError> {
    let receipt = jws::open(jws, public_key)?;
    check_binding(&receipt, expected)?;
    check_heads(&receipt, expected)?;
    check_bodies(&receipt, expected)?;
    Ok(VerifiedReceipt(receipt))
}

fn check_binding(receipt: &Receipt, expected: &ExpectedReceipt<'_>) -> Result<(), ReceiptError> {
    let (expected, found) = (expected.binding_digest, receipt.binding_digest);
    if expected == found { Ok(()) } else { Err(ReceiptError::BindingMismatch { expected, found }) }
}

fn check_heads(receipt: &Receipt, expected: &ExpectedReceipt<'_>) -> Result<(), ReceiptError> {
    if receipt.method != expected.method {
        return Err(ReceiptError::MethodMismatch { expected: expected.method.to_owned() });
    }
    if receipt.path != expected.path {
        return Err(ReceiptError::PathMismatch { expected: expected.path.to_owned() });
    }
    if receipt.status != expected.status {
        return Err(ReceiptError::StatusMismatch { expected: expected.status, found: receipt.status });
    }
    match expected.request_id {
        Some(id) if id != receipt.request_id => Err(ReceiptError::RequestIdMismatch { expected: id.to_owned() }),
        _ => Ok(()),
    }
}

fn check_bodies(receipt: &Receipt, expected: &ExpectedReceipt<'_>) -> Result<(), ReceiptError> {
    match receipt.request_sha256 {
        None if !is_error(receipt.status) => return Err(ReceiptError::RequestNotCovered),
        Some(found) if found != expected.request_sha256 => {
            return Err(ReceiptError::RequestMismatch { expected: expected.request_sha256, found });
        }
        _ => {}
    }
    let (expected, found) = (expected.response_sha256, receipt.response_sha256);
    if expected == found { Ok(()) } else { Err(ReceiptError::ResponseMismatch { expected, found }) }
}

fn is_error(status: u16) -> bool {
    (400..=599).contains(&status)
}
