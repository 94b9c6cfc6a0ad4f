//! Receipts for inference responses: the gateway's signature over what was asked and answered (`docs/spec/receipts.md`).
//!
//! A route opts in with the middleware [`receipted`], which opens a receipt for each request. A response that is whole is
//! signed there, in a header. A stream takes the open receipt from its request and signs as its last event.

mod connection;
mod middleware;
mod open;
mod request_hash;
mod signer;
mod stream;

pub(crate) use connection::number_requests;
pub(crate) use middleware::{X_RECEIPT, receipted};
pub(crate) use open::{TokenCounts, name_model};
pub(crate) use signer::ReceiptSigner;
pub(crate) use stream::{StreamEnd, StreamReceipt};
