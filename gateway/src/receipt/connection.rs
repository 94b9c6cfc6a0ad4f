//! The number of an inference request within its TLS connection.

use std::{any::Any, cell::Cell};

use actix_web::{HttpRequest, dev::Extensions};

/// What the next inference request on this connection is called, in the order of their heads.
struct NextRequest(Cell<u64>);

/// Starts counting; for [`actix_web::HttpServer::on_connect`].
pub(crate) fn number_requests(_connection: &dyn Any, data: &mut Extensions) {
    data.insert(NextRequest(Cell::new(0)));
}

/// The number of this request, which no other request on its connection gets; `None` where nothing was counted.
pub(super) fn take_number(request: &HttpRequest) -> Option<u64> {
    let NextRequest(next) = request.conn_data()?;
    let number = next.get();
    next.set(number.saturating_add(1));
    Some(number)
}
