//! Clients of HTTP/2 that go away.
//!
//! With HTTP/1.1 the server drops a request's future, or its response's body, when the connection closes. A stream of HTTP/2
//! that is reset, or whose connection closes, it leaves to itself until there is something to send. So what runs for such a
//! stream has to look whether somebody still waits.

use std::{
    cell::RefCell,
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::{
    HttpMessage as _,
    dev::{Payload, ServiceRequest},
    error::PayloadError,
    http::Version,
};
use bytes::Bytes;
use futures_util::Stream;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The library wakes nobody when a stream is reset whose request is complete, but it tells whoever asks. Asking takes a lock.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Whether the client of one request has gone.
pub(crate) struct Departure(Option<WatchedStream>);

struct WatchedStream {
    body: Rc<RefCell<RequestBody>>,
    ask: Interval,
}

/// The request's body, which tells of a reset too.
struct RequestBody {
    payload: Payload,
    /// What came when the body was asked for the sake of the reset, until the handler reads on.
    read_ahead: Option<Bytes>,
}

impl Departure {
    /// Watches the stream of `request`; nothing where the connection speaks HTTP/1.1.
    pub(crate) fn watch(request: &mut ServiceRequest) -> Self {
        if request.version() != Version::HTTP_2 {
            return Self(None);
        }
        let body = Rc::new(RefCell::new(RequestBody { payload: request.take_payload(), read_ahead: None }));
        request.set_payload(Payload::Stream { payload: Box::pin(SharedBody(Rc::clone(&body))) });
        let mut ask = interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(Some(WatchedStream { body, ask }))
    }

    /// Resolves when the client has gone.
    pub(crate) async fn gone(&mut self) {
        poll_fn(|context| self.poll_gone(context)).await;
    }

    /// As [`Departure::gone`], for a response body.
    pub(crate) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = &mut self.0 else { return Poll::Pending };
        loop {
            ready!(stream.ask.poll_tick(context));
            if stream.body.borrow_mut().is_closed(context) {
                return Poll::Ready(());
            }
        }
    }
}

impl RequestBody {
    /// Whether the stream was reset, before or after the end of the body.
    fn is_closed(&mut self, context: &mut Context<'_>) -> bool {
        if self.read_ahead.is_some() {
            return false;
        }
        match Pin::new(&mut self.payload).poll_next(context) {
            Poll::Ready(Some(Err(_))) => true,
            Poll::Ready(Some(Ok(bytes))) => {
                self.read_ahead = Some(bytes);
                false
            }
            Poll::Ready(None) | Poll::Pending => false,
        }
    }
}

/// The body as the handler reads it.
struct SharedBody(Rc<RefCell<RequestBody>>);

impl Stream for SharedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut body = self.0.borrow_mut();
        match body.read_ahead.take() {
            Some(bytes) => Poll::Ready(Some(Ok(bytes))),
            None => Pin::new(&mut body.payload).poll_next(context),
        }
    }
}
