//! Parameters that this gateway does not know.

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::header::{HeaderName, HeaderValue},
};

use crate::{config::UnknownParameters, openai::error::ApiError};

/// Names the parameters that were ignored, separated by commas.
pub(crate) const X_IGNORED: HeaderName = HeaderName::from_static("x-blindllama-ignored-parameters");

/// The longest value of that header, in bytes: the names are the client's.
const LONGEST: usize = 1024;

/// The parameters of a request that were ignored.
pub(crate) struct IgnoredParameters(Vec<String>);

impl IgnoredParameters {
    /// What was ignored of `request`, as the value of a header: what a header cannot have is written as `?`.
    pub(crate) fn header(request: &HttpRequest) -> Option<HeaderValue> {
        let extensions = request.extensions();
        let Self(names) = extensions.get()?;
        let visible = |character: char| if character.is_ascii_graphic() { character } else { '?' };
        let value: String = names.join(",").chars().map(visible).take(LONGEST).collect();
        HeaderValue::from_str(&value).ok()
    }
}

/// Refuses what is not known, or, where the configuration says so, leaves its names for the response.
///
/// # Errors
/// 400 with all of `paths`.
pub(crate) fn settle_unknown(policy: UnknownParameters, paths: Vec<String>, request: &HttpRequest) -> Result<(), ApiError> {
    let Some(first) = paths.first() else { return Ok(()) };
    match policy {
        UnknownParameters::Refuse => {
            let message = format!("unsupported parameter(s): {}", paths.join(", "));
            Err(ApiError::invalid(message).param(first.clone()).code("unsupported_parameter"))
        }
        UnknownParameters::Ignore => {
            request.extensions_mut().insert(IgnoredParameters(paths));
            Ok(())
        }
    }
}
