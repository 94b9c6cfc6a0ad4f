//! Asks the gateway.

use std::net::SocketAddr;

use blindllama_tests::http;
use bytes::Bytes;
use serde_json::Value;

use super::reference::{Answer, Request};
use crate::world::run;

/// The gateway's answer to `request`, without the shim, which would add nothing.
pub fn ask(gateway: SocketAddr, request: &Request) -> Answer {
    let body = request.body.as_ref().map(ToString::to_string).or_else(|| request.raw.clone());
    let mut message = http::post(&request.path, body.unwrap_or_default());
    if let Some(method) = &request.method {
        *message.method_mut() = method.parse().expect("a method");
    }
    let answer = run(async { http::send_tls(gateway, message).await.complete().await });
    let answer = answer.unwrap_or_else(|error| panic!("{}: {error}", request.name));
    let content_type = answer.headers.get("content-type").map_or("", |value| value.to_str().expect("text"));
    let content_type = content_type.split(';').next().unwrap_or_default().to_owned();
    let streamed = content_type == "text/event-stream";
    Answer {
        status: answer.status.as_u16(),
        events: streamed.then(|| events(&answer.body)),
        body: (!streamed).then(|| answer.json()),
        content_type,
        cut: false,
    }
}

/// The data of all events; comments are receipts, which other tests are about.
fn events(stream: &Bytes) -> Vec<Value> {
    let text = std::str::from_utf8(stream).expect("UTF-8");
    text.split("\n\n").filter_map(event).collect()
}

fn event(block: &str) -> Option<Value> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    let data = field("data: ")?;
    if data == "[DONE]" {
        return Some(Value::from(data));
    }
    let data: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {block}"));
    assert!(field("event: ").is_none_or(|name| data["type"] == name), "{block}");
    Some(data)
}
