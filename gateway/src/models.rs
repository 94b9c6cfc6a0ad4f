//! The models that can be asked for: the one that is served.

use actix_web::{HttpResponse, web};
use blindllama_engine::{EmbeddingModel, ModelInfo, ModelTask};

use crate::{
    App,
    openai::{
        error::ApiError,
        models::{Model, ModelList},
    },
};

/// The model `name`, for a request that wants vectors.
///
/// # Errors
/// 404 if it is not served, 400 if it generates.
pub(crate) fn embedding<'a>(app: &'a App, name: &str) -> Result<&'a EmbeddingModel, ApiError> {
    match &served_as(app, name)?.task {
        ModelTask::Embed(model) => Ok(model),
        ModelTask::Generate => {
            Err(ApiError::invalid(format!("The model `{name}` generates text: it makes no embeddings.")).param("model"))
        }
    }
}

/// The model `name`, for a request that wants text.
///
/// # Errors
/// 404 if it is not served, 400 if it makes embeddings.
pub(crate) fn generating<'a>(app: &'a App, name: &str) -> Result<&'a ModelInfo, ApiError> {
    let model = served_as(app, name)?;
    match model.task {
        ModelTask::Generate => Ok(model),
        ModelTask::Embed(_) => {
            Err(ApiError::invalid(format!("The model `{name}` makes embeddings: it generates no text.")).param("model"))
        }
    }
}

fn served_as<'a>(app: &'a App, name: &str) -> Result<&'a ModelInfo, ApiError> {
    if name == app.model.name { Ok(app.engine.model()) } else { Err(ApiError::model_not_found(name)) }
}

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
