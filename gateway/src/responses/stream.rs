//! The response as typed server-sent events.

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

use super::{events::Events, handler::Head, output::Output};
use crate::{
    generation::{Answers, Piece},
    openai::{
        error::ApiError,
        response::{ResponseStatus, ResponseUsage},
        response_events::{ErrorEvent, ResponseEvent},
    },
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
    speaking: &Speaking,
) -> Result<HttpResponse, ApiError> {
    let (_, first) = answers.next().await.ok_or_else(|| ApiError::internal("a request has no answer"))??;
    let (speech, output, status) = (speaking.speech(), Output::new(Events::new(true)), ResponseStatus::InProgress);
    let mut stream = EventStream { head, answers, speech, output, status, receipt: None };
    stream.lifecycle("response.created", None)?;
    stream.lifecycle("response.in_progress", None)?;
    stream.piece(first)?;
    // Whatever fails before is an error with a receipt of its own.
    stream.receipt = Some(StreamReceipt::take(request)?);
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(stream))
}

/// The response body. It owns the answer, and with it the request in the engine and the place at admission.
struct EventStream {
    head: Head,
    answers: Answers,
    speech: Speech,
    output: Output,
    status: ResponseStatus,
    /// Open as long as more events come: an answer that fails halfway goes without.
    receipt: Option<StreamReceipt>,
}

/// The stream cannot be ended: the connection breaks, so that the answer cannot be taken for whole.
#[derive(Debug, thiserror::Error)]
enum Unwritable {
    #[error(transparent)]
    Event(#[from] ApiError),
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
                Some(next) => next.and_then(|(_, piece)| this.piece(piece)).or_else(|error| this.failure(&error)),
                None => this.close(),
            };
            if let Err(error) = written {
                this.receipt = None;
                return Poll::Ready(Some(Err(error)));
            }
        }
        match (this.output.events.ready().is_empty(), &this.receipt) {
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
            receipt.sent(self.output.events.ready());
        }
        self.output.events.take()
    }

    fn lifecycle(&mut self, event: &'static str, usage: Option<ResponseUsage>) -> Result<(), ApiError> {
        let response = self.head.response(self.status, &self.output.items, usage);
        self.output.events.write(event, &ResponseEvent { response })
    }

    fn piece(&mut self, piece: Piece) -> Result<(), ApiError> {
        let tokens = piece.token_ids.len();
        let said = self.speech.say(piece)?;
        self.status = self.output.say(tokens, said)?.unwrap_or(self.status);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Unwritable> {
        let usage = self.answers.usage();
        let event = match self.status {
            ResponseStatus::Incomplete => "response.incomplete",
            ResponseStatus::Completed | ResponseStatus::InProgress => "response.completed",
        };
        self.lifecycle(event, Some(ResponseUsage::new(usage, self.output.reasoning_tokens())))?;
        let Some(receipt) = self.receipt.take() else { return Ok(()) };
        Ok(receipt.close_without_done(self.output.events.ready(), usage.into())?)
    }

    /// An error halfway is an event of its own; the missing receipt shows that the answer is not whole.
    fn failure(&mut self, error: &ApiError) -> Result<(), Unwritable> {
        if let Some(reason) = error.internal_reason() {
            let request_id = self.head.request_id.as_ref().map(RequestId::as_str);
            tracing::error!(request_id, reason, "a stream failed");
        }
        self.receipt = None;
        let body = error.body().error;
        let event = ErrorEvent { code: body.code.unwrap_or(body.r#type), message: body.message, param: body.param };
        Ok(self.output.events.write("error", &event)?)
    }
}
