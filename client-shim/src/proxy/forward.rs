//! Forwards one request to the verified gateway, byte for byte.

use std::sync::Arc;

use http::{HeaderValue, Request, Response, Uri, Version, header, request};
use hyper::body::Incoming;

use super::headers;
use crate::{
    client::{PinnedBody, SendError},
    gateway_url::GatewayUrl,
    refusal::{GATEWAY_UNREACHABLE, Refusal},
    session::Session,
};

/// What programs that were written for vLLM ask for outside OpenAI's API, and the description of it all.
const BESIDE_OPENAI: [&str; 5] = ["/tokenize", "/detokenize", "/version", "/health", "/openapi.json"];

/// Whether requests to `path` are meant for the gateway's model. All else of the gateway's is its operator's business.
pub(super) fn is_forwarded(path: &str) -> bool {
    path.starts_with("/v1/") || BESIDE_OPENAI.contains(&path)
}

/// Why there is no answer from the gateway.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("The gateway was not verified: {0}. Nothing was sent.")]
    Refused(Arc<Refusal>),
    #[error("There is no connection to the gateway: {0}. Nothing was sent.")]
    Unreachable(Arc<Refusal>),
    #[error("The gateway closed the connection before the request was sent. Nothing was sent.")]
    Closed,
    #[error("The connection to the gateway broke before it answered. The request may have reached it and is not repeated.")]
    Interrupted,
    #[error("The request has no path that could be forwarded. Nothing was sent.")]
    NotForwardable,
}

impl Failure {
    /// OpenAI's `type`.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "attestation_error",
            Self::Unreachable(_) | Self::Closed | Self::Interrupted => "api_connection_error",
            Self::NotForwardable => "invalid_request_error",
        }
    }

    /// OpenAI's `code`.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code(),
            Self::Unreachable(_) | Self::Closed => GATEWAY_UNREACHABLE,
            Self::Interrupted => "gateway_connection_lost",
            Self::NotForwardable => "not_found",
        }
    }

    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::Unreachable(refusal) if refusal.is_timeout())
    }
}

impl From<Arc<Refusal>> for Failure {
    fn from(refusal: Arc<Refusal>) -> Self {
        if refusal.is_unreachable() { Self::Unreachable(refusal) } else { Self::Refused(refusal) }
    }
}

/// Sends the request over a connection to the attested key. The body is not touched before there is one.
pub(super) async fn forward(session: &Session, request: Request<Incoming>) -> Result<Response<PinnedBody>, Failure> {
    let (mut head, body) = request.into_parts();
    rewrite(&mut head, session.attester().url()).ok_or(Failure::NotForwardable)?;
    let mut request = Request::from_parts(head, body);
    loop {
        let (gateway, connection) = session.connection().await?;
        let reused = connection.is_reused();
        match connection.send(request).await {
            Ok(mut response) => {
                *response.version_mut() = Version::HTTP_11;
                headers::remove_hop_by_hop(response.headers_mut());
                headers::state_verified(response.headers_mut(), gateway.peer());
                return Ok(response);
            }
            // Not one byte was sent. Each turn uses up one idle connection, so this ends with a new one.
            Err(SendError::NotSent(unsent)) if reused => request = *unsent,
            Err(SendError::NotSent(_)) => return Err(Failure::Closed),
            Err(SendError::Interrupted(_)) => return Err(Failure::Interrupted),
        }
    }
}

/// Method, path, query and the other headers stay as they are.
fn rewrite(head: &mut request::Parts, gateway: &GatewayUrl) -> Option<()> {
    headers::remove_hop_by_hop(&mut head.headers);
    head.headers.insert(header::HOST, HeaderValue::try_from(gateway.authority()).ok()?);
    head.uri = Uri::from(head.uri.path_and_query()?.clone());
    head.version = Version::HTTP_11;
    Some(())
}
