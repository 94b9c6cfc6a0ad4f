//! The whole answer as one JSON document.

use actix_web::HttpResponse;

use super::{generation::Generation, handler::Head};
use crate::{
    openai::{
        error::ApiError,
        response::{AssistantMessage, ChatCompletion, Choice},
    },
    receipt::TokenCounts,
};

/// Collects the answer.
///
/// # Errors
/// The engine refused the request, failed, or died.
pub(super) async fn collect(head: Head, mut generation: Generation) -> Result<HttpResponse, ApiError> {
    let mut text = String::new();
    let finish_reason = loop {
        let piece = generation.next().await?;
        text.push_str(&piece.text);
        if let Some(finish) = piece.finish {
            break finish;
        }
    };
    let message = AssistantMessage { role: "assistant", content: &text, refusal: None };
    let usage = generation.usage();
    let mut response = HttpResponse::Ok().json(ChatCompletion {
        id: &head.id,
        object: "chat.completion",
        created: head.created,
        model: &head.model,
        choices: [Choice { index: 0, message, logprobs: None, finish_reason }],
        usage,
    });
    response.extensions_mut().insert(TokenCounts::from(usage));
    Ok(response)
}
