//! The hash of a request's body, taken while the handler reads it.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{
    HttpMessage as _,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
};
use blindllama_attest::digest::Sha256Digest;
use bytes::Bytes;
use futures_util::Stream;
use sha2::{Digest as _, Sha256};

/// The hash of one request's body, once all of it was read.
#[derive(Clone, Default)]
pub(super) struct RequestHash(Rc<Cell<Option<Sha256Digest>>>);

impl RequestHash {
    /// Puts itself between the connection and whoever reads the body of `request`.
    pub(super) fn of(request: &mut ServiceRequest) -> Self {
        let hash = Self::default();
        let payload = request.take_payload();
        let hashing = HashingPayload { payload, state: Sha256::new(), hash: hash.clone() };
        request.set_payload(Payload::Stream { payload: Box::pin(hashing) });
        hash
    }

    /// `None` until the last byte was read.
    pub(super) fn digest(&self) -> Option<Sha256Digest> {
        self.0.get()
    }
}

struct HashingPayload {
    payload: Payload,
    state: Sha256,
    hash: RequestHash,
}

impl Stream for HashingPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(Pin::new(&mut self.payload).poll_next(context));
        match &next {
            Some(Ok(bytes)) => self.state.update(bytes),
            Some(Err(_)) => {}
            None => self.hash.0.set(Some(Sha256Digest::from_bytes(self.state.clone().finalize().into()))),
        }
        Poll::Ready(next)
    }
}
