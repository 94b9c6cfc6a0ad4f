//! From the request to what the engine is asked for.

use std::sync::Arc;

use actix_web::web;

use super::{events::Events, output::Output, sealed_reasoning::ReasoningSeal, valid::ValidResponse};
use crate::{
    App,
    app::unix_now,
    generation::{Generation, TokenTexts},
    openai::{
        error::ApiError,
        response::{Asked, IncompleteDetails, OutputItem, Response, ResponseStatus, ResponseUsage},
        response_request::ResponseRequest,
    },
    output::OutputFormat,
    parameters::Delivery,
    prompt::{Prompt, PromptSource, room},
    remarks::Remarks,
    request_id::random_hex,
    speech::{Speaking, Speech},
};

/// All that is known before the engine is asked.
pub(crate) struct PreparedResponse {
    pub(crate) generation: Generation,
    pub(super) head: Head,
    pub(super) speech: Speech,
    pub(super) output: Output,
    pub(super) delivery: Delivery,
}

/// What a response has from the beginning.
pub(super) struct Head {
    id: String,
    created: u64,
    model: String,
    asked: Asked,
}

impl PreparedResponse {
    /// Checks, renders and tokenises what was asked.
    ///
    /// # Errors
    /// 400 or 404, naming the parameter at fault.
    pub(crate) fn new(
        app: &App,
        asked: ResponseRequest,
        seal: web::Data<ReasoningSeal>,
        remarks: &mut Remarks,
    ) -> Result<Self, ApiError> {
        let ValidResponse {
            model,
            turns,
            rendering,
            parameters,
            logprobs,
            max_tokens,
            constraint,
            speech,
            sealed_reasoning,
            asked,
        } = ValidResponse::new(asked, app, &seal, remarks)?;
        let in_input = |error: ApiError| error.renamed("messages", "input").renamed("max_tokens", "max_output_tokens");
        let source = PromptSource { turns, rendering, template: None, add_special_tokens: false };
        let prompt = Prompt::new(app, &source).map_err(in_input)?;
        let info = app.engine.model();
        let authors_limit = info.sampling_defaults.max_tokens.map(|limit| limit.min(info.max_model_len));
        let max_tokens = room(prompt.ids.len(), max_tokens.or(authors_limit), info.max_model_len).map_err(in_input)?;
        let requests = parameters.requests(model.adapter, &prompt.ids, max_tokens, logprobs, constraint.as_ref())?;
        // The engine's grammar holds from the first token on: there is no room for thoughts.
        let reasoning = app.model.output.reasoning.filter(|_| constraint.is_none());
        let speaking = Speaking {
            format: OutputFormat { reasoning, ..app.model.output },
            thinks: app.model.output.reasoning.is_some(),
            starts_in_reasoning: reasoning.is_some_and(|format| format.prompt_ends_inside(&prompt.tail)),
            token_ids: false,
            logprobs,
            texts: TokenTexts::new(Arc::clone(&app.model.tokenizer), false),
            options: speech,
        };
        let head = Head { id: response_id()?, created: unix_now(), model: model.name, asked };
        let generation = Generation::new(app, requests, 1, parameters.stop_strings, parameters.text)?;
        let events = Events::new(parameters.delivery != Delivery::Whole);
        let output = Output::new(events, sealed_reasoning.then_some(seal));
        Ok(Self { generation, head, speech: speaking.speech(), output, delivery: parameters.delivery })
    }
}

impl Head {
    /// The response as far as it has come.
    pub(super) fn response<'a>(
        &'a self,
        status: ResponseStatus,
        output: &'a [OutputItem],
        usage: Option<ResponseUsage>,
    ) -> Response<'a> {
        let incomplete = status == ResponseStatus::Incomplete;
        Response {
            id: &self.id,
            object: "response",
            created_at: self.created,
            status,
            completed_at: (status == ResponseStatus::Completed).then(unix_now),
            error: None,
            incomplete_details: incomplete.then_some(IncompleteDetails { reason: "max_output_tokens" }),
            model: &self.model,
            output,
            asked: &self.asked,
            usage,
        }
    }
}

fn response_id() -> Result<String, ApiError> {
    let random = random_hex().map_err(|error| ApiError::internal(format!("response id: {error}")))?;
    Ok(format!("resp_{random}"))
}
