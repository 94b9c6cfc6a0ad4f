//! The middleware of routes whose responses have receipts.

use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
    web,
};
use blindllama_attest::digest::Sha256Digest;
use bytes::Bytes;

use super::{
    open::{OpenReceipt, TokenCounts},
    signer::ReceiptSigner,
};
use crate::{
    App,
    admission::Permit,
    observe::render_error,
    openai::error::ApiError,
    response_body::{HoldingBody, WholeBody},
    send_deadline::TimedBody,
};

/// The receipt of a whole response.
pub(crate) const X_RECEIPT: HeaderName = HeaderName::from_static("x-blindllama-receipt");

/// Opens a receipt for the request, and signs it unless the response is a stream, which does so itself.
///
/// Errors are rendered here: a receipt covers bytes that are final.
pub(crate) async fn receipted(
    app: web::Data<App>,
    signer: web::Data<ReceiptSigner>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let open = match OpenReceipt::open(app.clone(), signer, &mut request) {
        Ok(open) => open,
        Err(error) => return Ok(request.error_response(error)),
    };
    request.extensions_mut().insert(open);
    let response = render_error(next.call(request).await?);
    let open = response.request().extensions_mut().remove::<OpenReceipt>();
    let Some(open) = open else { return Ok(response.map_body(|_, body| TimedBody::boxed(body))) };
    let (request, response) = response.into_parts();
    let response = sign_whole(&app, request.method(), response, open).await.unwrap_or_else(HttpResponse::from_error);
    Ok(ServiceResponse::new(request, response.map_body(|_, body| TimedBody::boxed(body))))
}

/// Puts the receipt into a header. The body keeps the request's place at admission, where it has one, until it is sent.
///
/// # Errors
/// 500 if the body is not whole, or its receipt cannot be made.
async fn sign_whole(app: &App, method: &Method, response: HttpResponse, open: OpenReceipt) -> Result<HttpResponse, ApiError> {
    let failed = |reason: String| ApiError::internal(format!("receipt: {reason}"));
    let (mut response, body) = response.into_parts();
    let body = body.try_into_bytes().map_err(|_| failed("a stream was started that has not taken it".to_owned()))?;
    // HTTP sends no body in answer to HEAD (RFC 9110, section 9.3.2).
    let sent = if method == Method::HEAD { Bytes::new() } else { body.clone() };
    let digest = app.writing.run_sized(sent.len(), move || Sha256Digest::of(&[&sent])).await?;
    let tokens = response.extensions().get::<TokenCounts>().copied().unwrap_or_default();
    let receipt = open.close(response.status(), digest, tokens).map_err(|error| failed(error.to_string()))?;
    let header = HeaderValue::from_str(receipt.as_str()).map_err(|error| failed(error.to_string()))?;
    response.headers_mut().insert(X_RECEIPT, header);
    let place = response.extensions_mut().remove::<Permit>();
    Ok(response.set_body(HoldingBody::boxed(BoxBody::new(WholeBody(body)), place)))
}
