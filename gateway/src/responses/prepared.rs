//! From the request to what the engine is asked for.

use actix_web::web;

use super::{events::Events, output::Output, sealed_reasoning::ReasoningSeal, valid::ValidResponse};
use crate::{
    App,
    app::unix_now,
    generation::Generation,
    openai::{
        error::ApiError,
        response::{Asked, IncompleteDetails, OutputItem, Response, ResponseStatus, ResponseUsage},
        response_request::ResponseRequest,
    },
    parameters::Delivery,
    prompt::{Prompt, PromptSource},
    random_id::random_id,
    remarks::Remarks,
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
        let max_tokens = prompt.room(app.engine.model(), max_tokens).map_err(in_input)?;
        let requests = parameters.requests(model.adapter, &prompt.ids, max_tokens, logprobs, constraint.as_ref())?;
        let speaking = Speaking::new(&app.model, &prompt, constraint.is_some(), logprobs, &parameters, speech);
        let head = Head { id: random_id("resp_")?, created: unix_now(), model: model.name, asked };
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
