//! From what was asked to what can be done: parameters that chat completions, completions and responses share.

mod bounds;
mod sampling;
mod stopping;
mod unknown;

use blindllama_engine::{AdapterId, Constraint, GenerateRequest, Logprobs, ModelInfo, Sampling, Stopping};

pub(crate) use bounds::{at_most, between, logprob_count};
pub(crate) use sampling::{MOST_ALLOWED, MOST_BAD_WORDS, MOST_BIASES, known_tokens};
pub(crate) use stopping::{MOST_STOP_STRINGS, MOST_STOP_TOKENS};
pub(crate) use unknown::{IgnoredParameters, X_IGNORED, settle_unknown};

use crate::{
    App,
    openai::{error::ApiError, sampling::SamplingParameters, usage::Usage},
    random_id::random_hex,
    text::{StopStrings, TextOptions},
};

/// The most answers to one prompt, as with OpenAI; with several prompts, to all of them.
pub(crate) const MOST_ANSWERS: u32 = 128;
/// The most answers to one request whose form is constrained: each costs time in every step, which is everybody's.
const MOST_CONSTRAINED: usize = 8;
/// The longest cache salt, in characters, as with vLLM.
pub(crate) const LONGEST_SALT: usize = 128;

/// The most probabilities of prompts' tokens that one answer tells.
const MOST_PROMPT_CELLS: usize = 1_000_000;

/// Prompts of `tokens` in all tell the `top` likeliest in each place, `times` each, and each with its text: that many have to fit
/// into memory.
///
/// # Errors
/// 400.
pub(crate) fn check_prompt_cells(param: &str, tokens: usize, times: usize, top: u32) -> Result<(), ApiError> {
    let cells = tokens.saturating_mul(times).saturating_mul(top as usize + 1);
    if cells > MOST_PROMPT_CELLS {
        let message = format!("The prompts' probabilities would be {cells} in all answers; {MOST_PROMPT_CELLS} are allowed.");
        return Err(ApiError::invalid(message).param(param));
    }
    Ok(())
}

/// How answers are made, whatever the prompt. Only [`Parameters::new`] makes one.
pub(crate) struct Parameters {
    /// Answers to each prompt, at least 1.
    pub(crate) n: u32,
    pub(crate) sampling: Sampling,
    pub(crate) stopping: Stopping,
    pub(crate) stop_strings: StopStrings,
    pub(crate) prompt_logprobs: Option<u32>,
    pub(crate) text: TextOptions,
    /// Whether token ids come beside the text.
    pub(crate) return_token_ids: bool,
    /// Whether tokens are named by their ids where their probabilities are reported.
    pub(crate) tokens_as_ids: bool,
    pub(crate) priority: i64,
    pub(crate) cache_salt: Option<String>,
    pub(crate) delivery: Delivery,
}

/// How the answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// One JSON document.
    Whole,
    /// Server-sent events.
    Stream(StreamUsage),
}

/// What a stream tells of token counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StreamUsage {
    /// All of them in a chunk of their own at the end.
    pub(crate) at_end: bool,
    /// Those so far in every chunk.
    pub(crate) continuous: bool,
}

impl StreamUsage {
    /// What a piece of the stream tells. Where usage was asked for, OpenAI has `"usage": null` in all chunks but the last.
    pub(crate) fn in_chunk(self, so_far: Usage) -> Option<Option<Usage>> {
        match self {
            Self { continuous: true, .. } => Some(Some(so_far)),
            Self { at_end: true, .. } => Some(None),
            Self { .. } => None,
        }
    }
}

impl Parameters {
    /// Checks what a request says, for the model that is served.
    ///
    /// # Errors
    /// 400, naming the parameter at fault.
    pub(crate) fn new(mut request: SamplingParameters, model: &ModelInfo) -> Result<Self, ApiError> {
        let SamplingParameters {
            n,
            skip_special_tokens,
            spaces_between_special_tokens,
            include_stop_str_in_output,
            prompt_logprobs,
            return_token_ids,
            return_tokens_as_token_ids,
            ..
        } = request;
        let delivery = delivery(&request)?;
        let prompt_logprobs = logprob_count("prompt_logprobs", prompt_logprobs, model)?;
        if prompt_logprobs.is_some() && delivery != Delivery::Whole {
            return Err(ApiError::invalid("prompt_logprobs are not available in streams.").param("prompt_logprobs"));
        }
        let include_stop = include_stop_str_in_output.unwrap_or(false);
        Ok(Self {
            sampling: sampling::sampling(&mut request, model)?,
            n: between("n", n.map(i64::from), 1, i64::from(MOST_ANSWERS))?.and_then(|n| u32::try_from(n).ok()).unwrap_or(1),
            prompt_logprobs,
            text: TextOptions {
                skip_special_tokens: skip_special_tokens.unwrap_or(true),
                spaces_between_special_tokens: spaces_between_special_tokens.unwrap_or(true),
                include_stop,
            },
            return_token_ids: return_token_ids.unwrap_or(false),
            tokens_as_ids: return_tokens_as_token_ids.unwrap_or(false),
            priority: priority(request.priority, model)?,
            cache_salt: cache_salt(request.cache_salt, model)?,
            stopping: stopping::stopping(request.stop_token_ids, request.ignore_eos, request.min_tokens, model)?,
            stop_strings: stopping::stop_strings(request.stop, include_stop)?,
            delivery,
        })
    }

