//! The handler: one step after the other.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{prepared::PreparedResponse, sealed_reasoning::ReasoningSeal, stream::ResponseEvents, whole::WholeResponse};
use crate::{
    App, event_stream, generation::Answers, openai::error::ApiError, parameters::Delivery, request_body::read_json,
    whole_answer::collect,
};

/// `POST /v1/responses`.
///
/// If the client goes away, the server drops this future, or the body that it made: with either goes the answer.
pub(crate) async fn create_response(
    app: web::Data<App>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let permit = app.admission.admit()?;
    let seal = ReasoningSeal::of(&request)?;
    let PreparedResponse { generation, head, speech, output, delivery } =
        read_json(&app, &request, body, app.max_body_bytes, move |app, asked, remarks| {
            PreparedResponse::new(app, asked, seal, remarks)
        })
        .await?;
    let answers = Answers::start(&app, generation, permit)?;
    match delivery {
        Delivery::Whole => collect(&app, answers, WholeResponse::new(head, speech, output)).await,
        Delivery::Stream(_) => event_stream::start(&app, &request, answers, ResponseEvents::new(head, speech, output)).await,
    }
}
