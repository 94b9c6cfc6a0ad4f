//! Request ids: the client's own where sane, else a fresh one.

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue},
};

use crate::random_id::random_hex;

/// The header that carries the id, both ways.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in answers and logs: 1 to 128 of `A-Z a-z 0-9 . _ -`, so it can neither forge log lines nor headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// Takes the client's id if it has one that is sane.
    ///
    /// # Errors
    /// Whatever the operating system's random source reports.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, getrandom::Error> {
        let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok()).and_then(Self::parse);
        given.map_or_else(|| Ok(Self(format!("req-{}", random_hex()?))), Ok)
    }

    fn parse(text: &str) -> Option<Self> {
        let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        ((1..=128).contains(&text.len()) && text.bytes().all(sane)).then(|| Self(text.to_owned()))
    }

    /// The id of a request that [`crate::observe::observe`] has seen.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn to_header(&self) -> Result<HeaderValue, InvalidHeaderValue> {
        HeaderValue::from_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sane_ids_are_taken_over() {
        assert_eq!(RequestId::parse("a.B_9-").as_ref().map(RequestId::as_str), Some("a.B_9-"));
        assert!(RequestId::parse(&"x".repeat(128)).is_some());
        for bad in ["", "a b", "a\nb", "ä", "a\"", &"x".repeat(129)] {
            assert_eq!(RequestId::parse(bad), None, "{bad:?}");
        }
    }
}
