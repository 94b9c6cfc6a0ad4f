//! The handler: one step after the other.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{events::Events, output::Output, stream, valid::ValidResponse};
use crate::{
    App,
    app::unix_now,
    generation::{Answers, Setup, TokenTexts},
    openai::{
        error::ApiError,
        response::{Asked, IncompleteDetails, OutputItem, Response, ResponseStatus, ResponseUsage},
        response_request::ResponseRequest,
    },
    output::OutputFormat,
    parameters::Delivery,
    prompt::{Prompt, PromptSource, room},
    receipt::TokenCounts,
    request_body::read_json,
    request_id::{RequestId, random_hex},
    speech::Speaking,
};

/// What a response has from the beginning.
pub(super) struct Head {
    /// For the log.
    pub(super) request_id: Option<RequestId>,
    id: String,
    created: u64,
    model: String,
    asked: Asked,
}

/// `POST /v1/responses`.
///
/// If the client goes away, the server drops this future, or the body that it made: with either goes the answer.
pub(crate) async fn create_response(
    app: web::Data<App>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let permit = app.admission.admit()?;
    let asked: ResponseRequest = read_json(&request, body, app.max_body_bytes).await?;
    let ValidResponse { model, turns, rendering, parameters, logprobs, max_tokens, constraint, speech, asked } =
        ValidResponse::new(asked, &app, &request)?;
    let in_input = |error: ApiError| error.renamed("messages", "input");
    let source = PromptSource { turns, rendering, template: None, add_special_tokens: false };
    let prompt = Prompt::new(&app, source).await.map_err(in_input)?;
    let info = app.engine.model();
    let authors_limit = info.sampling_defaults.max_tokens.map(|limit| limit.min(info.max_model_len));
    let max_tokens = room(prompt.ids.len(), max_tokens.or(authors_limit), info.max_model_len).map_err(in_input)?;

    let requests = parameters.requests(model.adapter, &prompt.ids, max_tokens, logprobs, constraint.as_ref());
    let setup = Setup { stop_strings: parameters.stop_strings.clone(), text: parameters.text };
    let answers = Answers::start(&app, requests, 1, &setup, permit)?;
    let head = Head { request_id: RequestId::of(&request), id: response_id()?, created: unix_now(), model: model.name, asked };
    // The engine's grammar holds from the first token on: there is no room for thoughts.
    let reasoning = app.model.output.reasoning.filter(|_| constraint.is_none());
    let speaking = Speaking {
        format: OutputFormat { reasoning, ..app.model.output },
        starts_in_reasoning: reasoning.is_some_and(|format| format.prompt_ends_inside(&prompt.tail)),
        token_ids: false,
        logprobs,
        texts: TokenTexts::new(Arc::clone(&app.model.tokenizer), false),
        options: speech,
    };
    match parameters.delivery {
        Delivery::Whole => whole(&head, answers, &speaking).await,
        Delivery::Stream(_) => stream::start(&request, head, answers, &speaking).await,
    }
}

/// Collects the answer.
async fn whole(head: &Head, mut answers: Answers, speaking: &Speaking) -> Result<HttpResponse, ApiError> {
    let (mut speech, mut output) = (speaking.speech(), Output::new(Events::new(false)));
    let mut status = None;
    while let Some(next) = answers.next().await {
        let (_, piece) = next?;
        let tokens = piece.token_ids.len();
        status = output.say(tokens, speech.say(piece)?)?;
    }
    let status = status.ok_or_else(|| ApiError::internal("an answer has no end"))?;
    let usage = answers.usage();
    let counts = ResponseUsage::new(usage, output.reasoning_tokens());
    let mut response = HttpResponse::Ok().json(head.response(status, &output.items, Some(counts)));
    response.extensions_mut().insert(TokenCounts::from(usage));
    Ok(response)
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
