//! Prompts that are no conversation.

use super::{Encoder, failed};
use crate::{
    App,
    openai::{completion_request::PromptInput, error::ApiError},
};

/// A prompt without messages.
#[derive(Clone)]
pub(crate) struct PlainPrompt {
    /// Its tokens.
    pub(crate) ids: Vec<u32>,
    /// Its text, where that was asked for.
    pub(crate) text: Option<String>,
}

impl PlainPrompt {
    /// Tokenises what is text, and, `with_text`, writes what is tokens.
    ///
    /// # Errors
    /// 400 if a text is longer than the model's context could hold.
    pub(crate) fn all(
        app: &App,
        inputs: Vec<PromptInput>,
        add_special_tokens: bool,
        with_text: bool,
    ) -> Result<Vec<Self>, ApiError> {
        let encoder = Encoder::of(app);
        inputs.into_iter().map(|input| Self::new(&encoder, input, add_special_tokens, with_text)).collect()
    }

    fn new(encoder: &Encoder, input: PromptInput, add_special_tokens: bool, with_text: bool) -> Result<Self, ApiError> {
        Ok(match input {
            PromptInput::Text(text) => {
                let ids = encoder.encode(&text, add_special_tokens).map_err(|error| error.param("prompt"))?;
                Self { ids, text: with_text.then_some(text) }
            }
            PromptInput::Tokens(ids) => {
                let text = with_text.then(|| encoder.tokenizer.decode(&ids, false)).transpose().map_err(failed)?;
                Self { ids, text }
            }
        })
    }
}
