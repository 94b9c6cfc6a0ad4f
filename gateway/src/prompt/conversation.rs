//! Messages to token ids.

use std::sync::Arc;

use super::{Encoder, LARGE};
use crate::{
    App,
    openai::error::ApiError,
    text::{ChatTemplate, RenderError, Rendering, Turn},
};

/// How much of the prompt's end is kept: it tells whether the model begins by thinking.
const TAIL: usize = 64;

/// The prompt that a conversation makes.
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
    encoder: Encoder,
}

impl Prompt {
    /// Renders and tokenises a conversation.
    ///
    /// # Errors
    /// 400 if there is no template, if it refuses the conversation, or it is longer than the model's context could hold.
    pub(crate) async fn new(app: &App, source: PromptSource) -> Result<Self, ApiError> {
        let template = app.model.template.clone().ok_or_else(no_template)?;
        let pipeline = Pipeline { template, encoder: Encoder::of(app) };
        if source.template.is_none() && source.turns.iter().map(Turn::text_len).sum::<usize>() <= LARGE {
            return pipeline.run(&source);
        }
        app.cpu_pool.run(move || pipeline.run(&source)).await?
    }
}

fn no_template() -> ApiError {
    ApiError::invalid("The model has no chat template: it knows no conversations.").param("messages")
}

impl Pipeline {
    fn run(&self, source: &PromptSource) -> Result<Prompt, ApiError> {
        let text = self.render(source)?;
        let ids = self.encoder.encode(&text, source.add_special_tokens)?;
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
