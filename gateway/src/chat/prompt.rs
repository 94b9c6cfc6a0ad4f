//! Messages to token ids that fit the model.

use std::sync::Arc;

use crate::{
    ServedModel,
    openai::{
        error::ApiError,
        request::{Content, Message},
    },
    text::{ChatTemplate, RenderError, Tokenizer, TokenizerError},
};

/// Conversations of more bytes are rendered and tokenised on a thread of their own: that takes milliseconds, in which
/// other connections of the worker would stand still.
const LARGE: usize = 8 * 1024;

/// What turns messages into a prompt.
struct Pipeline {
    template: Arc<ChatTemplate>,
    tokenizer: Arc<Tokenizer>,
    max_model_len: usize,
}

/// Renders and tokenises a conversation.
///
/// # Errors
/// 400 if the template refuses the conversation, or it leaves no room for an answer.
pub(super) async fn prompt(model: &ServedModel, messages: Vec<Message>, max_model_len: usize) -> Result<Vec<u32>, ApiError> {
    let pipeline = Pipeline { template: Arc::clone(&model.template), tokenizer: Arc::clone(&model.tokenizer), max_model_len };
    if size(&messages) <= LARGE {
        return pipeline.run(&messages);
    }
    let prompt = tokio::task::spawn_blocking(move || pipeline.run(&messages));
    prompt.await.map_err(|_| ApiError::internal("the thread that tokenised a prompt failed"))?
}

/// How many of `limit` new tokens a prompt leaves room for: all that is left where there is no limit. As with vLLM, a limit
/// gives way to the context, unless no prompt at all could leave room for it.
///
/// # Errors
/// 400 with the numbers.
pub(super) fn room(prompt_tokens: usize, limit: Option<usize>, max_model_len: usize) -> Result<usize, ApiError> {
    let left = max_model_len.saturating_sub(prompt_tokens);
    match limit {
        _ if left == 0 => Err(too_long(max_model_len, &format!("{prompt_tokens} tokens"))),
        Some(limit) if limit > max_model_len => Err(ApiError::context_length_exceeded(format!(
            "This model's maximum context length is {max_model_len} tokens. However, you requested {limit} in the completion."
        ))),
        limit => Ok(limit.unwrap_or(left).min(left)),
    }
}

impl Pipeline {
    fn run(&self, messages: &[Message]) -> Result<Vec<u32>, ApiError> {
        let text = self.template.render(messages).map_err(|error| match error {
            RenderError::Raised(message) => ApiError::invalid(message).param("messages"),
            failed @ RenderError::Failed(_) => ApiError::invalid(failed.to_string()).param("messages"),
        })?;
        let characters = text.chars().count();
        if characters > self.tokenizer.most_characters(self.max_model_len) {
            return Err(too_long(self.max_model_len, &format!("{characters} characters")));
        }
        let ids = self.tokenizer.encode(&text).map_err(|error: TokenizerError| ApiError::internal(error.to_string()))?;
        if ids.is_empty() { Err(ApiError::invalid("The messages make an empty prompt.").param("messages")) } else { Ok(ids) }
    }
}

fn too_long(max_model_len: usize, size: &str) -> ApiError {
    ApiError::context_length_exceeded(format!(
        "This model's maximum context length is {max_model_len} tokens. However, your messages have {size}, \
         which leaves no room for an answer."
    ))
}

fn size(messages: &[Message]) -> usize {
    let length = |message: &Message| match &message.content {
        Content::Text(text) => text.len(),
        Content::Parts(parts) => parts.iter().map(|part| part.text.len()).sum(),
    };
    messages.iter().map(length).sum()
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
