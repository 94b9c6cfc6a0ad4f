//! Ids that are unique without coordination.

use data_encoding::HEXLOWER;

use crate::openai::error::ApiError;

/// `prefix` and 16 random bytes in hex.
///
/// # Errors
/// 500 if the operating system's random source fails.
pub(crate) fn random_id(prefix: &str) -> Result<String, ApiError> {
    let random = random_hex().map_err(|error| ApiError::internal(format!("random source: {error}")))?;
    Ok(format!("{prefix}{random}"))
}

/// 16 random bytes in hex.
///
/// # Errors
/// Whatever the operating system's random source reports.
pub(crate) fn random_hex() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(HEXLOWER.encode(&bytes))
}
