//! The answer as server-sent events (WHATWG HTML, section 9.2), in OpenAI's chunks.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
};
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
    request_id::RequestId,
};

/// Starts the stream once the engine has answered for the first time: until then an error still has a status.
///
/// # Errors
/// The engine refused the request, failed, or died before the first token.
pub(super) async fn start(head: Head, mut generation: Generation, include_usage: bool) -> Result<HttpResponse, ApiError> {
    let first = generation.next().await?;
    let mut stream = EventStream { head, generation, include_usage, events: BytesMut::new(), ended: false };
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
    ended: bool,
}

impl Stream for EventStream {
    type Item = Result<Bytes, serde_json::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.ended {
            let Poll::Ready(next) = this.generation.poll_next(context) else { break };
            let written = match next {
                Ok(piece) => this.piece(&piece),
                Err(error) => this.failure(&error),
            };
            if let Err(error) = written {
                this.ended = true;
                return Poll::Ready(Some(Err(error)));
            }
        }
        match (this.events.is_empty(), this.ended) {
            (false, _) => Poll::Ready(Some(Ok(this.events.split().freeze()))),
            (true, true) => Poll::Ready(None),
            (true, false) => Poll::Pending,
        }
    }
}

impl EventStream {
    fn open(&mut self, first: &Piece) -> Result<(), serde_json::Error> {
        self.delta(Delta { role: Some("assistant"), content: Some("") }, None)?;
        self.piece(first)
    }

    fn piece(&mut self, piece: &Piece) -> Result<(), serde_json::Error> {
        if !piece.text.is_empty() {
            self.delta(Delta { role: None, content: Some(&piece.text) }, None)?;
        }
        let Some(finish_reason) = piece.finish else { return Ok(()) };
        self.delta(Delta::default(), Some(finish_reason))?;
        if self.include_usage {
            self.chunk(&[], Some(Some(self.generation.usage())))?;
        }
        self.events.put_slice(b"data: [DONE]\n\n");
        self.ended = true;
        Ok(())
    }

    /// An error halfway is an event of its own; the missing `[DONE]` shows that the answer is not whole.
    fn failure(&mut self, error: &ApiError) -> Result<(), serde_json::Error> {
        if let Some(reason) = error.internal_reason() {
            let request_id = self.head.request_id.as_ref().map(RequestId::as_str);
            tracing::error!(request_id, reason, "a stream failed");
        }
        self.ended = true;
        event(&mut self.events, &error.body())
    }

    fn delta(&mut self, delta: Delta<'_>, finish_reason: Option<FinishReason>) -> Result<(), serde_json::Error> {
        // Where usage was asked for, OpenAI has `"usage": null` in all chunks but the last.
        let usage = self.include_usage.then_some(None);
        self.chunk(&[ChunkChoice { index: 0, delta, logprobs: None, finish_reason }], usage)
    }

    fn chunk(&mut self, choices: &[ChunkChoice<'_>], usage: Option<Option<Usage>>) -> Result<(), serde_json::Error> {
        let Head { id, created, model, .. } = &self.head;
        let chunk = ChatCompletionChunk { id, object: "chat.completion.chunk", created: *created, model, choices, usage };
        event(&mut self.events, &chunk)
    }
}

/// JSON has no line breaks of its own, so one `data:` line holds it.
fn event(events: &mut BytesMut, data: &impl Serialize) -> Result<(), serde_json::Error> {
    events.put_slice(b"data: ");
    serde_json::to_writer((&mut *events).writer(), data)?;
    events.put_slice(b"\n\n");
    Ok(())
}
