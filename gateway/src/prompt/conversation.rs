//! Messages to token ids.

use blindllama_engine::ModelInfo;

use super::{Encoder, room};
use crate::{
    App,
    openai::error::ApiError,
    text::{ChatTemplate, RenderError, Rendering, TemplateError, Turn, with_large_stack},
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

    /// How many new tokens there may be: as [`room`], with the limit of the model's author where none was asked for.
    ///
    /// # Errors
    /// 400 if there is no room at all.
    pub(crate) fn room(&self, model: &ModelInfo, limit: Option<usize>) -> Result<usize, ApiError> {
        let authors = model.sampling_defaults.max_tokens.map(|limit| limit.min(model.max_model_len));
        room(self.ids.len(), limit.or(authors), model.max_model_len)
    }
}

fn no_template() -> ApiError {
    ApiError::invalid("The model has no chat template: it knows no conversations.").param("messages")
}

fn render(template: &ChatTemplate, source: &PromptSource) -> Result<String, ApiError> {
    let rendered = match &source.template {
        None => template.render(&source.turns, &source.rendering),
        Some(own) => {
            let render = || Ok(template.replaced(own, jiff::Zoned::now)?.render(&source.turns, &source.rendering));
            let rendered: Result<_, TemplateError> =
                with_large_stack(render).ok_or_else(|| ApiError::internal("a thread for a template of a request failed"))?;
            rendered.map_err(|error| ApiError::invalid(error.to_string()).param("chat_template"))?
        }
    };
    rendered.map_err(|error| match error {
        RenderError::Raised(message) => ApiError::invalid(message).param("messages"),
        failed @ RenderError::Failed(_) => ApiError::invalid(failed.to_string()).param("messages"),
    })
}
