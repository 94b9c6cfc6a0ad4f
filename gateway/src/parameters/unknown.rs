//! Parameters that this gateway does not know.

use actix_web::{
    HttpMessage as _, HttpRequest,
    http::header::{HeaderName, HeaderValue},
};

use crate::{config::UnknownParameters, openai::error::ApiError, remarks::Remarks};

/// Names the parameters that were ignored, separated by commas.
pub(crate) const X_IGNORED: HeaderName = HeaderName::from_static("x-blindllama-ignored-parameters");

/// The longest value of that header, in bytes: the names are the client's.
const LONGEST: usize = 1024;

/// The names of a request's parameters that were ignored, as that header's value; empty where there are none.
#[derive(Default)]
pub(crate) struct IgnoredParameters(String);

impl IgnoredParameters {
    /// What a header cannot have is written as `?`.
    fn new(names: &[String]) -> Self {
        let visible = |character: char| if character.is_ascii_graphic() { character } else { '?' };
        let names = names.iter().map(String::as_str);
        let separated = names.enumerate().flat_map(|(index, name)| [if index > 0 { "," } else { "" }, name]);
        Self(separated.flat_map(str::chars).map(visible).take(LONGEST).collect())
    }

    /// What was ignored of `request`.
    pub(crate) fn header(request: &HttpRequest) -> Option<HeaderValue> {
        let extensions = request.extensions();
        let Self(names) = extensions.get().filter(|Self(names)| !names.is_empty())?;
        HeaderValue::from_str(names).ok()
    }
}

/// Refuses what is not known, or, where the configuration says so, leaves its names in `remarks`.
///
/// # Errors
/// 400 with all of `paths`.
pub(crate) fn settle_unknown(policy: UnknownParameters, paths: Vec<String>, remarks: &mut Remarks) -> Result<(), ApiError> {
    let Some(first) = paths.first() else { return Ok(()) };
    match policy {
        UnknownParameters::Refuse => {
            let message = format!("unsupported parameter(s): {}", paths.join(", "));
            Err(ApiError::invalid(message).param(first.clone()).code("unsupported_parameter"))
        }
        UnknownParameters::Ignore => {
            remarks.ignored = IgnoredParameters::new(&paths);
            Ok(())
        }
    }
}
