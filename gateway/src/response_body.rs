//! Bodies of responses, and what has to last until they are sent.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::Bytes;

/// What is handed to the connection at a time: it copies what it gets, and serves no other request meanwhile.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;

/// A body that keeps something until its last byte was taken, or the client has gone.
pub(crate) struct HoldingBody<T> {
    body: BoxBody,
    _held: T,
}

impl<T: Unpin + 'static> HoldingBody<T> {
    /// `body`, which keeps `held`.
    pub(crate) fn boxed(body: BoxBody, held: T) -> BoxBody {
        BoxBody::new(Self { body, _held: held })
    }
}

impl<T: Unpin> MessageBody for HoldingBody<T> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

/// A whole body, which goes out piece by piece.
pub(crate) struct WholeBody(pub(crate) Bytes);

impl MessageBody for WholeBody {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let piece = self.0.len().min(PIECE_BYTES);
        Poll::Ready((piece > 0).then(|| Ok(self.0.split_to(piece))))
    }
}
