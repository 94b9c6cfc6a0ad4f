//! Messages to token ids that fit the model.

use std::sync::Arc;

use crate::{
    App,
    openai::error::ApiError,
    text::{ChatTemplate, RenderError, Rendering, Tokenizer, TokenizerError, Turn},
};

/// Conversations of more bytes are rendered and tokenised on a thread of their own: that takes milliseconds, in which
/// other connections of the worker would stand still.
const LARGE: usize = 8 * 1024;
/// How much of the prompt's end is kept: it tells whether the model begins by thinking.
const TAIL: usize = 64;

/// A prompt that fits the model.
pub(crate) struct Prompt {
    /// Its tokens.
    pub(crate) ids: Vec<u32>,
    /// The end of its text.
    pub(crate) tail: String,
}

/// What makes a prompt of a conversation.
pub(crate) struct PromptSource {
    pub(crate) turns: Vec<Turn>,
    pub(crate) rendering: Rendering,
    /// A chat template instead of the model's own.
    pub(crate) template: Option<String>,
    pub(crate) add_special_tokens: bool,
}

/// What turns conversations into prompts.
struct Pipeline {
    template: Arc<ChatTemplate>,
    tokenizer: Arc<Tokenizer>,
    max_model_len: usize,
}

impl Prompt {
    /// Renders and tokenises a conversation.
    ///
    /// # Errors
    /// 400 if there is no template, if it refuses the conversation, or it leaves no room for an answer.
    pub(crate) async fn new(app: &App, source: PromptSource) -> Result<Self, ApiError> {
        let template = app.model.template.clone().ok_or_else(no_template)?;
        let pipeline =
            Pipeline { template, tokenizer: Arc::clone(&app.model.tokenizer), max_model_len: app.engine.model().max_model_len };
        if source.template.is_none() && source.turns.iter().map(Turn::text_len).sum::<usize>() <= LARGE {
            return pipeline.run(&source);
        }
        app.cpu_pool.run(move || pipeline.run(&source)).await?
    }
}

/// How many of `limit` new tokens a prompt leaves room for: all that is left where there is no limit. As with vLLM, a limit
/// gives way to the context, unless no prompt at all could leave room for it.
///
/// # Errors
/// 400 with the numbers.
pub(crate) fn room(prompt_tokens: usize, limit: Option<usize>, max_model_len: usize) -> Result<usize, ApiError> {
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
    fn run(&self, source: &PromptSource) -> Result<Prompt, ApiError> {
        let text = self.render(source)?;
        let characters = text.chars().count();
        if characters > self.tokenizer.most_characters(self.max_model_len) {
            return Err(too_long(self.max_model_len, &format!("{characters} characters")));
        }
        let failed = |error: TokenizerError| ApiError::internal(error.to_string());
        let ids = self.tokenizer.encode(&text, source.add_special_tokens).map_err(failed)?;
        if ids.is_empty() {
            return Err(ApiError::invalid("The messages make an empty prompt.").param("messages"));
        }
        let tail = text.get(text.floor_char_boundary(text.len().saturating_sub(TAIL))..).unwrap_or_default().to_owned();
        Ok(Prompt { ids, tail })
    }

    fn render(&self, source: &PromptSource) -> Result<String, ApiError> {
        let rendered = match &source.template {
            None => self.template.render(&source.turns, &source.rendering),
            Some(template) => {
                let own = self.template.replaced(template, jiff::Zoned::now);
                let own = own.map_err(|error| ApiError::invalid(error.to_string()).param("chat_template"))?;
                own.render(&source.turns, &source.rendering)
            }
        };
        rendered.map_err(|error| match error {
            RenderError::Raised(message) => ApiError::invalid(message).param("messages"),
            failed @ RenderError::Failed(_) => ApiError::invalid(failed.to_string()).param("messages"),
        })
    }
}

fn no_template() -> ApiError {
    ApiError::invalid("The model has no chat template: it knows no conversations.").param("messages")
}

fn too_long(max_model_len: usize, size: &str) -> ApiError {
    ApiError::context_length_exceeded(format!(
        "This model's maximum context length is {max_model_len} tokens. However, your messages have {size}, \
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
