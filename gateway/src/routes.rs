//! The table of routes.

use actix_web::{
    HttpResponse, Resource, Route as Method,
    dev::HttpServiceFactory,
    http::header::ALLOW,
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use prometheus_client::encoding::EncodeLabelValue;

use crate::{attestation, chat, health, metrics, models, openai::error::ApiError, receipt::receipted};

const CHAT_COMPLETIONS: &str = "/v1/chat/completions";
const MODELS: &str = "/v1/models";
const MODEL: &str = "/v1/models/{id:.+}";
const ATTESTATION: &str = "/attestation";
const ACTIVATE: &str = "/attestation/activate";
const MANIFEST: &str = "/attestation/manifests/{sha256}";
const LIVEZ: &str = "/livez";
const READYZ: &str = "/readyz";
const METRICS: &str = "/metrics";

/// A route by name, for logs and metrics: what clients put into paths stays out of both.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub(crate) enum Route {
    ChatCompletions,
    Models,
    Attestation,
    Activate,
    Manifest,
    Livez,
    Readyz,
    Metrics,
    Unknown,
}

impl Route {
    /// The route of a pattern in this table.
    pub(crate) fn of(pattern: Option<&str>) -> Self {
        match pattern {
            Some(CHAT_COMPLETIONS) => Self::ChatCompletions,
            Some(MODELS | MODEL) => Self::Models,
            Some(ATTESTATION) => Self::Attestation,
            Some(ACTIVATE) => Self::Activate,
            Some(MANIFEST) => Self::Manifest,
            Some(LIVEZ) => Self::Livez,
            Some(READYZ) => Self::Readyz,
            Some(METRICS) => Self::Metrics,
            _ => Self::Unknown,
        }
    }
}

pub(crate) fn configure(service: &mut ServiceConfig) {
    service
        .service(inference(CHAT_COMPLETIONS, web::post().to(chat::create_chat_completion)))
        .service(resource(MODELS, web::get().to(models::list), "GET"))
        .service(resource(MODEL, web::get().to(models::retrieve), "GET"))
        .service(resource(ATTESTATION, web::get().to(attestation::evidence), "GET"))
        .service(resource(ACTIVATE, web::post().to(attestation::activate), "POST"))
        .service(resource(MANIFEST, web::get().to(attestation::manifest), "GET"))
        .service(resource(LIVEZ, web::get().to(health::livez), "GET"))
        .service(resource(READYZ, web::get().to(health::readyz), "GET"))
        .service(resource(METRICS, web::get().to(metrics::metrics), "GET"))
        .default_service(web::to(unknown_route));
}

/// A route of the model: each of its responses has a receipt.
fn inference(path: &str, post: Method) -> impl HttpServiceFactory + 'static {
    resource(path, post, "POST").wrap(from_fn(receipted))
}

fn resource(path: &str, method: Method, allow: &'static str) -> Resource {
    web::resource(path).route(method).default_service(web::to(move || method_not_allowed(allow)))
}

async fn method_not_allowed(allow: &'static str) -> HttpResponse {
    let mut response = ApiError::method_not_allowed().to_response(None);
    response.headers_mut().insert(ALLOW, actix_web::http::header::HeaderValue::from_static(allow));
    response
}

async fn unknown_route() -> Result<HttpResponse, ApiError> {
    Err(ApiError::not_found("There is no such route."))
}
