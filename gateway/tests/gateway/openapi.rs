//! The OpenAPI document: as committed, and as routed.

use std::path::Path;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{client::request, harness::Gateway};

#[tokio::test]
async fn the_document_is_the_committed_one() {
    let gateway = Gateway::start();
    let answer = gateway.connect().await.get("/openapi.json").await;
    assert_eq!(answer.headers["content-type"], "application/json");
    let served = format!("{:#}\n", answer.json());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(&path, &served).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let renew =
        "docs/openapi.json is not what is served: look at what `RENEW=1 cargo test -p blindllama-gateway openapi` changes in it";
    assert!(committed == served, "{renew}");
    gateway.stop().await;
}

#[tokio::test]
async fn each_path_has_the_methods_that_are_documented_and_no_others() {
    let gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let document = client.get("/openapi.json").await.json();
    for (path, item) in document["paths"].as_object().unwrap() {
        let path = path.replace("{id}", "org/none").replace("{sha256}", &"0".repeat(64));
        for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
            let documented = if method == Method::HEAD { "get".to_owned() } else { method.as_str().to_ascii_lowercase() };
            let answer = client.ask(request(method.clone(), &path, Bytes::new(), &[])).await;
            let refused = answer.status == StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(refused, item.get(documented).is_none(), "{method} {path}: {}", answer.status);
            assert!(!answer.body.contains("Invalid URL"), "{method} {path}");
        }
    }
    gateway.stop().await;
}

/// What is not understood is refused at every depth, so that schemas say so, too.
#[tokio::test]
async fn every_object_of_a_request_is_closed() {
    let gateway = Gateway::start();
    let document = gateway.connect().await.get("/openapi.json").await.json();
    let mut open = Vec::new();
    let bodies = document["paths"].as_object().unwrap().values().filter_map(|item| item["post"].get("requestBody"));
    bodies.for_each(|body| open_objects(body, &document, &mut Vec::new(), &mut open));
    assert_eq!(open, Vec::<String>::new());
    gateway.stop().await;
}

/// Follows references; objects with members that are not closed come to `open`, by their members' names.
fn open_objects(schema: &Value, document: &Value, seen: &mut Vec<String>, open: &mut Vec<String>) {
    if let Some(Value::String(target)) = schema.get("$ref") {
        if !seen.contains(target) {
            seen.push(target.clone());
            open_objects(document.pointer(target.trim_start_matches('#')).unwrap(), document, seen, open);
        }
        return;
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let closed = [json!(false), json!({"type": "null"})].contains(&schema["additionalProperties"]);
        if !closed {
            open.push(properties.keys().cloned().collect::<Vec<_>>().join(", "));
        }
    }
    match schema {
        Value::Object(members) => members.values().for_each(|member| open_objects(member, document, seen, open)),
        Value::Array(elements) => elements.iter().for_each(|element| open_objects(element, document, seen, open)),
        _ => {}
    }
}
