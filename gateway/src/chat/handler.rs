//! The handler: one step after the other.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{prepared::PreparedChat, stream::ChatChunks, whole::WholeChat};
use crate::{
    App, event_stream, generation::Answers, openai::error::ApiError, parameters::Delivery, request_body::read_json,
    whole_answer::collect,
};

/// `POST /v1/chat/completions`.
///
/// If the client goes away, the server drops this future, or the body that it made: with either go the answers.
pub(crate) async fn create_chat_completion(
    app: web::Data<App>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let permit = app.admission.admit()?;
    let PreparedChat { generation, head, speaking, prompt_logprobs, delivery } =
        read_json(&app, &request, body, app.max_body_bytes, PreparedChat::new).await?;
    let answers = Answers::start(&app, generation, permit)?;
    match delivery {
        Delivery::Whole => {
            let whole = WholeChat::new(head, speaking, answers.len(), prompt_logprobs);
            collect(&app, answers, whole).await
        }
        Delivery::Stream(usage) => event_stream::start(&app, &request, answers, ChatChunks::new(head, speaking, usage)).await,
    }
}
