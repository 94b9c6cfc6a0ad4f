//! The answer as server-sent events, in OpenAI's chunks.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
};
use blindllama_attest::receipt::UnsignableReceipt;
use bytes::Bytes;
use futures_util::Stream;

use super::{
    chunks::{Chunks, event},
    handler::Head,
};
use crate::{
    generation::{Answers, Piece},
    openai::{error::ApiError, usage::Usage},
    parameters::StreamUsage,
    receipt::StreamReceipt,
    request_id::RequestId,
    speech::{Speaking, Speech},
};

/// Starts the stream once the engine has answered for the first time: until then an error still has a status.
///
/// # Errors
/// The engine refused the request, failed, or died before the first token.
pub(super) async fn start(
    request: &HttpRequest,
    head: Head,
    mut answers: Answers,
    speaking: Speaking,
    usage: StreamUsage,
) -> Result<HttpResponse, ApiError> {
    let (index, first) = answers.next().await.ok_or_else(|| ApiError::internal("a request has no answers"))??;
    let receipt = Some(StreamReceipt::take(request)?);
    let speeches = (0..answers.len()).map(|_| speaking.speech()).collect();
    let chunks = Chunks::new(head, speaking.options.reasoning_content);
    let mut stream = EventStream { chunks, answers, speeches, usage, receipt };
    let opened = stream.open(&speaking).and_then(|()| stream.piece(index, first));
    opened.map_err(|error| ApiError::internal(format!("first chunk: {error}")))?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(stream))
}

/// The response body. It owns the answers, and with them the requests in the engine and the place at admission.
struct EventStream {
    chunks: Chunks,
    answers: Answers,
    speeches: Vec<Speech>,
    usage: StreamUsage,
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
            let Poll::Ready(next) = this.answers.poll_next(context) else { break };
            let written = match next {
                Some(Ok((index, piece))) => this.piece(index, piece),
                Some(Err(error)) => this.failure(&error),
                None => this.close(),
            };
            if let Err(error) = written {
                this.receipt = None;
                return Poll::Ready(Some(Err(error)));
            }
        }
        match (this.chunks.events.is_empty(), &this.receipt) {
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
            receipt.sent(&self.chunks.events);
        }
        self.chunks.events.split().freeze()
    }

    fn open(&mut self, speaking: &Speaking) -> Result<(), Unwritable> {
        for index in 0..self.speeches.len() {
            let usage = self.usage_at(index);
            self.chunks.open(index, speaking.options.role, usage)?;
            if let Some(text) = &speaking.options.echo {
                self.chunks.echo(index, text, usage)?;
            }
        }
        Ok(())
    }

    fn piece(&mut self, index: usize, piece: Piece) -> Result<(), Unwritable> {
        let usage = self.usage_at(index);
        let Some(speech) = self.speeches.get_mut(index) else { return Ok(()) };
        match speech.say(piece) {
            Ok(said) => Ok(self.chunks.said(index, said, usage)?),
            Err(error) => self.failure(&error),
        }
    }

    fn close(&mut self) -> Result<(), Unwritable> {
        let usage = self.answers.usage();
        if self.usage.at_end {
            self.chunks.usage(usage)?;
        }
        let Some(receipt) = self.receipt.take() else { return Ok(()) };
        Ok(receipt.close(&mut self.chunks.events, usage.into())?)
    }

    /// An error halfway is an event of its own; the missing receipt and `[DONE]` show that the answer is not whole.
    fn failure(&mut self, error: &ApiError) -> Result<(), Unwritable> {
        if let Some(reason) = error.internal_reason() {
            let request_id = self.chunks.head().request_id.as_ref().map(RequestId::as_str);
            tracing::error!(request_id, reason, "a stream failed");
        }
        self.receipt = None;
        Ok(event(&mut self.chunks.events, &error.body())?)
    }

    /// Where usage was asked for, OpenAI has `"usage": null` in all chunks but the last.
    fn usage_at(&self, index: usize) -> Option<Option<Usage>> {
        match self.usage {
            StreamUsage { continuous: true, .. } => Some(Some(self.answers.usage_at(index))),
            StreamUsage { at_end: true, .. } => Some(None),
            StreamUsage { .. } => None,
        }
    }
}
