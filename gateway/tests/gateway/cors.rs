//! Calls from web pages.

use blindllama_gateway::cors::AllowedOrigins;
use bytes::Bytes;
use http::{Method, StatusCode};

use crate::{
    client::{Answer, CHAT, request},
    harness::Gateway,
};

const PAGE: &str = "https://chat.example.org";

fn allowed(origins: &[&str]) -> AllowedOrigins {
    origins.iter().map(ToString::to_string).collect::<Vec<_>>().try_into().unwrap()
}

async fn preflight(gateway: &Gateway, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type,x-stainless-lang"),
    ];
    gateway.connect().await.ask(request(Method::OPTIONS, CHAT, Bytes::new(), &headers)).await
}

async fn call(gateway: &Gateway, origin: &str) -> Answer {
    // Errors are for pages to read, too.
    let headers = [("origin", origin), ("content-type", "application/json")];
    gateway.connect().await.ask(request(Method::POST, CHAT, "{}".into(), &headers)).await
}

#[tokio::test]
async fn a_page_of_the_list_may_call() {
    let gateway = Gateway::start_for(allowed(&[PAGE, "http://localhost:3000"]));
    let answer = preflight(&gateway, PAGE).await;
    assert_eq!((answer.status, &answer.headers["access-control-allow-origin"]), (StatusCode::OK, &PAGE.parse().unwrap()));
    for header in ["authorization", "content-type", "x-stainless-lang"] {
        assert!(answer.headers["access-control-allow-headers"].to_str().unwrap().contains(header));
    }
    assert!(answer.headers["access-control-allow-methods"].to_str().unwrap().contains("POST"));
    assert!(answer.headers.contains_key("x-request-id") && answer.headers.contains_key("x-blindllama-binding"));

    let answer = call(&gateway, PAGE).await;
    assert_eq!(
        (answer.status, &answer.headers["access-control-allow-origin"]),
        (StatusCode::BAD_REQUEST, &PAGE.parse().unwrap())
    );
    let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap().to_owned();
    for name in answer.headers.keys().map(http::HeaderName::as_str) {
        let ours = name.starts_with("x-") || name.starts_with("openai-");
        assert!(!ours || exposed.split(", ").any(|exposed| exposed == name), "{name} in {exposed}");
    }
    assert!(exposed.contains("retry-after") && exposed.contains("x-blindllama-receipt"), "{exposed}");
    assert!(answer.headers["vary"].to_str().unwrap().to_lowercase().contains("origin"));
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    gateway.stop().await;
}

#[tokio::test]
async fn other_pages_may_not() {
    let gateway = Gateway::start_for(allowed(&[PAGE]));
    for origin in ["https://evil.example", "null", "https://chat.example.org.evil.example", "http://chat.example.org"] {
        let answer = preflight(&gateway, origin).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{origin}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}");
        answer.error();
        assert!(!call(&gateway, origin).await.headers.contains_key("access-control-allow-origin"), "{origin}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn any_page_may_where_all_are_allowed_and_none_by_default() {
    let gateway = Gateway::start_for(AllowedOrigins::Any);
    assert_eq!(preflight(&gateway, "https://any.example").await.headers["access-control-allow-origin"], "*");
    assert_eq!(call(&gateway, "null").await.headers["access-control-allow-origin"], "*");
    gateway.stop().await;

    let gateway = Gateway::start();
    let answer = preflight(&gateway, PAGE).await;
    assert_eq!((answer.status, &answer.headers["allow"]), (StatusCode::METHOD_NOT_ALLOWED, &"POST".parse().unwrap()));
    for answer in [answer, call(&gateway, PAGE).await] {
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{:?}", answer.headers);
    }
    gateway.stop().await;
}
