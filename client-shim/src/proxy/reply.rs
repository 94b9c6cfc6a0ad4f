//! The shim's own answers, errors in OpenAI's shape.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

use super::{forward::Failure, guard::Forbidden};

/// The process runs; whether the gateway is verified is another question.
pub(super) fn alive() -> Response<Full<Bytes>> {
    json(StatusCode::OK, &json!({"status": "ok"}))
}

pub(super) fn not_found() -> Response<Full<Bytes>> {
    let message = "This is the local BlindLlama proxy: it forwards paths below /v1/, /tokenize, /detokenize, /version, /health and \
                   /openapi.json, and nothing else.";
    error(StatusCode::NOT_FOUND, message, "invalid_request_error", "not_found")
}

pub(super) fn forbidden(reason: Forbidden) -> Response<Full<Bytes>> {
    let (status, code) = match reason {
        Forbidden::Origin => (StatusCode::FORBIDDEN, "origin_refused"),
        Forbidden::Host => (StatusCode::FORBIDDEN, "host_refused"),
        Forbidden::OldHttp => (StatusCode::HTTP_VERSION_NOT_SUPPORTED, "http_version_refused"),
    };
    error(status, &reason.to_string(), "invalid_request_error", code)
}

pub(super) fn failure(failure: &Failure) -> Response<Full<Bytes>> {
    let status = if failure.is_timeout() { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
    error(status, &failure.to_string(), failure.kind(), failure.code())
}

fn error(status: StatusCode, message: &str, kind: &str, code: &str) -> Response<Full<Bytes>> {
    json(status, &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