    /// The engine's requests for all answers to one prompt, by the model or by an adapter of it.
    ///
    /// # Errors
    /// 400 if the answer could not have as many tokens as it must have.
    pub(crate) fn requests(
        &self,
        adapter: Option<AdapterId>,
        prompt: &[u32],
        max_tokens: usize,
        logprobs: Option<u32>,
        constraint: Option<&Constraint>,
    ) -> Result<Vec<GenerateRequest>, ApiError> {
        let min_tokens = self.stopping.min_tokens;
        if min_tokens > max_tokens {
            let message = format!(
                "min_tokens is {min_tokens}, but the answer can have {max_tokens} tokens at most: the limit that was asked for, \
                 or what the prompt leaves of the context."
            );
            return Err(ApiError::invalid(message).param("min_tokens"));
        }
        if constraint.is_some() {
            self.check_beside_constraint()?;
        }
        let request = |index: u32| GenerateRequest {
            prompt: prompt.to_vec(),
            max_tokens,
            adapter,
            // As in vLLM, so that a seed gives the same answers here and there.
            sampling: Sampling { seed: self.sampling.seed.map(|seed| seed.wrapping_add(index.into())), ..self.sampling.clone() },
            stopping: self.stopping.clone(),
            // The prompt is the same for all.
            logprobs: Logprobs { sampled: logprobs, prompt: self.prompt_logprobs.filter(|_| index == 0) },
            constraint: constraint.cloned(),
            priority: self.priority,
            cache_salt: self.cache_salt.clone(),
        };
        Ok((0..self.n).map(request).collect())
    }

    /// What can leave no token at all beside a constraint, so that the answer would fail halfway.
    fn check_beside_constraint(&self) -> Result<(), ApiError> {
        let param = if self.stopping.min_tokens > 0 {
            "min_tokens"
        } else if self.sampling.allowed_token_ids.is_empty() {
            return Ok(());
        } else {
            "allowed_token_ids"
        };
        let message = format!("{param} cannot be combined with a form that the answer has to have: both may be impossible.");
        Err(ApiError::invalid(message).param(param))
    }
}

/// Whether so many answers, to all prompts together, may be made under `constraint`: before any of them takes memory.
///
/// # Errors
/// 400 with the bound.
pub(crate) fn check_answers(app: &App, answers: usize, constraint: Option<&Constraint>) -> Result<(), ApiError> {
    app.admission.check_most(answers)?;
    if constraint.is_some() && answers > MOST_CONSTRAINED {
        let message = format!("A request may have {MOST_CONSTRAINED} answers whose form is constrained, not {answers}.");
        return Err(ApiError::invalid(message).param("n"));
    }
    Ok(())
}

/// The request's priority.
///
/// # Errors
/// 400 if the engine has no priorities.
pub(crate) fn priority(priority: Option<i64>, model: &ModelInfo) -> Result<i64, ApiError> {
    match priority.unwrap_or(0) {
        0 => Ok(0),
        priority if model.schedules_by_priority => Ok(priority),
        _ => Err(ApiError::invalid("priority must be 0: this server answers in the order of arrival.").param("priority")),
    }
}

/// A prefix cache that strangers share would tell whether a guess at somebody's prompt is right, by its speed: a request
/// that brings no salt gets one that nobody has.
///
/// # Errors
/// 400 if vLLM would not take the salt.
pub(crate) fn cache_salt(salt: Option<String>, model: &ModelInfo) -> Result<Option<String>, ApiError> {
    match salt {
        Some(salt) => {
            let length = salt.chars().count();
            if !(1..=LONGEST_SALT).contains(&length) || salt.contains(['@', '/', '\\', '\0']) {
                let message = format!("cache_salt must have 1 to {LONGEST_SALT} characters, and none of '@', '/', '\\' and NUL.");
                return Err(ApiError::invalid(message).param("cache_salt"));
            }
            Ok(Some(salt))
        }
        None if model.prefix_caching => {
            random_hex().map(Some).map_err(|error| ApiError::internal(format!("cache salt: {error}")))
        }
        None => Ok(None),
    }
}

fn delivery(request: &SamplingParameters) -> Result<Delivery, ApiError> {
    match (request.stream.unwrap_or(false), &request.stream_options) {
        (true, options) => {
            let asked = |option: Option<bool>| option.unwrap_or(false);
            let usage = options.as_ref().map(|options| StreamUsage {
                at_end: asked(options.include_usage),
                // As with vLLM, only beside the other.
                continuous: asked(options.include_usage) && asked(options.continuous_usage_stats),
            });
            Ok(Delivery::Stream(usage.unwrap_or_default()))
        }
        (false, None) => Ok(Delivery::Whole),
        (false, Some(_)) => {
            Err(ApiError::invalid("stream_options is allowed only together with stream: true.").param("stream_options"))
        }
    }
}

#[cfg(test)]
mod tests;
