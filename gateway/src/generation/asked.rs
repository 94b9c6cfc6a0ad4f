//! What the engine is asked for, and how its tokens become text.

use std::sync::Arc;

use blindllama_engine::GenerateRequest;

use crate::{
    App,
    openai::error::ApiError,
    text::{Detokenizer, StopStrings, TextOptions},
};

/// All requests to the engine that one HTTP request makes. Each gives one answer.
pub(crate) struct Generation {
    pub(super) requests: Vec<GenerateRequest>,
    /// Answers to each prompt, at least 1: so many requests in a row have the same.
    pub(super) per_prompt: usize,
    /// How the text of the answers to each prompt begins.
    pub(super) beginnings: Vec<Detokenizer>,
    pub(super) stop_strings: StopStrings,
    pub(super) text: TextOptions,
}

impl Generation {
    /// So many of `requests` in a row as there are answers `per_prompt` have the same prompt.
    ///
    /// # Errors
    /// 500 if the tokenizer fails.
    pub(crate) fn new(
        app: &App,
        requests: Vec<GenerateRequest>,
        per_prompt: u32,
        stop_strings: StopStrings,
        text: TextOptions,
    ) -> Result<Self, ApiError> {
        let per_prompt = usize::try_from(per_prompt).unwrap_or(usize::MAX).max(1);
        let beginning = |request: &GenerateRequest| {
            let tokenizer = Arc::clone(&app.model.tokenizer);
            Detokenizer::after_prompt(tokenizer, &request.prompt, text).map_err(|error| ApiError::internal(error.to_string()))
        };
        let beginnings = requests.iter().step_by(per_prompt).map(beginning).collect::<Result<_, _>>()?;
        Ok(Self { requests, per_prompt, beginnings, stop_strings, text })
    }

    /// What the engine would be asked.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn into_requests(self) -> Vec<GenerateRequest> {
        self.requests
    }
}
