//! Answers as one JSON document.

use actix_web::{HttpResponse, http::header::ContentType};
use serde::Serialize;

use crate::{
    App,
    admission::Permit,
    generation::{Answers, Piece},
    openai::{error::ApiError, usage::Usage},
    receipt::TokenCounts,
};

/// Puts answers together as the document of one API.
pub(crate) trait Collector: Sized + Send + 'static {
    /// The next piece of the answer `index`.
    ///
    /// # Errors
    /// 500.
    fn piece(&mut self, index: usize, piece: Piece) -> Result<(), ApiError>;

    /// The document, once all answers have ended, with the token counts that it tells.
    ///
    /// # Errors
    /// 500.
    fn document(self, usage: Usage) -> Result<(Vec<u8>, Usage), ApiError>;
}

/// Collects the answers.
///
/// # Errors
/// The engine refused a request, failed, or died.
pub(crate) async fn collect<C: Collector>(app: &App, mut answers: Answers, mut collector: C) -> Result<HttpResponse, ApiError> {
    while let Some(next) = answers.next().await {
        let (index, piece) = next?;
        let bytes = piece.bytes;
        let add = move || collector.piece(index, piece).map(|()| collector);
        collector = app.writing.run_sized(bytes, add).await??;
    }
    let usage = answers.usage();
    let (document, told) = app.writing.run_sized(answers.bytes(), move || collector.document(usage)).await??;
    Ok(response(document, told.into(), answers.into_permit()))
}

/// The response, with what its receipt tells of tokens, and the place at admission that it keeps until it is sent.
pub(crate) fn response(document: Vec<u8>, tokens: TokenCounts, permit: Permit) -> HttpResponse {
    let mut response = HttpResponse::Ok().content_type(ContentType::json()).body(document);
    response.extensions_mut().insert(tokens);
    response.extensions_mut().insert(permit);
    response
}

/// `answer` as JSON.
///
/// # Errors
/// 500; none that a type of ours gives rise to.
pub(crate) fn document(answer: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answer).map_err(|error| ApiError::internal(format!("answer: {error}")))
}
