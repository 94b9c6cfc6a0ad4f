//! From the request to what the engine is asked for.

use super::valid::ValidChat;
use crate::{
    App,
    app::unix_now,
    generation::Generation,
    openai::{chat_request::ChatRequest, error::ApiError},
    parameters::{Delivery, check_prompt_cells},
    prompt::Prompt,
    random_id::random_id,
    remarks::Remarks,
    speech::Speaking,
};

/// All that is known before the engine is asked.
pub(crate) struct PreparedChat {
    pub(crate) generation: Generation,
    pub(super) head: Head,
    pub(super) speaking: Speaking,
    /// Most likely tokens to report in each place of the prompt.
    pub(super) prompt_logprobs: Option<u32>,
    pub(super) delivery: Delivery,
}

/// What the JSON document, or every chunk, of one completion has.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) fingerprint: String,
    /// Where it was asked for.
    pub(super) prompt_token_ids: Option<Vec<u32>>,
}

impl PreparedChat {
    /// Checks, renders and tokenises what was asked.
    ///
    /// # Errors
    /// 400 or 404, naming the parameter at fault.
    pub(crate) fn new(app: &App, chat: ChatRequest, remarks: &mut Remarks) -> Result<Self, ApiError> {
        let ValidChat { model, source, parameters, logprobs, max_tokens, constraint, speech } =
            ValidChat::new(chat, app, remarks)?;
        let prompt = Prompt::new(app, &source)?;
        if let Some(top) = parameters.prompt_logprobs {
            check_prompt_cells("prompt_logprobs", prompt.ids.len(), 1, top)?;
        }
        let max_tokens = prompt.room(app.engine.model(), max_tokens)?;
        let requests = parameters.requests(model.adapter, &prompt.ids, max_tokens, logprobs, constraint.as_ref())?;
        let speaking = Speaking::new(&app.model, &prompt, constraint.is_some(), logprobs, &parameters, speech);
        let head = Head {
            id: random_id("chatcmpl-")?,
            created: unix_now(),
            model: model.name,
            fingerprint: app.fingerprint(),
            prompt_token_ids: parameters.return_token_ids.then_some(prompt.ids),
        };
        Ok(Self {
            generation: Generation::new(app, requests, parameters.n, parameters.stop_strings, parameters.text)?,
            head,
            speaking,
            prompt_logprobs: parameters.prompt_logprobs,
            delivery: parameters.delivery,
        })
    }
}
