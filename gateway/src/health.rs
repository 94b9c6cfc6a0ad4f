//! Whether the process lives, and whether it can serve.

use actix_web::{HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{App, openai::error::ApiError};

/// That all is well.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    #[schemars(extend("const" = "ok"))]
    status: &'static str,
}

/// `GET /livez`: the server answers.
pub(crate) async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// `GET /readyz`: the engine is alive; 503 once it is not, which it never comes back from.
pub(crate) async fn readyz(app: web::Data<App>) -> Result<HttpResponse, ApiError> {
    if app.engine.is_alive() { Ok(HttpResponse::Ok().json(Health { status: "ok" })) } else { Err(ApiError::engine_stopped()) }
}

/// `GET /health`: as [`readyz`], but with vLLM's empty bodies.
pub(crate) async fn health(app: web::Data<App>) -> HttpResponse {
    if app.engine.is_alive() { HttpResponse::Ok().finish() } else { HttpResponse::ServiceUnavailable().finish() }
}
