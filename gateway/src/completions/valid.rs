//! From what was asked to what can be done: every check that needs no tokens.

use blindllama_engine::Constraint;

use super::telling::Echo;
use crate::{
    App,
    models::{AskedModel, generating},
    openai::{
        completion_request::{CompletionRequest, PromptInput, PromptParameter},
        error::ApiError,
        sampling::SamplingParameters,
    },
    parameters::{MOST_ANSWERS, Parameters, check_answers, known_tokens, logprob_count, settle_unknown},
    remarks::Remarks,
    request_body::typed,
    structured,
};

/// Limit on new tokens where a request is silent, as with OpenAI and vLLM.
const DEFAULT_MAX_TOKENS: usize = 16;

/// A request that this gateway can serve. Only [`ValidCompletion::new`] makes one.
pub(super) struct ValidCompletion {
    pub(super) model: AskedModel,
    pub(super) prompts: Vec<PromptInput>,
    pub(super) add_special_tokens: bool,
    pub(super) parameters: Parameters,
    /// Most likely tokens to report in each place of the text.
    pub(super) logprobs: Option<u32>,
    /// Limit on new tokens, at least 1: the engine does not do with less.
    pub(super) max_tokens: usize,
    pub(super) echo: Echo,
    pub(super) constraint: Option<Constraint>,
}

impl ValidCompletion {
    /// Checks everything that a request says, for the model that is served.
    ///
    /// # Errors
    /// 400 or 404, naming the parameter at fault.
    pub(super) fn new(request: CompletionRequest, app: &App, remarks: &mut Remarks) -> Result<Self, ApiError> {
        let CompletionRequest { model: name, prompt, max_tokens, logprobs, echo, suffix, best_of, add_special_tokens, rest } =
            request;
        let mut sampling: SamplingParameters = typed(rest.into_map())?;
        settle_unknown(app.api.unknown_parameters, sampling.unknown().collect(), remarks)?;
        let asked = generating(app, &name, remarks)?;
        let model = app.engine.model();
        if suffix.is_some() {
            return Err(
                ApiError::invalid("suffix is not supported: this model continues text, and inserts none.").param("suffix")
            );
        }
        let constraint =
            structured::constraint(sampling.response_format.take(), sampling.structured_outputs.take(), &app.structured_limits)?;
        let (echo, max_tokens) = length(echo.unwrap_or(false), max_tokens, sampling.min_tokens.unwrap_or(0))?;
        let parameters = Parameters::new(sampling, model)?;
        if best_of.is_some_and(|best_of| best_of != parameters.n) {
            return Err(ApiError::invalid("best_of must be n: no answer is made that is not told.").param("best_of"));
        }
        let PromptParameter(prompts) = prompt;
        if prompts.len().saturating_mul(parameters.n as usize) > MOST_ANSWERS as usize {
            let message = format!("{} prompts with n answers each are more than {MOST_ANSWERS} answers.", prompts.len());
            return Err(ApiError::invalid(message).param("prompt"));
        }
        check_answers(app, prompts.len().saturating_mul(parameters.n as usize), constraint.as_ref())?;
        for prompt in &prompts {
            if let PromptInput::Tokens(ids) = prompt {
                known_tokens("prompt", ids, model)?;
            }
        }
        let logprobs = logprob_count("logprobs", logprobs, model)?;
        let add_special_tokens = add_special_tokens.unwrap_or(true);
        Ok(Self { model: asked, prompts, add_special_tokens, parameters, logprobs, max_tokens, echo, constraint })
    }
}

/// What the text has, and the most tokens to be made for it.
fn length(echo: bool, max_tokens: Option<usize>, min_tokens: usize) -> Result<(Echo, usize), ApiError> {
    match max_tokens.unwrap_or(DEFAULT_MAX_TOKENS) {
        0 if echo && min_tokens > 0 => {
            Err(ApiError::invalid(format!("min_tokens is {min_tokens}, but max_tokens is 0.")).param("min_tokens"))
        }
        0 if echo => Ok((Echo::Alone, 1)),
        0 => Err(ApiError::invalid("max_tokens must be at least 1, unless echo is true.").param("max_tokens")),
        limit if echo => Ok((Echo::Before, limit)),
        limit => Ok((Echo::None, limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_echo_can_do_without_new_tokens() {
        let length = |echo, max_tokens, min_tokens| length(echo, max_tokens, min_tokens).ok();
        assert_eq!(length(false, None, 0), Some((Echo::None, 16)));
        assert_eq!(length(true, None, 16), Some((Echo::Before, 16)));
        assert_eq!(length(true, Some(0), 0), Some((Echo::Alone, 1)));
        for (echo, max_tokens, min_tokens) in [(false, Some(0), 0), (true, Some(0), 1)] {
            assert_eq!(length(echo, max_tokens, min_tokens), None);
        }
    }
}
