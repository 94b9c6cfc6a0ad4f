//! How tokens are chosen.

use std::collections::BTreeMap;

use blindllama_engine::{ModelInfo, Sampling};

use super::{at_most, between};
use crate::openai::{error::ApiError, sampling::SamplingParameters};

/// The most tokens with a bias, and the most that alone may come: what vLLM's model runner for GPUs has room for.
pub(crate) const MOST_BIASES: usize = 1024;
pub(crate) const MOST_ALLOWED: usize = 1024;
/// The most texts that must not come about, and their bytes in all: vLLM's own tokenizer reads them between two steps.
pub(crate) const MOST_BAD_WORDS: usize = 128;
const MOST_BAD_WORD_BYTES: usize = 4096;

/// What the request leaves open comes from the model's author, then from vLLM. Lists are taken out of the request.
pub(super) fn sampling(request: &mut SamplingParameters, model: &ModelInfo) -> Result<Sampling, ApiError> {
    let (defaults, vllm) = (&model.sampling_defaults, Sampling::default());
    let penalty = |param, value: Option<f64>| between(param, value, -2.0, 2.0);
    if request.top_p == Some(0.0) {
        return Err(ApiError::invalid("top_p must be above 0 and at most 1.").param("top_p"));
    }
    if request.repetition_penalty.is_some_and(|penalty| penalty <= 0.0) {
        return Err(ApiError::invalid("repetition_penalty must be above 0.").param("repetition_penalty"));
    }
    let top_k = between("top_k", request.top_k, -1, i64::MAX)?;
    Ok(Sampling {
        temperature: between("temperature", request.temperature, 0.0, 2.0)?.or(defaults.temperature).unwrap_or(vllm.temperature),
        top_p: between("top_p", request.top_p, 0.0, 1.0)?.or(defaults.top_p).unwrap_or(vllm.top_p),
        // vLLM counts in 32 bits; beyond the vocabulary it is all tokens anyway.
        top_k: top_k.map(|k| k.min(i64::from(i32::MAX))).or(defaults.top_k).unwrap_or(vllm.top_k),
        min_p: between("min_p", request.min_p, 0.0, 1.0)?.or(defaults.min_p).unwrap_or(vllm.min_p),
        presence_penalty: penalty("presence_penalty", request.presence_penalty)?
            .or(defaults.presence_penalty)
            .unwrap_or(vllm.presence_penalty),
        frequency_penalty: penalty("frequency_penalty", request.frequency_penalty)?
            .or(defaults.frequency_penalty)
            .unwrap_or(vllm.frequency_penalty),
        repetition_penalty: request.repetition_penalty.or(defaults.repetition_penalty).unwrap_or(vllm.repetition_penalty),
        // As in vLLM, before each answer gets a seed of its own.
        seed: request.seed.filter(|seed| *seed != -1),
        logit_bias: logit_bias(request.logit_bias.take().unwrap_or_default(), model)?,
        bad_words: bad_words(request.bad_words.take())?,
        allowed_token_ids: allowed_token_ids(request.allowed_token_ids.take(), model)?,
    })
}

/// Checks that all of `ids` are tokens of the model.
///
/// # Errors
/// 400 with the first that is not.
pub(crate) fn known_tokens(param: &str, ids: &[u32], model: &ModelInfo) -> Result<(), ApiError> {
    match ids.iter().find(|id| usize::try_from(**id).is_ok_and(|id| id >= model.vocab_size)) {
        None => Ok(()),
        Some(id) => {
            let message =
                format!("{param} has the token {id}; this model's tokens are 0 to {}.", model.vocab_size.saturating_sub(1));
            Err(ApiError::invalid(message).param(param))
        }
    }
}

fn logit_bias(biases: BTreeMap<String, f64>, model: &ModelInfo) -> Result<Vec<(u32, f64)>, ApiError> {
    let biases = at_most("logit_bias", Some(biases.into_iter().collect()), MOST_BIASES)?;
    let parse = |(token, bias): (String, f64)| {
        // One way of writing each, so that none is there twice.
        let plain =
            |token: &&String| **token == "0" || !token.starts_with('0') && token.bytes().all(|byte| byte.is_ascii_digit());
        let digits = Some(&token).filter(plain);
        let id: u32 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
            ApiError::invalid("logit_bias must map token ids, written as decimal numbers, to biases.").param("logit_bias")
        })?;
        known_tokens("logit_bias", &[id], model)?;
        between("logit_bias", Some(bias), -100.0, 100.0)?;
        Ok((id, bias))
    };
    biases.into_iter().map(parse).collect()
}

fn bad_words(words: Option<Vec<String>>) -> Result<Vec<String>, ApiError> {
    let words = at_most("bad_words", words, MOST_BAD_WORDS)?;
    let bytes: usize = words.iter().map(String::len).sum();
    if words.iter().any(|word| word.trim().is_empty()) || bytes > MOST_BAD_WORD_BYTES {
        let message = format!("bad_words must not have an empty text, and {MOST_BAD_WORD_BYTES} bytes at most in all.");
        return Err(ApiError::invalid(message).param("bad_words"));
    }
    Ok(words)
}

fn allowed_token_ids(ids: Option<Vec<u32>>, model: &ModelInfo) -> Result<Vec<u32>, ApiError> {
    if ids.as_ref().is_some_and(Vec::is_empty) {
        return Err(ApiError::invalid("allowed_token_ids must have at least one token.").param("allowed_token_ids"));
    }
    let ids = at_most("allowed_token_ids", ids, MOST_ALLOWED)?;
    known_tokens("allowed_token_ids", &ids, model)?;
    Ok(ids)
}
