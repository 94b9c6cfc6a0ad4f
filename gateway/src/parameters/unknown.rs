//! Parameters that this gateway does not know.

use actix_web::{HttpMessage as _, HttpRequest};

use crate::{config::UnknownParameters, openai::error::ApiError};

/// The parameters of a request that were ignored, for a header of its response.
pub(crate) struct IgnoredParameters(pub(crate) Vec<String>);

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
