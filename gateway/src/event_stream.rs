//! Answers as server-sent events (WHATWG HTML, section 9.2), with their receipt at the end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
};
use blindllama_attest::receipt::UnsignableReceipt;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::Stream;
use serde::Serialize;

use crate::{
    generation::{Answers, Piece},
    openai::{error::ApiError, usage::Usage},
    receipt::{StreamEnd, StreamReceipt},
    request_id::RequestId,
};

/// Writes answers as the events of one API.
pub(crate) trait EventWriter {
    /// What this API's streams have after their receipt.
    const END: StreamEnd;

    /// What comes before the first piece.
    ///
    /// # Errors
    /// [`Unwritable`].
    fn open(&mut self, answers: &Answers) -> Result<(), Unwritable>;

    /// The next piece of the answer `index`.
    ///
    /// # Errors
    /// [`Unwritable`].
    fn piece(&mut self, index: usize, piece: Piece, answers: &Answers) -> Result<(), Unwritable>;

    /// What comes after the last piece. Gives the token counts that were told.
    ///
    /// # Errors
    /// [`Unwritable`].
    fn close(&mut self, answers: &Answers) -> Result<Usage, Unwritable>;

    /// An error halfway, as the last event.
    ///
    /// # Errors
    /// [`Unwritable`].
    fn failed(&mut self, error: &ApiError) -> Result<(), Unwritable> {
        Ok(event(self.events(), &error.body())?)
    }

    /// What is written and not yet sent.
    fn events(&mut self) -> &mut BytesMut;
}

/// An event cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritable {
    /// The answer fails: an event tells so.
    #[error("{0}")]
    Failed(ApiError),
    /// The connection breaks, so that the answer cannot be taken for whole.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    /// As above.
    #[error(transparent)]
    Receipt(#[from] UnsignableReceipt),
}

impl From<ApiError> for Unwritable {
    fn from(error: ApiError) -> Self {
        Self::Failed(error)
    }
}

/// Starts the stream once the engine has answered for the first time: until then an error still has a status.
///
/// # Errors
/// The engine refused the request, failed, or died before the first token.
pub(crate) async fn start<W: EventWriter + Unpin + 'static>(
    request: &HttpRequest,
    mut answers: Answers,
    mut writer: W,
) -> Result<HttpResponse, ApiError> {
    let (index, first) = answers.next().await.ok_or_else(|| ApiError::internal("a request has no answers"))??;
    let opened = writer.open(&answers).and_then(|()| writer.piece(index, first, &answers));
    opened.map_err(|error| match error {
        Unwritable::Failed(error) => error,
        error => ApiError::internal(format!("first event: {error}")),
    })?;
    let receipt = Some(StreamReceipt::take(request)?);
    let stream = EventStream { writer, answers, receipt, request_id: RequestId::of(request) };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(stream))
}

/// JSON has no line breaks of its own, so one `data:` line holds it.
///
/// # Errors
/// None that a type of ours gives rise to.
pub(crate) fn event(events: &mut BytesMut, data: &impl Serialize) -> serde_json::Result<()> {
    events.put_slice(b"data: ");
    serde_json::to_writer((&mut *events).writer(), data)?;
    events.put_slice(b"\n\n");
    Ok(())
}

/// The response body. It owns the answers, and with them the requests in the engine and the place at admission.
struct EventStream<W> {
    writer: W,
    answers: Answers,
    /// Open as long as more events come: an answer that fails halfway goes without.
    receipt: Option<StreamReceipt>,
    /// For the log.
    request_id: Option<RequestId>,
}

impl<W: EventWriter + Unpin> Stream for EventStream<W> {
    type Item = Result<Bytes, Unwritable>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while this.receipt.is_some() {
            let Poll::Ready(next) = this.answers.poll_next(context) else { break };
            let written = match next {
                Some(Ok((index, piece))) => this.writer.piece(index, piece, &this.answers),
                Some(Err(error)) => Err(error.into()),
                None => this.close(),
            };
            if let Err(error) = written.or_else(|error| this.failure(error)) {
                this.receipt = None;
                return Poll::Ready(Some(Err(error)));
            }
        }
        match (this.writer.events().is_empty(), &this.receipt) {
            (false, _) => Poll::Ready(Some(Ok(this.send()))),
            (true, None) => Poll::Ready(None),
            (true, Some(_)) => Poll::Pending,
        }
    }
}

impl<W: EventWriter> EventStream<W> {
    /// All that is ready. Closing the receipt has hashed the last events.
    fn send(&mut self) -> Bytes {
        let events = self.writer.events();
        if let Some(receipt) = &mut self.receipt {
            receipt.sent(events);
        }
        events.split().freeze()
    }

    fn close(&mut self) -> Result<(), Unwritable> {
        let usage = self.writer.close(&self.answers)?;
        let Some(receipt) = self.receipt.take() else { return Ok(()) };
        Ok(receipt.close(W::END, self.writer.events(), usage.into())?)
    }

    /// An error halfway is an event of its own; the missing receipt shows that the answer is not whole.
    fn failure(&mut self, error: Unwritable) -> Result<(), Unwritable> {
        let Unwritable::Failed(error) = error else { return Err(error) };
        if let Some(reason) = error.internal_reason() {
            let request_id = self.request_id.as_ref().map(RequestId::as_str);
            tracing::error!(request_id, reason, "a stream failed");
        }
        self.receipt = None;
        self.writer.failed(&error)
    }
}
