//! `GET /openapi.json`: what is served, as an OpenAPI 3.1 document.
//!
//! Schemas come from the wire types (ADR 13), the paths from the table of routes, and what only people can say from here:
//! there is a file for each group of routes. The document depends on nothing but the code, so that a release has one;
//! `docs/openapi.json` is a copy.

mod attestation;
mod events;
mod failures;
mod generation;
mod headers;
mod models;
mod operation;
mod operations;
mod requests;
mod schemas;
mod tidy;
mod tokenization;

use actix_web::{HttpResponse, http::header::ContentType, web};
use serde_json::{Map, Value, json};

use crate::{
    App,
    openai::error::ErrorBody,
    routes::{Route, TABLE},
};
use operation::{Operation, Tag};
use schemas::Schemas;

/// `GET /openapi.json`.
pub(crate) async fn serve(app: web::Data<App>) -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::json()).body(app.openapi.clone())
}

/// The document. It is made once: this takes a moment.
pub(crate) fn document() -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for (route, pattern) in TABLE {
        if let Some(operation) = operation(route, &mut schemas) {
            paths.insert(path(pattern), operation.into_path_item(pattern));
        }
    }
    let error = schemas.answer::<ErrorBody<'_>>();
    schemas.into_document(json!({
        "openapi": "3.1.0",
        "info": info(),
        "servers": servers(),
        "tags": Tag::all(),
        "paths": paths,
        "components": {
            "responses": failures::components(&error),
            "headers": headers::components(),
            "parameters": headers::parameters(),
        },
        // There are no keys: who may send requests is decided before they come here.
        "security": [],
    }))
}

/// Nothing where there is no path that could be told.
fn operation(route: Route, schemas: &mut Schemas) -> Option<Operation> {
    Some(match route {
        Route::ChatCompletions => generation::create_chat_completion(schemas),
        Route::Responses => generation::create_response(schemas),
        Route::Completions => generation::create_completion(schemas),
        Route::Embeddings => models::create_embeddings(schemas),
        Route::Models => models::list_models(schemas),
        Route::Model => models::retrieve_model(schemas),
        Route::Tokenize => tokenization::tokenize(schemas),
        Route::Detokenize => tokenization::detokenize(schemas),
        Route::Attestation => attestation::get_evidence(),
        Route::Activate => attestation::activate_credential(),
        Route::Manifest => attestation::get_manifest(),
        Route::Livez => operations::livez(schemas),
        Route::Readyz => operations::readyz(schemas),
        Route::Health => operations::health(),
        Route::Version => operations::version(schemas),
        Route::Metrics => operations::metrics(),
        Route::OpenApi => operations::openapi(),
        Route::Unknown => return None,
    })
}

/// A pattern without the regular expressions of its parameters.
fn path(pattern: &str) -> String {
    let mut path = String::new();
    let mut hidden = false;
    for character in pattern.chars() {
        hidden = (hidden || character == ':') && character != '}';
        if !hidden {
            path.push(character);
        }
    }
    path
}

fn info() -> Value {
    let description = "\
An OpenAI-compatible server for one open-weight model, which proves what it runs.\n\n\
* `null` stands for an absent member, everywhere in a request.\n\
* A member that is not described here is refused, and named. With `[api] unknown_parameters = \"ignore\"` the header \
`x-blindllama-ignored-parameters` names it instead.\n\
* What depends on the served model is not in the schemas: its name, context, vocabulary, and how many probabilities it reports.\n\
* Bodies of requests may be compressed (`Content-Encoding`: gzip, deflate or zstd). Answers never are.\n\
* HEAD is answered wherever GET is. Another method is a 405 with `Allow`, another path a 404; both have an error as their body.\n\
* Requests that are no HTTP get an empty 400, 408 or 431; what a connection asks for beyond 512 requests whose responses it has not \
read, an empty 503.";
    json!({
        "title": "BlindLlama",
        "version": env!("CARGO_PKG_VERSION"),
        "description": description,
        "license": {"name": "Apache License 2.0", "identifier": env!("CARGO_PKG_LICENSE")},
    })
}

fn servers() -> Value {
    json!([
        {
            "url": "/",
            "description": "Where this document came from: the verifying shim, which programs talk to, or the gateway itself, of which \
                whoever asks it directly has verified nothing.",
        },
        {
            "url": "http://{shim}",
            "description": "The shim. It forwards what begins with /v1/, /tokenize, /detokenize, /version, /health and this document.",
            "variables": {"shim": {"default": "127.0.0.1:8080", "description": "Where it listens."}},
        },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_told() {
        let document = document();
        let paths: Vec<_> = document["paths"].as_object().unwrap().keys().cloned().collect();
        let routes: Vec<_> =
            TABLE.iter().filter(|(route, _)| *route != Route::Unknown).map(|(_, pattern)| path(pattern)).collect();
        assert_eq!(paths, routes);
    }

    #[test]
    fn paths_have_no_regular_expressions() {
        assert_eq!(path("/v1/models/{id:.+}"), "/v1/models/{id}");
        assert_eq!(path("/attestation/manifests/{sha256}"), "/attestation/manifests/{sha256}");
    }
}
