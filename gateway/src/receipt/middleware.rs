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

use super::{
    open::{OpenReceipt, TokenCounts},
    signer::ReceiptSigner,
};
use crate::{App, observe::render_error, openai::error::ApiError};

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
    let open = match OpenReceipt::open(app, signer, &mut request) {
        Ok(open) => open,
        Err(error) => return Ok(request.error_response(error)),
    };
    request.extensions_mut().insert(open);
    let response = render_error(next.call(request).await?);
    let open = response.request().extensions_mut().remove::<OpenReceipt>();
    let Some(open) = open else { return Ok(response) };
    let (request, response) = response.into_parts();
    let response = sign_whole(request.method(), response, open).unwrap_or_else(HttpResponse::from_error);
    Ok(ServiceResponse::new(request, response))
}

/// Puts the receipt into a header.
///
/// # Errors
/// 500 if the body is not whole, or its receipt cannot be made.
fn sign_whole(method: &Method, response: HttpResponse, open: OpenReceipt) -> Result<HttpResponse, ApiError> {
    let failed = |reason: String| ApiError::internal(format!("receipt: {reason}"));
    let (response, body) = response.into_parts();
    let body = body.try_into_bytes().map_err(|_| failed("a stream was started that has not taken it".to_owned()))?;
    // HTTP sends no body in answer to HEAD (RFC 9110, section 9.3.2).
    let sent: &[u8] = if method == Method::HEAD { &[] } else { &body };
    let tokens = response.extensions().get::<TokenCounts>().copied().unwrap_or_default();
    let receipt = open.close(response.status(), Sha256Digest::of(&[sent]), tokens).map_err(|error| failed(error.to_string()))?;
    let header = HeaderValue::from_str(receipt.as_str()).map_err(|error| failed(error.to_string()))?;
    let mut response = response.set_body(BoxBody::new(body));
    response.headers_mut().insert(X_RECEIPT, header);
    Ok(response)
}
