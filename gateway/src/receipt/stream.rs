//! The receipt of a stream of server-sent events, hashed as they go out.

use actix_web::{HttpRequest, http::StatusCode};
use blindllama_attest::{
    digest::Sha256Digest,
    receipt::{STREAM_END, STREAM_END_WITHOUT_DONE, STREAM_RECEIPT, UnsignableReceipt},
};
use bytes::{BufMut as _, BytesMut};
use sha2::{Digest as _, Sha256};

use super::open::{OpenReceipt, TokenCounts};
use crate::openai::error::ApiError;

/// The receipt of a response with status 200 that is being sent.
///
/// Dropping it leaves the response without one, which tells that it is not whole.
pub(crate) struct StreamReceipt {
    open: OpenReceipt,
    sent: Sha256,
}

/// What comes after the receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// `data: [DONE]`.
    Done,
    /// Nothing: the API's last event says that it is the last.
    Nothing,
}

impl StreamEnd {
    const fn text(self) -> &'static str {
        match self {
            Self::Done => STREAM_END,
            Self::Nothing => STREAM_END_WITHOUT_DONE,
        }
    }
}

impl StreamReceipt {
    /// Takes the receipt of `request` over from the middleware.
    ///
    /// # Errors
    /// 500 on a route that has no receipts.
    pub(crate) fn take(request: &HttpRequest) -> Result<Self, ApiError> {
        Ok(Self { open: OpenReceipt::take(request)?, sent: Sha256::new() })
    }

    /// Hashes bytes that are being sent.
    pub(crate) fn sent(&mut self, events: &[u8]) {
        self.sent.update(events);
    }

    /// Ends the stream: `events`, which have not been sent, get the receipt and the `end` after them.
    ///
    /// # Errors
    /// [`UnsignableReceipt`] if no verifier could read the receipt.
    pub(crate) fn close(mut self, end: StreamEnd, events: &mut BytesMut, tokens: TokenCounts) -> Result<(), UnsignableReceipt> {
        self.sent(events);
        let receipt = self.open.close(StatusCode::OK, Sha256Digest::from_bytes(self.sent.finalize().into()), tokens)?;
        for part in [STREAM_RECEIPT, receipt.as_str(), end.text()] {
            events.put_slice(part.as_bytes());
        }
        Ok(())
    }
}
