//! Prompts: from messages, text or token ids to token ids that fit the model.

mod conversation;
mod plain;

use std::sync::Arc;

pub(crate) use conversation::{Prompt, PromptSource};
pub(crate) use plain::PlainPrompt;

use crate::{
    App,
    openai::error::ApiError,
    text::{Tokenizer, TokenizerError},
};

/// How many of `limit` new tokens a prompt leaves room for: all that is left where there is no limit. As with vLLM, a limit
/// gives way to the context, unless no prompt at all could leave room for it.
///
/// # Errors
/// 400 with the numbers.
pub(crate) fn room(prompt_tokens: usize, limit: Option<usize>, max_model_len: usize) -> Result<usize, ApiError> {
    let left = max_model_len.saturating_sub(prompt_tokens);
    match limit {
        _ if left == 0 => Err(too_long(max_model_len, &format!("{prompt_tokens} tokens"))),
        Some(limit) if limit > max_model_len => Err(beyond_context(limit, max_model_len)),
        limit => Ok(limit.unwrap_or(left).min(left)),
    }
}

/// A limit on new tokens that no prompt leaves room for.
pub(crate) fn beyond_context(limit: usize, max_model_len: usize) -> ApiError {
    ApiError::context_length_exceeded(format!(
        "This model's maximum context length is {max_model_len} tokens. However, you requested {limit} in the completion."
    ))
    .param("max_tokens")
}

/// Tokenises what the model's context can hold.
#[derive(Clone)]
struct Encoder {
    tokenizer: Arc<Tokenizer>,
    max_model_len: usize,
}

impl Encoder {
    fn of(app: &App) -> Self {
        Self { tokenizer: Arc::clone(&app.model.tokenizer), max_model_len: app.engine.model().max_model_len }
    }

    /// Token ids of `text`; a text that no context could hold is refused before work is put into it.
    fn encode(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, ApiError> {
        let characters = text.chars().count();
        if characters > self.tokenizer.most_characters(self.max_model_len) {
            return Err(too_long(self.max_model_len, &format!("{characters} characters")));
        }
        self.tokenizer.encode(text, add_special_tokens).map_err(failed)
    }
}

fn failed(error: TokenizerError) -> ApiError {
    ApiError::internal(error.to_string())
}

fn too_long(max_model_len: usize, size: &str) -> ApiError {
    ApiError::context_length_exceeded(format!(
        "This model's maximum context length is {max_model_len} tokens. However, your prompt has {size}, \
         which leaves no room for an answer."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompt_and_answer_fit_the_context() {
        assert_eq!(room(10, None, 16).unwrap(), 6);
        assert_eq!(room(10, Some(5), 16).unwrap(), 5);
        assert_eq!(room(10, Some(16), 16).unwrap(), 6);
        for (prompt_tokens, limit) in [(16, None), (17, None), (16, Some(1)), (10, Some(17)), (10, Some(usize::MAX))] {
            assert!(room(prompt_tokens, limit, 16).is_err(), "{prompt_tokens} {limit:?}");
        }
    }
}
