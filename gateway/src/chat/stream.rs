//! The answer as server-sent events (WHATWG HTML, section 9.2), in OpenAI's chunks.

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

use super::{
    generation::{Generation, Piece},
    handler::Head,
};
use crate::{
    openai::{
        error::ApiError,
        response::{ChatCompletionChunk, ChunkChoice, Delta, FinishReason, Usage},
    },
    receipt::StreamReceipt,
    request_id::RequestId,
};

/// Starts the stream once the engine has answered for the first time: until then an error still has a status.
///
/// # Errors
/// The engine refused the request, failed, or died before the first token.
pub(super) async fn start(
    request: &HttpRequest,
    head: Head,
    mut generation: Generation,
    include_usage: bool,
) -> Result<HttpResponse, ApiError> {
    let first = generation.next().await?;
    let receipt = Some(StreamReceipt::take(request)?);
    let mut stream = EventStream { head, generation, include_usage, events: BytesMut::new(), receipt };
    stream.open(&first).map_err(|error| ApiError::internal(format!("first chunk: {error}")))?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(stream))
}

/// The response body. It owns the generation, and with it the request in the engine and the place at admission.
struct EventStream {
    head: Head,
    generation: Generation,
    include_usage: bool,
    /// Events that are ready to be sent: all that the engine had ready go out in one write.
    events: BytesMut,
    /// Open as long as more events come: an answer that fails halfway goes without.
    receipt: Option<StreamReceipt>,
}

/// An event cannot be written: the connection breaks, so that the answer cannot be taken for whole.
#[derive(Debug, thiserror::Error)]
enum Unwritable {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Receipt(#[from] UnsignableReceipt),
}

impl Stream for EventStream {
    type Item = Result<Bytes, Unwritable>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while this.receipt.is_some() {
            let Poll::Ready(next) = this.generation.poll_next(context) else { break };
            let written = match next {
                Ok(piece) => this.piece(&piece),
                Err(error) => this.failure(&error),
            };
            if let Err(error) = written {
                this.receipt = None;
                return Poll::Ready(Some(Err(error)));
            }
        }
        match (this.events.is_empty(), &this.receipt) {
            (false, _) => Poll::Ready(Some(Ok(this.send()))),
            (true, None) => Poll::Ready(None),
            (true, Some(_)) => Poll::Pending,
        }
    }
}

impl EventStream {
    /// All that is ready. Closing the receipt has hashed the last events.
    fn send(&mut self) -> Bytes {
        if let Some(receipt) = &mut self.receipt {
            receipt.sent(&self.events);
        }
        self.events.split().freeze()
    }

    fn open(&mut self, first: &Piece) -> Result<(), Unwritable> {
        self.delta(Delta { role: Some("assistant"), content: Some("") }, None)?;
        self.piece(first)
    }

    fn piece(&mut self, piece: &Piece) -> Result<(), Unwritable> {
        if !piece.text.is_empty() {
            self.delta(Delta { role: None, content: Some(&piece.text) }, None)?;
        }
        let Some(finish_reason) = piece.finish else { return Ok(()) };
        self.delta(Delta::default(), Some(finish_reason))?;
        if self.include_usage {
            self.chunk(&[], Some(Some(self.generation.usage())))?;
        }
        let Some(receipt) = self.receipt.take() else { return Ok(()) };
        Ok(receipt.close(&mut self.events, self.generation.usage().into())?)
    }

    /// An error halfway is an event of its own; the missing receipt and `[DONE]` show that the answer is not whole.
    fn failure(&mut self, error: &ApiError) -> Result<(), Unwritable> {
        if let Some(reason) = error.internal_reason() {
            let request_id = self.head.request_id.as_ref().map(RequestId::as_str);
            tracing::error!(request_id, reason, "a stream failed");
        }
        self.receipt = None;
        event(&mut self.events, &error.body())
    }

    fn delta(&mut self, delta: Delta<'_>, finish_reason: Option<FinishReason>) -> Result<(), Unwritable> {
        // Where usage was asked for, OpenAI has `"usage": null` in all chunks but the last.
        let usage = self.include_usage.then_some(None);
        self.chunk(&[ChunkChoice { index: 0, delta, logprobs: None, finish_reason }], usage)
    }

    fn chunk(&mut self, choices: &[ChunkChoice<'_>], usage: Option<Option<Usage>>) -> Result<(), Unwritable> {
        let Head { id, created, model, .. } = &self.head;
        let chunk = ChatCompletionChunk { id, object: "chat.completion.chunk", created: *created, model, choices, usage };
        event(&mut self.events, &chunk)
    }
}

/// JSON has no line breaks of its own, so one `data:` line holds it.
fn event(events: &mut BytesMut, data: &impl Serialize) -> Result<(), Unwritable> {
    events.put_slice(b"data: ");
    serde_json::to_writer((&mut *events).writer(), data)?;
    events.put_slice(b"\n\n");
    Ok(())
}
