//! Errors as OpenAI writes them, and the one place where they become responses.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};
use blindllama_engine::EngineError;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{content_coding, request_id::RequestId};

/// The longest method and path, in characters, that an error repeats.
const MAX_REPEATED: usize = 128;

/// The longest message, and the longest name of a parameter, in bytes: what they repeat is the client's, and an error needs
/// no place at admission while it is sent.
const LONGEST: usize = 2048;

/// Seconds after which a client that was turned away may try again.
const RETRY_AFTER_SECONDS: &str = "1";

/// What a client is told instead of an answer.
///
/// The message goes to the client only. What an operator has to know beside it is kept apart in `internal`, goes to the
/// log only, and never holds content.
pub struct ApiError {
    status: ErrorStatus,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
    internal: Option<String>,
}

/// The statuses that an error can have: 4xx and 5xx only, by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ErrorStatus {
    BadRequest,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    PayloadTooLarge,
    UriTooLong,
    UnsupportedMediaType,
    TooManyRequests,
    Internal,
    Unavailable,
    Overloaded,
}

impl ErrorStatus {
    const fn code(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// OpenAI's `type`.
    const fn kind(self) -> &'static str {
        match self {
            Self::Internal | Self::Unavailable | Self::Overloaded => "server_error",
            Self::TooManyRequests => "requests",
            _ => "invalid_request_error",
        }
    }
}

/// An error; also an event in a stream that fails halfway.
#[derive(Serialize, JsonSchema)]
pub struct ErrorBody<'a> {
    /// What went wrong.
    pub(crate) error: ErrorObject<'a>,
}

/// What went wrong.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ErrorObject<'a> {
    /// For people.
    pub(crate) message: &'a str,
    /// Its kind: `invalid_request_error`, `requests` (too many of them) or `server_error`.
    pub(crate) r#type: &'a str,
    /// The parameter at fault, as a path.
    pub(crate) param: Option<&'a str>,
    /// For programs, where the kind says too little.
    pub(crate) code: Option<&'a str>,
}

impl ApiError {
    fn new(status: ErrorStatus, message: impl Into<String>) -> Self {
        Self { status, message: shortened(message.into()), param: None, code: None, internal: None }
    }

