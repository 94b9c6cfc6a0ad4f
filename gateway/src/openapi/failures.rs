//! What can go wrong: the error responses that operations share.

use actix_web::http::StatusCode;
use schemars::Schema;
use serde_json::{Map, Value, json};

use super::headers::references;

/// An error response.
#[derive(Clone, Copy)]
pub(super) enum Failure {
    Invalid,
    NotFound,
    BodyTimeout,
    BodyTooLarge,
    UriTooLong,
    NoJson,
    TooMany,
    Internal,
    Unavailable,
    Dead,
}

/// Failures of routes that run the model or its tokenizer.
pub(super) const OF_INFERENCE: &[Failure] = &[
    Failure::Invalid,
    Failure::NotFound,
    Failure::BodyTimeout,
    Failure::BodyTooLarge,
    Failure::UriTooLong,
    Failure::NoJson,
    Failure::Internal,
    Failure::Unavailable,
];

const ALL: [Failure; 10] = [
    Failure::Invalid,
    Failure::NotFound,
    Failure::BodyTimeout,
    Failure::BodyTooLarge,
    Failure::UriTooLong,
    Failure::NoJson,
    Failure::TooMany,
    Failure::Internal,
    Failure::Unavailable,
    Failure::Dead,
];

impl Failure {
    pub(super) fn status(self) -> u16 {
        let status = match self {
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::NoJson => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable | Self::Dead => StatusCode::SERVICE_UNAVAILABLE,
        };
        status.as_u16()
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "Invalid",
            Self::NotFound => "NotFound",
            Self::BodyTimeout => "BodyTimeout",
            Self::BodyTooLarge => "BodyTooLarge",
            Self::UriTooLong => "UriTooLong",
            Self::NoJson => "NoJson",
            Self::TooMany => "TooMany",
            Self::Internal => "Internal",
            Self::Unavailable => "Unavailable",
            Self::Dead => "Dead",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Invalid => "The request says something that cannot be; `param` names it.",
            Self::NotFound => "There is nothing of that name.",
            Self::BodyTimeout => "The body did not arrive in time.",
            Self::BodyTooLarge => "The body is larger than the server allows, as it came or decompressed.",
            Self::UriTooLong => "The path with its query is longer than a receipt repeats.",
            Self::NoJson => "The body is not `application/json`, or has a content encoding that is not read.",
            Self::TooMany => "There were too many such requests.",
            Self::Internal => "The server failed; the message has the request's id.",
            Self::Unavailable => "The server is overloaded, or, without `Retry-After`, the engine has died.",
            Self::Dead => "The engine has died. There is no body.",
        }
    }

    pub(super) fn reference(self) -> Value {
        json!({"$ref": format!("#/components/responses/{}", self.name())})
    }

    fn to_value(self, error: &Schema) -> Value {
        let mut headers = vec!["X-Request-Id", "X-BlindLlama-Binding", "X-BlindLlama-Model"];
        headers.extend(["OpenAI-Processing-Ms", "OpenAI-Version", "X-BlindLlama-Receipt"]);
        match self {
            Self::TooMany | Self::Unavailable => headers.push("Retry-After"),
            Self::NoJson => headers.push("Accept-Encoding"),
            _ => {}
        }
        let mut response = json!({"description": self.description(), "headers": references(&headers)});
        if let Some(response) = response.as_object_mut().filter(|_| !matches!(self, Self::Dead)) {
            response.insert("content".to_owned(), json!({"application/json": {"schema": error}}));
        }
        response
    }
}

/// All of them; `error` is the schema of their bodies.
pub(super) fn components(error: &Schema) -> Value {
    ALL.into_iter().map(|failure| (failure.name().to_owned(), failure.to_value(error))).collect::<Map<_, _>>().into()
}
