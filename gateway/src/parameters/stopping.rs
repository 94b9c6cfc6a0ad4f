//! What ends an answer.

use blindllama_engine::{ModelInfo, Stopping};

use super::{at_most, sampling::known_tokens};
use crate::{
    openai::{error::ApiError, sampling::StopParameter},
    text::StopStrings,
};

/// The most stop strings, and their bytes in all: each token's text is compared with all of them. OpenAI allows 4.
pub(crate) const MOST_STOP_STRINGS: usize = 32;
const MOST_STOP_BYTES: usize = 4096;
/// The most stop tokens: vLLM's model runner for GPUs has room for 128, the model's own among them.
pub(crate) const MOST_STOP_TOKENS: usize = 64;

pub(super) fn stop_strings(stop: Option<StopParameter>, included: bool) -> Result<StopStrings, ApiError> {
    let texts = at_most("stop", stop.map(|StopParameter(texts)| texts), MOST_STOP_STRINGS)?;
    if texts.iter().any(String::is_empty) {
        return Err(ApiError::invalid("stop must not have an empty string.").param("stop"));
    }
    let bytes: usize = texts.iter().map(String::len).sum();
    if bytes > MOST_STOP_BYTES {
        return Err(ApiError::invalid(format!("stop has {bytes} bytes in all; {MOST_STOP_BYTES} are allowed.")).param("stop"));
    }
    Ok(StopStrings::new(texts, included))
}

pub(super) fn stopping(
    stop_token_ids: Option<Vec<u32>>,
    ignore_eos: Option<bool>,
    min_tokens: Option<usize>,
    model: &ModelInfo,
) -> Result<Stopping, ApiError> {
    let stop_token_ids = at_most("stop_token_ids", stop_token_ids, MOST_STOP_TOKENS)?;
    known_tokens("stop_token_ids", &stop_token_ids, model)?;
    Ok(Stopping { stop_token_ids, ignore_eos: ignore_eos.unwrap_or(false), min_tokens: min_tokens.unwrap_or(0) })
}
