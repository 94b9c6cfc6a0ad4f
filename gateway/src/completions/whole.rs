//! The whole answer as one JSON document.

use actix_web::HttpResponse;

use super::{
    handler::Head,
    telling::{Teller, Told},
};
use crate::{
    generation::Answers,
    openai::{completion_response::CompletionChoice, error::ApiError},
    receipt::TokenCounts,
};

/// Collects the answers.
///
/// # Errors
/// The engine refused a request, failed, or died.
pub(super) async fn answer(head: Head, mut answers: Answers, tellers: Vec<Teller>) -> Result<HttpResponse, ApiError> {
    let mut choices: Vec<_> = tellers.into_iter().map(|teller| (teller, Told::default())).collect();
    while let Some(next) = answers.next().await {
        let (index, piece) = next?;
        let Some((teller, told)) = choices.get_mut(index) else { continue };
        told.extend(teller.tell(piece)?);
    }
    let choices = choices.into_iter().enumerate().map(|(index, (_, told))| finished(index, told));
    let choices = choices.collect::<Result<Vec<_>, _>>()?;
    let usage = head.usage(answers.usage());
    let mut response = HttpResponse::Ok().json(head.completion(&choices, Some(Some(usage))));
    response.extensions_mut().insert(TokenCounts::from(usage));
    Ok(response)
}

fn finished(index: usize, told: Told) -> Result<CompletionChoice, ApiError> {
    if !told.is_finished() {
        return Err(ApiError::internal("an answer has no end"));
    }
    Ok(told.into_choice(index))
}
