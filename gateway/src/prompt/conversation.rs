//! Messages to token ids.

use super::Encoder;
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

impl Prompt {
    /// Renders and tokenises a conversation.
    ///
    /// # Errors
    /// 400 if there is no template, if it refuses the conversation, or it is longer than the model's context could hold.
    pub(crate) fn new(app: &App, source: &PromptSource) -> Result<Self, ApiError> {
        let template = app.model.template.as_deref().ok_or_else(no_template)?;
        let text = render(template, source)?;
        let ids = Encoder::of(app).encode(&text, source.add_special_tokens)?;
        if ids.is_empty() {
            return Err(ApiError::invalid("The messages make an empty prompt.").param("messages"));
        }
        let tail = text.get(text.floor_char_boundary(text.len().saturating_sub(TAIL))..).unwrap_or_default().to_owned();
        Ok(Self { ids, tail })
    }
}

fn no_template() -> ApiError {
    ApiError::invalid("The model has no chat template: it knows no conversations.").param("messages")
}

fn render(template: &ChatTemplate, source: &PromptSource) -> Result<String, ApiError> {
    let rendered = match &source.template {
        None => template.render(&source.turns, &source.rendering),
        Some(own) => {
            let own = template.replaced(own, jiff::Zoned::now);
            let own = own.map_err(|error| ApiError::invalid(error.to_string()).param("chat_template"))?;
            own.render(&source.turns, &source.rendering)
        }
    };
    rendered.map_err(|error| match error {
        RenderError::Raised(message) => ApiError::invalid(message).param("messages"),
        failed @ RenderError::Failed(_) => ApiError::invalid(failed.to_string()).param("messages"),
    })
}
