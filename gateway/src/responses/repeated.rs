//! What a response repeats of its request. It lasts as long as the response, so it has bounds, and is kept as it is written.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::openai::error::ApiError;

/// The longest text that is repeated as it is, in characters.
pub(crate) const LONGEST_REPEATED: usize = 512;
/// The most JSON of one parameter, in bytes.
const MOST_JSON_BYTES: usize = 256 * 1024;

/// The parameter `param`, a name or a key.
///
/// # Errors
/// 400 if it is too long.
pub(super) fn repeated_text(param: &str, text: Option<String>) -> Result<Option<String>, ApiError> {
    match text.as_ref().map(|text| text.chars().count()) {
        Some(length) if length > LONGEST_REPEATED => {
            Err(ApiError::invalid(format!("{param} may have {LONGEST_REPEATED} characters, not {length}.")).param(param))
        }
        _ => Ok(text),
    }
}

/// The parameter `param` as JSON.
///
/// # Errors
/// 400 if it is too much.
pub(super) fn repeated_json(param: &str, value: &impl Serialize) -> Result<Box<RawValue>, ApiError> {
    let json = to_raw_value(value).map_err(|error| ApiError::internal(format!("repeated parameter: {error}")))?;
    let bytes = json.get().len();
    if bytes > MOST_JSON_BYTES {
        let message = format!("{param}, which the response repeats, may have {MOST_JSON_BYTES} bytes of JSON, not {bytes}.");
        return Err(ApiError::invalid(message).param(param));
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_to_the_number() {
        let text = |length: usize| repeated_text("user", Some("\u{e9}".repeat(length)));
        assert_eq!(text(LONGEST_REPEATED).unwrap().unwrap().chars().count(), LONGEST_REPEATED);
        assert!(text(LONGEST_REPEATED + 1).is_err());
        // With the quotes.
        assert!(repeated_json("tools", &"x".repeat(MOST_JSON_BYTES - 2)).is_ok());
        assert!(repeated_json("tools", &"x".repeat(MOST_JSON_BYTES - 1)).is_err());
    }
}
