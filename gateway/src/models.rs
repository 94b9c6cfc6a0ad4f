//! The models that can be asked for: the one that is served.

use actix_web::{HttpResponse, web};

use crate::{
    App,
    openai::{
        error::ApiError,
        models::{Model, ModelList},
    },
};

/// `GET /v1/models`.
pub(crate) async fn list(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(ModelList { object: "list", data: [served(&app)] })
}

/// `GET /v1/models/{id}`; ids of hubs have slashes in them.
pub(crate) async fn retrieve(app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    if *id == app.model.name { Ok(HttpResponse::Ok().json(served(&app))) } else { Err(ApiError::model_not_found(&id)) }
}

fn served(app: &App) -> Model<'_> {
    Model {
        id: &app.model.name,
        object: "model",
        created: app.started,
        owned_by: "blindllama",
        root: &app.model.name,
        parent: None,
        max_model_len: app.engine.model().max_model_len,
    }
}
