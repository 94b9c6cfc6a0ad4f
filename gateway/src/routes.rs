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
    attestation, chat, completions, embeddings, health, metrics, models, openai::error::ApiError, openapi, receipt::receipted,
    responses, tokenization, version,
};

/// All routes of OpenAI's API begin with this.
pub(crate) const OPENAI_PREFIX: &str = "/v1/";

/// Every route with its pattern: what is served, and what the OpenAPI document tells.
pub(crate) const TABLE: [(Route, &str); 18] = [
    (Route::ChatCompletions, "/v1/chat/completions"),
    (Route::Responses, "/v1/responses"),
    (Route::Embeddings, "/v1/embeddings"),
    (Route::Completions, "/v1/completions"),
    (Route::Models, "/v1/models"),
    (Route::Model, "/v1/models/{id:.+}"),
    (Route::Tokenize, "/tokenize"),
    (Route::Detokenize, "/detokenize"),
    (Route::Attestation, "/attestation"),
    (Route::Activate, "/attestation/activate"),
    (Route::Manifest, "/attestation/manifests/{sha256}"),
    (Route::Livez, "/livez"),
    (Route::Readyz, "/readyz"),
    (Route::Health, "/health"),
    (Route::Version, "/version"),
    (Route::Metrics, "/metrics"),
    (Route::OpenApi, "/openapi.json"),
    // No pattern is empty: this is whatever the others are not.
    (Route::Unknown, ""),
];

/// A route by name, for logs and metrics: what clients put into paths stays out of both.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelValue)]
pub(crate) enum Route {
    ChatCompletions,
    Responses,
    Embeddings,
    Completions,
    Models,
    Model,
    Tokenize,
    Detokenize,
    Attestation,
    Activate,
    Manifest,
    Livez,
    Readyz,
    Health,
    Version,
    Metrics,
    OpenApi,
    Unknown,
}

impl Route {
    /// The route of a pattern in the table.
    pub(crate) fn of(pattern: Option<&str>) -> Self {
        TABLE.iter().find(|(_, known)| pattern == Some(known)).map_or(Self::Unknown, |(route, _)| *route)
    }

    fn serve(self, path: &str, service: &mut ServiceConfig) {
        match self {
            Self::ChatCompletions => service.service(inference(path, web::post().to(chat::create_chat_completion))),
            Self::Responses => service.service(inference(path, web::post().to(responses::create_response))),
            Self::Embeddings => service.service(inference(path, web::post().to(embeddings::create_embeddings))),
            Self::Completions => service.service(inference(path, web::post().to(completions::create_completion))),
            Self::Models => service.service(readable(path, get().to(models::list))),
            Self::Model => service.service(readable(path, get().to(models::retrieve))),
            Self::Tokenize => service.service(inference(path, web::post().to(tokenization::tokenize))),
            Self::Detokenize => service.service(inference(path, web::post().to(tokenization::detokenize))),
            Self::Attestation => service.service(readable(path, get().to(attestation::evidence))),
            Self::Activate => service.service(resource(path, web::post().to(attestation::activate), "POST")),
            Self::Manifest => service.service(readable(path, get().to(attestation::manifest))),
            Self::Livez => service.service(readable(path, get().to(health::livez))),
            Self::Readyz => service.service(readable(path, get().to(health::readyz))),
            Self::Health => service.service(readable(path, get().to(health::health))),
            Self::Version => service.service(readable(path, get().to(version::version))),
            Self::Metrics => service.service(readable(path, get().to(metrics::metrics))),
            Self::OpenApi => service.service(readable(path, get().to(openapi::serve))),
            Self::Unknown => service.default_service(web::to(unknown_route)),
        };
    }
}

pub(crate) fn configure(service: &mut ServiceConfig) {
    for (route, path) in TABLE {
        route.serve(path, service);
    }
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
