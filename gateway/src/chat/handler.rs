//! The handler: one step after the other.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{stream::ChatChunks, valid::ValidChat, whole};
use crate::{
    App,
    app::unix_now,
    event_stream,
    generation::{Answers, Setup, TokenTexts},
    openai::{chat_request::ChatRequest, error::ApiError},
    output::OutputFormat,
    parameters::Delivery,
    prompt::{Prompt, room},
    request_body::read_json,
    request_id::random_hex,
    speech::Speaking,
};

/// What the JSON document, or every chunk, of one completion has.
pub(super) struct Head {
    pub(super) id: String,
    pub(super) created: u64,
    pub(super) model: String,
    pub(super) fingerprint: String,
    /// Where it was asked for.
    pub(super) prompt_token_ids: Option<Vec<u32>>,
}

/// `POST /v1/chat/completions`.
///
/// If the client goes away, the server drops this future, or the body that it made: with either go the answers.
pub(crate) async fn create_chat_completion(
    app: web::Data<App>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let permit = app.admission.admit()?;
    let chat: ChatRequest = read_json(&request, body, app.max_body_bytes).await?;
    let ValidChat { model, source, parameters, logprobs, max_tokens, constraint, speech } = ValidChat::new(chat, &app, &request)?;
    let prompt = Prompt::new(&app, source).await?;
    let info = app.engine.model();
    let authors_limit = info.sampling_defaults.max_tokens.map(|limit| limit.min(info.max_model_len));
    let max_tokens = room(prompt.ids.len(), max_tokens.or(authors_limit), info.max_model_len)?;

    let requests = parameters.requests(model.adapter, &prompt.ids, max_tokens, logprobs, constraint.as_ref());
    let setup = Setup { stop_strings: parameters.stop_strings.clone(), text: parameters.text };
    let answers = Answers::start(&app, requests, parameters.n, &setup, permit)?;
    let head = Head {
        id: completion_id()?,
        created: unix_now(),
        model: model.name,
        fingerprint: app.fingerprint(),
        prompt_token_ids: parameters.return_token_ids.then(|| prompt.ids.clone()),
    };
    // The engine's grammar holds from the first token on: there is no room for thoughts.
    let reasoning = app.model.output.reasoning.filter(|_| constraint.is_none());
    let speaking = Speaking {
        format: OutputFormat { reasoning, ..app.model.output },
        starts_in_reasoning: reasoning.is_some_and(|format| format.prompt_ends_inside(&prompt.tail)),
        token_ids: parameters.return_token_ids,
        logprobs,
        texts: TokenTexts::new(Arc::clone(&app.model.tokenizer), parameters.tokens_as_ids),
        options: speech,
    };
    match parameters.delivery {
        Delivery::Whole => whole::answer(head, answers, &speaking, parameters.prompt_logprobs).await,
        Delivery::Stream(usage) => event_stream::start(&request, answers, ChatChunks::new(head, speaking, usage)).await,
    }
}

fn completion_id() -> Result<String, ApiError> {
    let random = random_hex().map_err(|error| ApiError::internal(format!("completion id: {error}")))?;
    Ok(format!("chatcmpl-{random}"))
}
