//! What is running.

use actix_web::{HttpResponse, web};
use schemars::JsonSchema;
use serde::Serialize;

use crate::App;

/// What is running.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Version<'a> {
    /// The gateway's version.
    version: &'static str,
    /// The engine with its version.
    engine: &'a str,
}

/// `GET /version`: the gateway's own version under vLLM's key, and beside it the engine with its version.
pub(crate) async fn version(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().json(Version { version: env!("CARGO_PKG_VERSION"), engine: &app.engine.model().engine })
}
