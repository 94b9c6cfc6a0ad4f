//! From the request to what the engine is asked for.

use std::sync::Arc;

use super::valid::ValidChat;
use crate::{
    App,
    app::unix_now,
    generation::{Generation, TokenTexts},
    openai::{chat_request::ChatRequest, error::ApiError},
    output::OutputFormat,
    parameters::Delivery,
    prompt::{Prompt, room},
    remarks::Remarks,
    request_id::random_hex,
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
        let info = app.engine.model();
        let authors_limit = info.sampling_defaults.max_tokens.map(|limit| limit.min(info.max_model_len));
        let max_tokens = room(prompt.ids.len(), max_tokens.or(authors_limit), info.max_model_len)?;
        let requests = parameters.requests(model.adapter, &prompt.ids, max_tokens, logprobs, constraint.as_ref())?;
        // The engine's grammar holds from the first token on: there is no room for thoughts.
        let reasoning = app.model.output.reasoning.filter(|_| constraint.is_none());
        let speaking = Speaking {
            format: OutputFormat { reasoning, ..app.model.output },
            thinks: app.model.output.reasoning.is_some(),
            starts_in_reasoning: reasoning.is_some_and(|format| format.prompt_ends_inside(&prompt.tail)),
            token_ids: parameters.return_token_ids,
            logprobs,
            texts: TokenTexts::new(Arc::clone(&app.model.tokenizer), parameters.tokens_as_ids),
            options: speech,
        };
        let head = Head {
            id: completion_id()?,
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

fn completion_id() -> Result<String, ApiError> {
    let random = random_hex().map_err(|error| ApiError::internal(format!("completion id: {error}")))?;
    Ok(format!("chatcmpl-{random}"))
}
