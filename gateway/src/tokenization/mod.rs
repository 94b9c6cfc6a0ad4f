//! `POST /tokenize` and `POST /detokenize`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Value;

use crate::{
    App,
    chat::prompt_source,
    models::known,
    openai::{
        chat_request::ChatRequest,
        completion_request::PromptInput,
        error::ApiError,
        tokenization::{DetokenizeRequest, Detokenized, TokenizeRequest, TokenizeText, Tokenized},
    },
    parameters::{known_tokens, settle_unknown},
    prompt::{PlainPrompt, Prompt},
    receipt::TokenCounts,
    remarks::Remarks,
    request_body::{read_json, typed},
    whole_answer::{document, response},
};

/// `POST /tokenize`: the tokens that a text, or a chat completion request, has as a prompt.
pub(crate) async fn tokenize(app: web::Data<App>, request: HttpRequest, body: web::Payload) -> Result<HttpResponse, ApiError> {
    let permit = app.admission.admit()?;
    let answer = read_json(&app, &request, body, app.max_body_bytes, tokenized).await?;
    Ok(response(answer, TokenCounts::default(), permit))
}

/// `POST /detokenize`: the text of tokens.
pub(crate) async fn detokenize(app: web::Data<App>, request: HttpRequest, body: web::Payload) -> Result<HttpResponse, ApiError> {
    let permit = app.admission.admit()?;
    let answer = read_json(&app, &request, body, app.max_body_bytes, detokenized).await?;
    Ok(response(answer, TokenCounts::default(), permit))
}

/// The whole answer: it is about as large as the request.
pub(crate) fn tokenized(app: &App, asked: TokenizeRequest, remarks: &mut Remarks) -> Result<Vec<u8>, ApiError> {
    let TokenizeRequest { model, prompt, return_token_strs, rest } = asked;
    check_model(app, model.as_deref(), remarks)?;
    let mut rest = rest.into_map();
    let tokens = match prompt {
        Some(text) if rest.get("messages").is_none_or(Value::is_null) => {
            let TokenizeText { add_special_tokens, unknown } = typed(rest)?;
            settle_unknown(app.api.unknown_parameters, unknown.paths("").collect(), remarks)?;
            let text = vec![PromptInput::Text(text)];
            let mut prompts = PlainPrompt::all(app, text, add_special_tokens.unwrap_or(true), false)?;
            prompts.pop().map(|prompt| prompt.ids).unwrap_or_default()
        }
        Some(_) => return Err(ApiError::invalid("prompt and messages exclude each other.").param("prompt")),
        None => {
            rest.insert("model".to_owned(), model.unwrap_or_else(|| app.model.name.clone()).into());
            chat_tokens(app, typed(rest)?, remarks)?
        }
    };
    let names = return_token_strs.unwrap_or(false).then(|| app.model.tokenizer.names(&tokens));
    let max_model_len = app.engine.model().max_model_len;
    document(&Tokenized { count: tokens.len(), max_model_len, tokens, token_strs: names })
}

/// A chat completion request is taken as it would be sent there; what has no part in its prompt is checked, and has no effect.
fn chat_tokens(app: &App, chat: ChatRequest, remarks: &mut Remarks) -> Result<Vec<u32>, ApiError> {
    Ok(Prompt::new(app, &prompt_source(chat, app, remarks)?)?.ids)
}

/// The whole answer: it is about as large as the request.
pub(crate) fn detokenized(app: &App, asked: DetokenizeRequest, remarks: &mut Remarks) -> Result<Vec<u8>, ApiError> {
    let DetokenizeRequest { model, tokens, unknown } = asked;
    settle_unknown(app.api.unknown_parameters, unknown.paths("").collect(), remarks)?;
    check_model(app, model.as_deref(), remarks)?;
    known_tokens("tokens", &tokens, app.engine.model())?;
    let mut prompts = PlainPrompt::all(app, vec![PromptInput::Tokens(tokens)], false, true)?;
    let prompt = prompts.pop().and_then(|prompt| prompt.text).unwrap_or_default();
    document(&Detokenized { prompt })
}

fn check_model(app: &App, name: Option<&str>, remarks: &mut Remarks) -> Result<(), ApiError> {
    if let Some(name) = name {
        known(app, name)?;
        remarks.model = Some(name.to_owned());
    }
    Ok(())
}