    /// 400: the request says something that cannot be.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorStatus::BadRequest, message)
    }

    /// 404: there is nothing of that name.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorStatus::NotFound, message)
    }

    /// 404: no route has that path. The words are OpenAI's own.
    #[must_use]
    pub fn unknown_url(method: &str, path: &str) -> Self {
        let short = |text: &str| text.chars().take(MAX_REPEATED).collect::<String>();
        Self::not_found(format!("Invalid URL ({} {})", short(method), short(path)))
    }

    /// 404: this gateway does not serve that model.
    #[must_use]
    pub fn model_not_found(model: &str) -> Self {
        Self::not_found(format!("The model `{model}` does not exist.")).param("model").code("model_not_found")
    }

    /// 405; the route adds `Allow`.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(ErrorStatus::MethodNotAllowed, "This route does not have that method.")
    }

    /// 408: the body did not arrive in time.
    #[must_use]
    pub fn body_timeout() -> Self {
        Self::new(ErrorStatus::RequestTimeout, "The request body did not arrive in time.")
    }

    /// 413: the body is larger than allowed.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        Self::new(ErrorStatus::PayloadTooLarge, format!("The request body is larger than the limit of {limit} bytes."))
    }

    /// 413: the body is larger than allowed once it is decompressed.
    #[must_use]
    pub fn decoded_body_too_large(limit: usize) -> Self {
        Self::new(
            ErrorStatus::PayloadTooLarge,
            format!("The request body, decompressed, is larger than the limit of {limit} bytes."),
        )
    }

    /// 414: the path with its query, or the method, is longer than a receipt repeats.
    #[must_use]
    pub fn uri_too_long(most_of_path: usize, most_of_method: usize) -> Self {
        let message = format!("The path with its query may have {most_of_path} bytes, the method {most_of_method}.");
        Self::new(ErrorStatus::UriTooLong, message)
    }

    /// 415: the body is not JSON.
    #[must_use]
    pub fn unsupported_media_type() -> Self {
        Self::new(ErrorStatus::UnsupportedMediaType, "The content type has to be application/json.")
    }

    /// 415 with `Accept-Encoding`: the body has a coding that is not supported.
    #[must_use]
    pub fn unsupported_content_coding() -> Self {
        let message = format!("The content encoding has to be one of {}, or none.", content_coding::ACCEPTED);
        Self::new(ErrorStatus::UnsupportedMediaType, message)
    }

    /// 400: prompt and answer do not fit the model's context.
    #[must_use]
    pub fn context_length_exceeded(message: String) -> Self {
        Self::invalid(message).param("messages").code("context_length_exceeded")
    }

    /// 429 with `Retry-After`: the rate limit of a route is reached; it has to allow one request a second at least.
    #[must_use]
    pub fn rate_limited() -> Self {
        Self::new(ErrorStatus::TooManyRequests, "Too many requests. Try again in a moment.").code("rate_limit_exceeded")
    }

    /// 503 with `Retry-After`: too much is going on.
    #[must_use]
    pub fn overloaded() -> Self {
        Self::new(ErrorStatus::Overloaded, "The server is overloaded. Try again in a moment.").code("overloaded")
    }

    /// 503: the engine has died; this process will not serve again.
    #[must_use]
    pub fn engine_stopped() -> Self {
        Self::new(ErrorStatus::Unavailable, "The model is not available.").code("engine_stopped")
    }

    /// 500: our own fault. `reason` is for the log and must not hold content.
    pub fn internal(reason: impl Into<String>) -> Self {
        Self { internal: Some(reason.into()), ..Self::new(ErrorStatus::Internal, "The server had an internal error.") }
    }

    /// An error that the HTTP library found in a request.
    pub(crate) fn of_the_library(error: &actix_web::Error) -> Self {
        let status = error.as_response_error().status_code();
        if status.is_client_error() {
            Self::invalid(error.to_string())
        } else {
            Self::internal(format!("HTTP library: {status}"))
        }
    }

    /// Names the parameter that is at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(shortened(param.into()));
        self
    }

    /// Calls the parameter at fault `name` if it is `usual`: routes that share a check have different names for it.
    #[must_use]
    pub(crate) fn renamed(mut self, usual: &str, name: &str) -> Self {
        if self.param.as_deref() == Some(usual) {
            self.param = Some(name.to_owned());
        }
        self
    }

    /// Adds a code for programs.
    #[must_use]
    pub const fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// What the log may say beyond the status.
    pub(crate) fn internal_reason(&self) -> Option<&str> {
        self.internal.as_deref()
    }

    /// The body as it goes out.
    #[must_use]
    pub fn body(&self) -> ErrorBody<'_> {
        let (param, code) = (self.param.as_deref(), self.code);
        ErrorBody { error: ErrorObject { message: &self.message, r#type: self.status.kind(), param, code } }
    }

    /// The response; a server error names the request, so that its log line can be found.
    pub(crate) fn to_response(&self, request_id: Option<&RequestId>) -> HttpResponse {
        let mut response = HttpResponse::build(self.status.code());
        if matches!(self.status, ErrorStatus::Overloaded | ErrorStatus::TooManyRequests) {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        }
        if self.status == ErrorStatus::UnsupportedMediaType {
            response.insert_header((header::ACCEPT_ENCODING, content_coding::ACCEPTED));
        }
        match request_id {
            Some(id) if self.status == ErrorStatus::Internal => {
                let message = format!("{} Its request id is {}.", self.message, id.as_str());
                let mut body = self.body();
                body.error.message = &message;
                response.json(body)
            }
            _ => response.json(self.body()),
        }
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
    }
    text
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Overloaded => Self::overloaded(),
            EngineError::Rejected(reason) => Self::invalid(reason),
            EngineError::Failed => Self::internal("the engine failed at the request"),
            EngineError::Stopped => Self::engine_stopped(),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status.code()
    }

    fn error_response(&self) -> HttpResponse {
        self.to_response(None)
    }
}

impl std::error::Error for ApiError {}

/// The status and code only: messages can quote what the client sent.
impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status.code().as_u16(), self.code.unwrap_or_else(|| self.status.kind()))
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiError({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_out_of_debug_and_display() {
        let error = ApiError::invalid("canary").param("canary");
        assert_eq!(format!("{error} {error:?}"), "400 invalid_request_error ApiError(400 invalid_request_error)");
    }

    #[test]
    fn what_a_client_wrote_is_not_repeated_at_any_length() {
        let error = ApiError::invalid("é".repeat(LONGEST)).param("x".repeat(LONGEST + 1));
        let body = serde_json::to_string(&error.body()).unwrap();
        assert!(body.contains("é…") && body.contains("x…") && body.len() < 2 * LONGEST + 200, "{}", body.len());
    }

    #[test]
    fn internals_stay_out_of_the_body() {
        let error = ApiError::internal("the secret reason");
        let body = serde_json::to_string(&error.body()).unwrap();
        assert!(!body.contains("secret"));
        assert_eq!(error.internal_reason(), Some("the secret reason"));
    }
}
