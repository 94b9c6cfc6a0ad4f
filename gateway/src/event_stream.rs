//! Answers as server-sent events (WHATWG HTML, section 9.2), with their receipt at the end.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    web,
};
use blindllama_attest::receipt::UnsignableReceipt;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::{FutureExt as _, stream::unfold};
use serde::Serialize;

use crate::{
    App,
    generation::{Answers, Piece},
    openai::{error::ApiError, usage::Usage},
    receipt::{StreamEnd, StreamReceipt},
    request_id::RequestId,
    response_body::PIECE_BYTES,
};

/// Writes answers as the events of one API.
pub(crate) trait EventWriter: Send + 'static {
    /// What this API's streams have after their receipt.
    const END: StreamEnd;

    /// What comes before the first piece; of each answer there are its token counts so far.
    ///
    /// # Errors
    /// [`Unwritable`].
    fn open(&mut self, so_far: &[Usage]) -> Result<(), Unwritable>;

    /// The next piece of the answer `index`, which has made so many tokens so far.
    ///
    /// # Errors
    /// [`Unwritable`].
    fn piece(&mut self, index: usize, piece: Piece, so_far: Usage) -> Result<(), Unwritable>;

    /// About how many bytes there are to be written for `piece`.
    fn bytes(&self, piece: &Piece) -> usize {
        piece.bytes
    }

    /// What comes after the last piece. Gives the token counts that were told.
    ///
    /// # Errors
    /// [`Unwritable`].
    fn close(&mut self, usage: Usage) -> Result<Usage, Unwritable>;

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
pub(crate) async fn start<W: EventWriter>(
    app: &web::Data<App>,
    request: &HttpRequest,
    mut answers: Answers,
    writer: W,
) -> Result<HttpResponse, ApiError> {
    let (index, first) = answers.next().await.ok_or_else(|| ApiError::internal("a request has no answers"))??;
    let so_far: Vec<_> = (0..answers.len()).map(|index| answers.usage_at(index)).collect();
    let first_so_far = answers.usage_at(index);
    let open = move |writer: &mut W| writer.open(&so_far).and_then(|()| writer.piece(index, first, first_so_far));
    let (writer, opened) = write(app, answers.bytes(), Box::new(writer), open).await?;
    opened.map_err(|error| match error {
        Unwritable::Failed(error) => error,
        error => ApiError::internal(format!("first event: {error}")),
    })?;
    let receipt = Some(StreamReceipt::take(request)?);
    let request_id = RequestId::of(request);
    let sending = Box::new(Sending { app: web::Data::clone(app), answers, told: None, receipt, request_id });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .streaming(unfold(Some((writer, sending)), |state| async {
            let (writer, sending) = state?;
            next(writer, sending).await
        })))
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

/// What a response body has beside its writer. It owns the answers, and with them the requests in the engine and the place at
/// admission.
struct Sending {
    app: web::Data<App>,
    answers: Answers,
    /// Token counts, once all events are written.
    told: Option<Usage>,
    /// Open as long as more bytes come: an answer that fails halfway goes without.
    receipt: Option<StreamReceipt>,
    /// For the log.
    request_id: Option<RequestId>,
}

/// What is left of a stream after some bytes; `None` if it broke. Boxed, since it is handed on with each token.
type Rest<W> = Option<(Box<W>, Box<Sending>)>;

/// The next bytes: what the engine had ready, but not more than goes out at a time. `None` at the end.
async fn next<W: EventWriter>(mut writer: Box<W>, mut sending: Box<Sending>) -> Option<(Result<Bytes, Unwritable>, Rest<W>)> {
    while sending.receipt.is_some() && sending.told.is_none() && writer.events().len() < PIECE_BYTES {
        let ready = if writer.events().is_empty() {
            sending.answers.next().await
        } else {
            match sending.answers.next().now_or_never() {
                Some(ready) => ready,
                None => break,
            }
        };
        writer = match sending.take(writer, ready).await {
            Ok(writer) => writer,
            Err(error) => return Some((Err(error), None)),
        };
    }
    if let Err(error) = sending.close::<W>(writer.events()) {
        return Some((Err(error), None));
    }
    let events = writer.events();
    if events.is_empty() {
        return None;
    }
    let piece = events.split_to(events.len().min(PIECE_BYTES)).freeze();
    if let Some(receipt) = &mut sending.receipt {
        receipt.sent(&piece);
    }
    Some((Ok(piece), Some((writer, sending))))
}

/// Writes about `bytes` bytes, away from the connection's thread if they are many.
///
/// # Errors
/// 500 if `events` panics.
async fn write<W: EventWriter, T: Send + 'static>(
    app: &App,
    bytes: usize,
    mut writer: Box<W>,
    events: impl FnOnce(&mut W) -> T + Send + 'static,
) -> Result<(Box<W>, T), ApiError> {
    app.writing
        .run_sized(bytes, move || {
            let written = events(&mut writer);
            (writer, written)
        })
        .await
}

impl Sending {
    /// Writes what the engine had ready.
    async fn take<W: EventWriter>(
        &mut self,
        writer: Box<W>,
        ready: Option<Result<(usize, Piece), ApiError>>,
    ) -> Result<Box<W>, Unwritable> {
        let (mut writer, written) = match ready {
            Some(Ok((index, piece))) => {
                let (bytes, so_far) = (writer.bytes(&piece), self.answers.usage_at(index));
                let piece = move |writer: &mut W| writer.piece(index, piece, so_far).map(|()| None);
                write(&self.app, bytes, writer, piece).await?
            }
            Some(Err(error)) => (writer, Err(error.into())),
            None => {
                let usage = self.answers.usage();
                write(&self.app, self.answers.bytes(), writer, move |writer| writer.close(usage).map(Some)).await?
            }
        };
        match written {
            Ok(told) => self.told = told,
            Err(Unwritable::Failed(error)) => self.fail(&error, &mut *writer)?,
            Err(error) => return Err(error),
        }
        Ok(writer)
    }

    /// Ends the stream after its last bytes, which `events` are then. Closing the receipt hashes them.
    fn close<W: EventWriter>(&mut self, events: &mut BytesMut) -> Result<(), Unwritable> {
        let Some(told) = self.told.filter(|_| events.len() < PIECE_BYTES) else { return Ok(()) };
        let Some(receipt) = self.receipt.take() else { return Ok(()) };
        Ok(receipt.close(W::END, events, told.into())?)
    }

    /// An error halfway is an event of its own; the missing receipt shows that the answer is not whole.
    fn fail(&mut self, error: &ApiError, writer: &mut impl EventWriter) -> Result<(), Unwritable> {
        if let Some(reason) = error.internal_reason() {
            let request_id = self.request_id.as_ref().map(RequestId::as_str);
            tracing::error!(request_id, reason, "a stream failed");
        }
        self.receipt = None;
        writer.failed(error)
    }
}
