//! Values within their bounds.

use std::fmt::Display;

use blindllama_engine::ModelInfo;

use crate::openai::error::ApiError;

/// The value, if there is one, between `least` and `most`.
///
/// # Errors
/// 400 with the bounds and the value.
pub(crate) fn between<T: PartialOrd + Display>(param: &str, value: Option<T>, least: T, most: T) -> Result<Option<T>, ApiError> {
    match value {
        Some(value) if !(least <= value && value <= most) => {
            Err(ApiError::invalid(format!("{param} must be between {least} and {most}, not {value}.")).param(param))
        }
        value => Ok(value),
    }
}

/// A list of at most `most` items.
///
/// # Errors
/// 400 with the bound and the length.
pub(crate) fn at_most<T>(param: &str, list: Option<Vec<T>>, most: usize) -> Result<Vec<T>, ApiError> {
    let list = list.unwrap_or_default();
    if list.len() > most {
        return Err(ApiError::invalid(format!("{param} has {} items; {most} are allowed.", list.len())).param(param));
    }
    Ok(list)
}

/// How many most likely tokens are to be reported; -1 stands for all of the vocabulary.
///
/// # Errors
/// 400 if that is more than the engine reports.
pub(crate) fn logprob_count(param: &str, count: Option<i64>, model: &ModelInfo) -> Result<Option<u32>, ApiError> {
    let Some(count) = count else { return Ok(None) };
    let wanted = if count == -1 { i64::try_from(model.vocab_size).unwrap_or(i64::MAX) } else { count };
    match u32::try_from(wanted) {
        Ok(wanted) if wanted <= model.max_logprobs => Ok(Some(wanted)),
        _ => {
            let message = format!(
                "{param} must be between 0 and {}, or -1 for all tokens if there are no more than that, not {count}.",
                model.max_logprobs
            );
            Err(ApiError::invalid(message).param(param))
        }
    }
}
