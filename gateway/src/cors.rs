//! Which web pages may call the gateway from a browser (Fetch, "HTTP-CORS protocol").
//!
//! No credentials: whoever calls sends a key itself, if keys are asked for, and no cookie is ever read.

use std::collections::BTreeSet;

use actix_cors::Cors;
use actix_web::{
    http::{Uri, header, header::HeaderName},
    middleware::{Compat, Condition},
};
use serde::{Deserialize, Serialize};

use crate::{observe, parameters::X_IGNORED, receipt, request_id};

/// Seconds for which browsers may remember an answer to a preflight request.
const MAX_AGE_SECONDS: usize = 600;

/// What browsers show to pages beyond the headers that they always show.
const EXPOSED: [HeaderName; 8] = [
    request_id::X_REQUEST_ID,
    observe::X_BINDING,
    observe::X_MODEL,
    X_IGNORED,
    receipt::X_RECEIPT,
    observe::OPENAI_PROCESSING_MS,
    observe::OPENAI_VERSION,
    header::RETRY_AFTER,
];

/// The origins that pages may have: none, those of a list, or any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub enum AllowedOrigins {
    /// Browsers keep all pages away.
    #[default]
    None,
    /// Pages of these origins.
    Only(BTreeSet<Origin>),
    /// Any page, written as `*`.
    Any,
}

/// An origin as browsers write it (RFC 6454, section 6.2): scheme, host, and the port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(String);

/// A text that no browser sends as `Origin`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// One entry is no origin.
    #[error(
        "{0:?} is no origin: write scheme and host as browsers do, for example \"https://chat.example.org\" or \
             \"http://localhost:3000\", in small letters, without a path and without the scheme's own port"
    )]
    Malformed(String),
    /// `*` has company.
    #[error("\"*\" allows every origin and has to stand alone")]
    AnyWithOthers,
}

impl TryFrom<&str> for Origin {
    type Error = OriginError;

    fn try_from(text: &str) -> Result<Self, OriginError> {
        let malformed = || OriginError::Malformed(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| malformed())?;
        let (scheme, host) = uri.scheme_str().zip(uri.host()).ok_or_else(malformed)?;
        let port = match (scheme, uri.port_u16()) {
            ("http", Some(80)) | ("https", Some(443)) => None,
            (_, port) => port,
        };
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        let written = format!("{scheme}://{host}{port}").to_ascii_lowercase();
        if matches!(scheme, "http" | "https") && !host.is_empty() && written == text {
            Ok(Self(written))
        } else {
            Err(malformed())
        }
    }
}

impl TryFrom<Vec<String>> for AllowedOrigins {
    type Error = OriginError;

    fn try_from(list: Vec<String>) -> Result<Self, OriginError> {
        match list.as_slice() {
            [] => Ok(Self::None),
            [any] if any == "*" => Ok(Self::Any),
            list if list.iter().any(|origin| origin == "*") => Err(OriginError::AnyWithOthers),
            list => list.iter().map(|origin| Origin::try_from(origin.as_str())).collect::<Result<_, _>>().map(Self::Only),
        }
    }
}

impl From<AllowedOrigins> for Vec<String> {
    fn from(allowed: AllowedOrigins) -> Self {
        match allowed {
            AllowedOrigins::None => Self::new(),
            AllowedOrigins::Only(origins) => origins.into_iter().map(|Origin(origin)| origin).collect(),
            AllowedOrigins::Any => vec!["*".to_owned()],
        }
    }
}

impl AllowedOrigins {
    /// The middleware that answers preflight requests and adds headers for browsers; nothing where no page is allowed.
    pub(crate) fn middleware(&self) -> Condition<Compat<Cors>> {
        let cors = Cors::default()
            .allowed_methods(["GET", "HEAD", "POST"])
            .allow_any_header()
            .expose_headers(EXPOSED)
            .max_age(MAX_AGE_SECONDS);
        let cors = match self {
            Self::None => cors,
            Self::Only(origins) => origins.iter().fold(cors, |cors, Origin(origin)| cors.allowed_origin(origin)),
            Self::Any => cors.allow_any_origin().send_wildcard(),
        };
        Condition::new(*self != Self::None, Compat::new(cors))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allowed(list: &[&str]) -> Result<AllowedOrigins, OriginError> {
        list.iter().map(ToString::to_string).collect::<Vec<_>>().try_into()
    }

    #[test]
    fn origins_are_as_browsers_write_them() {
        for good in ["https://a.example", "http://localhost:3000", "https://a:8443", "http://127.0.0.1", "http://[::1]:1"] {
            assert_eq!(Vec::from(allowed(&[good]).unwrap()), [good]);
        }
        for bad in [
            "",
            "a.example",
            "https://",
            "https://a/",
            "https://a/b",
            "https://a?b",
            "https://A",
            "HTTPS://a",
            "https://a:443",
            "http://a:80",
            "http://a:080",
            "https://u@a",
            "ftp://a",
            "null",
            "https://*.a\n",
            "https://a b",
        ] {
            assert_eq!(allowed(&[bad]), Err(OriginError::Malformed(bad.to_owned())));
        }
    }

    #[test]
    fn any_origin_stands_alone() {
        assert_eq!(allowed(&[]), Ok(AllowedOrigins::None));
        assert_eq!(allowed(&["*"]), Ok(AllowedOrigins::Any));
        assert_eq!(allowed(&["*", "https://a"]), Err(OriginError::AnyWithOthers));
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_accepted_is_kept(text in "(https?://)?[a-zA-Z0-9.:@/\\[\\]*-]{0,20}") {
            if let Ok(Origin(origin)) = Origin::try_from(text.as_str()) {
                prop_assert_eq!(&origin, &text);
                let _built = AllowedOrigins::Only([Origin(origin)].into()).middleware();
            }
        }
    }
}
