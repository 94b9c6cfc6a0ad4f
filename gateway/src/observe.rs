//! What every response gets: its id, the attestation headers, a line in the log and a count.

use std::time::Instant;

use actix_web::{
    Error, HttpMessage as _,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web,
};

use crate::{
    App,
    openai::error::ApiError,
    request_id::{RequestId, X_REQUEST_ID},
    routes::Route,
};

const X_BINDING: HeaderName = HeaderName::from_static("x-blindllama-binding");
const X_MODEL: HeaderName = HeaderName::from_static("x-blindllama-model");

/// The middleware around all routes.
pub(crate) async fn observe(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let id = RequestId::from_headers(request.headers()).map_err(|error| ApiError::internal(format!("request id: {error}")))?;
    request.extensions_mut().insert(id.clone());
    let mut response = render_error(next.call(request).await?);
    add_headers(&app, &mut response, &id)?;
    let (route, status) = (Route::of(response.request().match_pattern().as_deref()), response.status());
    app.metrics.answered(route, status);
    tracing::info!(
        request_id = id.as_str(),
        ?route,
        status = status.as_u16(),
        milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    Ok(response)
}

/// Errors are written and logged here, where the request's id is known. A response that was rendered stays as it is.
pub(crate) fn render_error(response: ServiceResponse<impl MessageBody + 'static>) -> ServiceResponse<BoxBody> {
    let Some(error) = response.response().error().and_then(|error| error.as_error::<ApiError>()) else {
        return response.map_into_boxed_body();
    };
    let id = RequestId::of(response.request());
    if let Some(reason) = error.internal_reason() {
        tracing::error!(request_id = id.as_ref().map(RequestId::as_str), reason, "internal error");
    }
    let rendered = error.to_response(id.as_ref());
    response.into_response(rendered)
}

fn add_headers(app: &App, response: &mut ServiceResponse<BoxBody>, id: &RequestId) -> Result<(), ApiError> {
    let binding = app.attestation.binding();
    let attested = [(X_BINDING, binding.digest().digest()), (X_MODEL, binding.model_sha256)];
    let headers = response.headers_mut();
    let invalid = |error| ApiError::internal(format!("response header: {error}"));
    headers.insert(X_REQUEST_ID, id.to_header().map_err(invalid)?);
    for (name, digest) in attested {
        headers.insert(name, HeaderValue::from_str(&format!("sha256:{digest}")).map_err(invalid)?);
    }
    Ok(())
}
