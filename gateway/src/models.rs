//! The models that can be asked for: the one that is served, and its adapters.

use actix_web::{HttpResponse, web};
use blindllama_engine::{AdapterId, EmbeddingModel, ModelTask};

use crate::{
    App,
    openai::{
        error::ApiError,
        models::{Model, ModelList},
    },
    remarks::Remarks,
};

/// What a request for text asked for, by a name that is served.
pub(crate) struct AskedModel {
    /// What it is called.
    pub(crate) name: String,
    /// The adapter of that name, where it is not the model's own.
    pub(crate) adapter: Option<AdapterId>,
}

/// The model `name`, for a request that wants vectors.
///
/// # Errors
/// 404 if it is not served, 400 if it generates.
pub(crate) fn embedding<'a>(app: &'a App, name: &str) -> Result<&'a EmbeddingModel, ApiError> {
    known(app, name)?;
    match &app.engine.model().task {
        ModelTask::Embed(model) => Ok(model),
        ModelTask::Generate => {
            Err(ApiError::invalid(format!("The model `{name}` generates text: it makes no embeddings.")).param("model"))
        }
    }
}

/// The model or adapter `name`, for a request that wants text; `remarks` get it.
///
/// # Errors
/// 404 if it is not served, 400 if it makes embeddings.
pub(crate) fn generating(app: &App, name: &str, remarks: &mut Remarks) -> Result<AskedModel, ApiError> {
    let adapter = known(app, name)?;
    remarks.model = Some(name.to_owned());
    match app.engine.model().task {
        ModelTask::Generate => Ok(AskedModel { name: name.to_owned(), adapter }),
        ModelTask::Embed(_) => {
            Err(ApiError::invalid(format!("The model `{name}` makes embeddings: it generates no text.")).param("model"))
        }
    }
}

/// What is served under `name`: an adapter, or `None` for the model itself.
///
/// # Errors
/// 404 if it is neither.
pub(crate) fn known(app: &App, name: &str) -> Result<Option<AdapterId>, ApiError> {
    if name == app.model.name {
        return Ok(None);
    }
    app.engine.model().adapter(name).map(Some).ok_or_else(|| ApiError::model_not_found(name))
}

/// `GET /v1/models`.
pub(crate) async fn list(app: web::Data<App>) -> HttpResponse {
    let adapters = app.engine.model().adapters.iter().map(|name| adapter(&app, name));
    HttpResponse::Ok().json(ModelList { object: "list", data: std::iter::once(served(&app)).chain(adapters).collect() })
}

/// `GET /v1/models/{id}`; ids of hubs have slashes in them.
pub(crate) async fn retrieve(app: web::Data<App>, id: web::Path<String>) -> Result<HttpResponse, ApiError> {
    let model = if known(&app, &id)?.is_none() { served(&app) } else { adapter(&app, &id) };
    Ok(HttpResponse::Ok().json(model))
}

fn adapter<'a>(app: &'a App, name: &'a str) -> Model<'a> {
    Model { id: name, parent: Some(&app.model.name), ..served(app) }
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
