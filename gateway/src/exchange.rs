//! A request and its response, as the log and the metrics see them.

use std::{
    error::Error,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    http::StatusCode,
    web,
};
use bytes::Bytes;

use crate::{App, departure::Departure, request_id::RequestId, routes::Route};

/// The status under which a request is logged whose client went away: nginx's, since HTTP has none.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// A request from its head to the end of its response. Dropped before that, it says that the client has gone.
pub(crate) struct Exchange {
    app: web::Data<App>,
    id: RequestId,
    route: Route,
    started: Instant,
    ended: bool,
}

impl Exchange {
    /// The request's head has arrived.
    pub(crate) fn begin(app: web::Data<App>, id: RequestId, route: Route) -> Self {
        Self { app, id, route, started: Instant::now(), ended: false }
    }

    /// Milliseconds since the request's head.
    pub(crate) fn milliseconds(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The response is complete.
    pub(crate) fn end(mut self, status: StatusCode) {
        self.ended = true;
        self.app.metrics.answered(self.route, status);
        self.log(status.as_u16());
    }

    /// Ends with `body`: at once if it is whole, which is then the library's to send; a stream with its last event.
    pub(crate) fn end_with(self, status: StatusCode, body: BoxBody, departure: Departure) -> BoxBody {
        if matches!(body.size(), BodySize::Stream) {
            BoxBody::new(ObservedStream { body, exchange: Some(self), status, departure })
        } else {
            self.end(status);
            body
        }
    }

    fn log(&self, status: u16) {
        let (request_id, route, milliseconds) = (self.id.as_str(), self.route, self.milliseconds());
        tracing::info!(request_id, ?route, status, milliseconds, "answered");
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            self.app.metrics.abandoned(self.route);
            self.log(CLIENT_CLOSED_REQUEST);
        }
    }
}

/// A response that is being sent as it is made.
struct ObservedStream {
    body: BoxBody,
    exchange: Option<Exchange>,
    status: StatusCode,
    departure: Departure,
}

impl ObservedStream {
    fn end(&mut self, status: StatusCode) {
        if let Some(exchange) = self.exchange.take() {
            exchange.end(status);
        }
    }
}

impl MessageBody for ObservedStream {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Poll::Ready(next) = Pin::new(&mut self.body).poll_next(context) else {
            // To end is to be dropped: there is nobody who could take the end for that of a whole answer.
            ready!(self.departure.poll_gone(context));
            return Poll::Ready(None);
        };
        match &next {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.end(StatusCode::INTERNAL_SERVER_ERROR),
            None => {
                let status = self.status;
                self.end(status);
            }
        }
        Poll::Ready(next)
    }
}
