//! How much one connection may ask for at a time.

use std::{any::Any, cell::Cell, rc::Rc};

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{Extensions, ServiceRequest, ServiceResponse},
    http::header::CONTENT_TYPE,
    middleware::Next,
};

use crate::{openai::error::ApiError, response_body::HoldingBody};

/// Requests of one HTTP/2 connection whose responses are not sent to their end. Further ones are turned away, since the
/// library sets no bound of its own on the streams of a connection, and a client that reads nothing makes the server keep all
/// of them.
const MAX_OPEN: usize = 512;

/// How many requests of a connection are open.
struct Open(Rc<Cell<usize>>);

/// One of them.
struct OpenRequest(Rc<Cell<usize>>);

/// Starts counting; for [`actix_web::HttpServer::on_connect`].
pub(crate) fn count_open(_connection: &dyn Any, data: &mut Extensions) {
    data.insert(Open(Rc::new(Cell::new(0))));
}

/// The middleware that turns requests away where their connection has too many. Such a response is not counted, so it has no body,
/// which a client that reads nothing would make the server keep.
pub(crate) async fn bound_open(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match OpenRequest::begin(&request) {
        Ok(open) => Ok(next.call(request).await?.map_body(|_, body| HoldingBody::boxed(body.boxed(), open))),
        Err(error) => {
            let mut response = error.to_response(None);
            response.headers_mut().remove(CONTENT_TYPE);
            Ok(request.into_response(response.set_body(BoxBody::new(()))))
        }
    }
}

impl OpenRequest {
    fn begin(request: &ServiceRequest) -> Result<Self, ApiError> {
        let uncounted = || ApiError::internal("a connection's requests are not counted");
        let Open(open) = request.request().conn_data().ok_or_else(uncounted)?;
        if open.get() >= MAX_OPEN {
            return Err(ApiError::overloaded());
        }
        open.set(open.get().saturating_add(1));
        Ok(Self(Rc::clone(open)))
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}
