//! The handler: one step after the other.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use blindllama_engine::GenerateRequest;

use super::{
    answer,
    generation::Generation,
    prompt::{prompt, room},
    stream,
    valid::{Delivery, ValidChat},
};
use crate::{
    App,
    admission::Permit,
    app::unix_now,
    openai::{error::ApiError, request::ChatRequest},
    request_body::read_json,
    request_id::{RequestId, random_hex},
    text::Detokenizer,
};

/// What the JSON document, or every chunk, of one completion begins with.
pub(super) struct Head {
    /// For the log.
    pub(super) request_id: Option<RequestId>,
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
}

/// `POST /v1/chat/completions`.
///
/// If the client goes away, the server drops this future, or the body that it made: with either goes the generation.
pub(crate) async fn create_chat_completion(
    app: web::Data<App>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let permit = app.admission.admit()?;
    let chat: ChatRequest = read_json(&request, body, app.max_body_bytes).await?;
    let ValidChat { messages, sampling, max_tokens, delivery } =
        ValidChat::new(chat, &app.model.name, &app.engine.model().sampling_defaults)?;
    let max_model_len = app.engine.model().max_model_len;
    let prompt = prompt(&app.model, messages, max_model_len).await?;
    let authors_limit = app.engine.model().sampling_defaults.max_tokens.map(|limit| limit.min(max_model_len));
    let max_tokens = room(prompt.len(), max_tokens.or(authors_limit), max_model_len)?;
    let generation = generate(&app, GenerateRequest { prompt, max_tokens, sampling }, permit)?;
    let head =
        Head { request_id: RequestId::of(&request), id: completion_id()?, created: unix_now(), model: app.model.name.clone() };
    match delivery {
        Delivery::Whole => answer::collect(head, generation).await,
        Delivery::Stream { include_usage } => stream::start(&request, head, generation, include_usage).await,
    }
}

fn generate(app: &App, request: GenerateRequest, permit: Permit) -> Result<Generation, ApiError> {
    let failed = |error| ApiError::internal(format!("{error}"));
    let detokenizer = Detokenizer::after_prompt(Arc::clone(&app.model.tokenizer), &request.prompt).map_err(failed)?;
    let prompt_tokens = request.prompt.len();
    Ok(Generation::new(app.engine.generate(request)?, detokenizer, prompt_tokens, permit))
}

fn completion_id() -> Result<String, ApiError> {
    let random = random_hex().map_err(|error| ApiError::internal(format!("completion id: {error}")))?;
    Ok(format!("chatcmpl-{random}"))
}
