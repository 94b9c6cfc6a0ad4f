//! The handler: one step after the other.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{chunks::CompletionChunks, prepared::PreparedCompletion, whole::WholeCompletion};
use crate::{
    App, event_stream, generation::Answers, openai::error::ApiError, parameters::Delivery, request_body::read_json,
    whole_answer::collect,
};

/// `POST /v1/completions`.
///
/// If the client goes away, the server drops this future, or the body that it made: with either go the answers.
pub(crate) async fn create_completion(
    app: web::Data<App>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let permit = app.admission.admit()?;
    let PreparedCompletion { generation, head, tellers, delivery } =
        read_json(&app, &request, body, app.max_body_bytes, PreparedCompletion::new).await?;
    let answers = Answers::start(&app, generation, permit)?;
    match delivery {
        Delivery::Whole => collect(&app, answers, WholeCompletion::new(head, tellers)).await,
        Delivery::Stream(usage) => {
            event_stream::start(&app, &request, answers, CompletionChunks::new(head, tellers, usage)).await
        }
    }
}
