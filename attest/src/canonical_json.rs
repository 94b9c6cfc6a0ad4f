//! Canonical JSON (RFC 8785): one text for one value, so that it can be hashed.

use serde::Serialize;

/// The value has no canonical form: a number beyond ±2^53, NaN, or a map key that is no string.
#[derive(Debug, thiserror::Error)]
#[error("the value has no canonical JSON form: {0}")]
pub struct NotCanonical(#[from] serde_json::Error);

/// Writes `value` as canonical JSON.
///
/// # Errors
/// [`NotCanonical`] if the value cannot be written in that form.
pub fn to_canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, NotCanonical> {
    Ok(serde_json_canonicalizer::to_vec(value)?)
}
