//! How much one connection may ask for at a time.

use std::{any::Any, cell::Cell, rc::Rc};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{Extensions, ServiceRequest, ServiceResponse},
    middleware::Next,
};

use crate::openai::error::ApiError;

/// Requests of one HTTP/2 connection that wait for a response's head. Further ones are turned away, since the library sets no
/// bound of its own on the streams of a connection.
const MAX_WAITING: usize = 256;

/// How many requests of a connection wait.
struct Waiting(Rc<Cell<usize>>);

/// One of them.
struct WaitingRequest(Rc<Cell<usize>>);

/// Starts counting; for [`actix_web::HttpServer::on_connect`].
pub(crate) fn count_waiting(_connection: &dyn Any, data: &mut Extensions) {
    data.insert(Waiting(Rc::new(Cell::new(0))));
}

/// The middleware that turns requests away where their connection has too many.
pub(crate) async fn bound_waiting(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match WaitingRequest::begin(&request) {
        Ok(_waiting) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(error) => Ok(request.error_response(error)),
    }
}

impl WaitingRequest {
    fn begin(request: &ServiceRequest) -> Result<Self, ApiError> {
        let uncounted = || ApiError::internal("a connection's requests are not counted");
        let Waiting(waiting) = request.request().conn_data().ok_or_else(uncounted)?;
        if waiting.get() >= MAX_WAITING {
            return Err(ApiError::overloaded());
        }
        waiting.set(waiting.get().saturating_add(1));
        Ok(Self(Rc::clone(waiting)))
    }
}

impl Drop for WaitingRequest {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
