//! The table of routes.

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route as Method,
    dev::HttpServiceFactory,
    guard,
    http::header::ALLOW,
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use prometheus_client::encoding::EncodeLabelValue;

use crate::{
    attestation, chat, completions, embeddings, health, metrics, models, openai::error::ApiError, receipt::receipted, responses,
    tokenization, version,
};

/// All routes of OpenAI's API begin with this.
pub(crate) const OPENAI_PREFIX: &str = "/v1/";

const CHAT_COMPLETIONS: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";
const EMBEDDINGS: &str = "/v1/embeddings";
const COMPLETIONS: &str = "/v1/completions";
const TOKENIZE: &str = "/tokenize";
const DETOKENIZE: &str = "/detokenize";
const MODELS: &str = "/v1/models";
const MODEL: &str = "/v1/models/{id:.+}";
const ATTESTATION: &str = "/attestation";
const ACTIVATE: &str = "/attestation/activate";
const MANIFEST: &str = "/attestation/manifests/{sha256}";
const LIVEZ: &str = "/livez";
const READYZ: &str = "/readyz";
const HEALTH: &str = "/health";
const VERSION: &str = "/version";
const METRICS: &str = "/metrics";

/// A route by name, for logs and metrics: what clients put into paths stays out of both.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub(crate) enum Route {
    ChatCompletions,
    Responses,
    Embeddings,
    Completions,
    Tokenize,
    Detokenize,
    Models,
    Attestation,
    Activate,
    Manifest,
    Livez,
    Readyz,
    Health,
    Version,
    Metrics,
    Unknown,
}

impl Route {
    /// The route of a pattern in this table.
    pub(crate) fn of(pattern: Option<&str>) -> Self {
        match pattern {
            Some(CHAT_COMPLETIONS) => Self::ChatCompletions,
            Some(RESPONSES) => Self::Responses,
            Some(EMBEDDINGS) => Self::Embeddings,
            Some(COMPLETIONS) => Self::Completions,
            Some(TOKENIZE) => Self::Tokenize,
            Some(DETOKENIZE) => Self::Detokenize,
            Some(MODELS | MODEL) => Self::Models,
            Some(ATTESTATION) => Self::Attestation,
            Some(ACTIVATE) => Self::Activate,
            Some(MANIFEST) => Self::Manifest,
            Some(LIVEZ) => Self::Livez,
            Some(READYZ) => Self::Readyz,
            Some(HEALTH) => Self::Health,
            Some(VERSION) => Self::Version,
            Some(METRICS) => Self::Metrics,
            _ => Self::Unknown,
        }
    }
}

pub(crate) fn configure(service: &mut ServiceConfig) {
    service
        .service(inference(CHAT_COMPLETIONS, web::post().to(chat::create_chat_completion)))
        .service(inference(RESPONSES, web::post().to(responses::create_response)))
        .service(inference(EMBEDDINGS, web::post().to(embeddings::create_embeddings)))
        .service(inference(COMPLETIONS, web::post().to(completions::create_completion)))
        .service(inference(TOKENIZE, web::post().to(tokenization::tokenize)))
        .service(inference(DETOKENIZE, web::post().to(tokenization::detokenize)))
        .service(readable(MODELS, get().to(models::list)))
        .service(readable(MODEL, get().to(models::retrieve)))
        .service(readable(ATTESTATION, get().to(attestation::evidence)))
        .service(resource(ACTIVATE, web::post().to(attestation::activate), "POST"))
        .service(readable(MANIFEST, get().to(attestation::manifest)))
        .service(readable(LIVEZ, get().to(health::livez)))
        .service(readable(READYZ, get().to(health::readyz)))
        .service(readable(HEALTH, get().to(health::health)))
        .service(readable(VERSION, get().to(version::version)))
        .service(readable(METRICS, get().to(metrics::metrics)))
        .default_service(web::to(unknown_route));
}

/// GET, and HEAD, which is GET without the body (RFC 9110, section 9.3.2).
fn get() -> Method {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn readable(path: &str, get: Method) -> impl HttpServiceFactory + 'static {
    resource(path, get, "GET, HEAD")
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

async fn unknown_route(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    Err(ApiError::unknown_url(request.method().as_str(), request.path()))
}
