//! What every response gets: its id, the attestation headers, a line in the log and a count; and OpenAI's headers and errors.

use std::{io, pin::pin};

use actix_web::{
    Error, HttpMessage as _, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web,
};
use futures_util::future::{Either, select};

use crate::{
    App,
    departure::Departure,
    exchange::Exchange,
    openai::error::ApiError,
    parameters::{IgnoredParameters, X_IGNORED},
    request_id::{RequestId, X_REQUEST_ID},
    routes::{OPENAI_PREFIX, Route},
};

/// The digest of the binding that evidence proves.
pub(crate) const X_BINDING: HeaderName = HeaderName::from_static("x-blindllama-binding");
/// The digest of the model's weights.
pub(crate) const X_MODEL: HeaderName = HeaderName::from_static("x-blindllama-model");

/// Milliseconds until the response's head.
pub(crate) const OPENAI_PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");

/// The version of OpenAI's API that this one follows.
pub(crate) const OPENAI_VERSION: HeaderName = HeaderName::from_static("openai-version");

/// The middleware around everything else.
pub(crate) async fn observe(
    app: web::Data<App>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = RequestId::from_headers(request.headers()).map_err(|error| ApiError::internal(format!("request id: {error}")))?;
    request.extensions_mut().insert(id.clone());
    let exchange = Exchange::begin(app.clone(), id.clone(), Route::of(request.match_pattern().as_deref()));
    let mut departure = Departure::watch(&mut request);
    let answered = match select(pin!(next.call(request)), pin!(departure.gone())).await {
        Either::Left((answered, _)) => answered,
        // Nobody reads this error; the exchange is dropped, and with it goes all that ran for it.
        Either::Right(_) => return Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
    };
    let mut response = match answered {
        Ok(response) => render_error(response),
        Err(error) => {
            exchange.end(error.as_response_error().status_code());
            return Err(error);
        }
    };
    add_headers(&app, &mut response, &id)?;
    if response.request().path().starts_with(OPENAI_PREFIX) {
        response.headers_mut().insert(OPENAI_PROCESSING_MS, exchange.milliseconds().into());
        response.headers_mut().insert(OPENAI_VERSION, HeaderValue::from_static("2020-10-01"));
    }
    if let Some(ignored) = IgnoredParameters::header(response.request()) {
        response.headers_mut().insert(X_IGNORED, ignored);
    }
    let status = response.status();
    Ok(response.map_body(|_, body| exchange.end_with(status, body, departure)))
}

/// The middleware that writes errors, around the routes: whatever comes after it sees responses only.
pub(crate) async fn render_errors(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    Ok(render_error(next.call(request).await?))
}

/// Errors are written and logged here, where the request's id is known. A response that was rendered stays as it is.
pub(crate) fn render_error(response: ServiceResponse<impl MessageBody + 'static>) -> ServiceResponse<BoxBody> {
    let Some(error) = response.response().error() else {
        return response.map_into_boxed_body();
    };
    let id = RequestId::of(response.request());
    let rendered = match error.as_error::<ApiError>() {
        Some(error) => render(error, id.as_ref()),
        None => render(&ApiError::of_the_library(error), id.as_ref()),
    };
    response.into_response(rendered)
}

fn render(error: &ApiError, id: Option<&RequestId>) -> HttpResponse {
    if let Some(reason) = error.internal_reason() {
        tracing::error!(request_id = id.map(RequestId::as_str), reason, "internal error");
    }
    error.to_response(id)
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
