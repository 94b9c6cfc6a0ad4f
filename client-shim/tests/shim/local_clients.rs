//! Who may use the shim, and for what.

use blindllama_shim::proxy::is_local;

use crate::kit::{Evidence, Gateway, Reply, Shim};

/// Sends one head, with the shim's own address in place of `HOST`, and proves that the gateway heard nothing of it.
async fn answered_alone(head: &str) -> Reply {
    let gateway = Gateway::start(Evidence::Honest).await;
    let shim = Shim::start(gateway.url(), gateway.policy()).await;
    let mut client = shim.client().await;
    client.send(head.replace("HOST", &client.address.to_string()) + "connection: close\r\n\r\n").await;
    let reply = client.reply().await;
    assert_eq!(gateway.received(), "");
    reply
}

fn assert_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!((reply.status, &reply.error()["code"]), (status, &code.into()));
}

#[tokio::test]
async fn a_web_page_is_refused() {
    let page = "POST /v1/chat/completions HTTP/1.1\r\nhost: HOST\r\norigin: https://evil.example\r\n";
    assert_error(&answered_alone(page).await, 403, "origin_refused");
    let rebound = "GET /v1/models HTTP/1.1\r\nhost: evil.example\r\n";
    assert_error(&answered_alone(rebound).await, 403, "host_refused");
}

#[tokio::test]
async fn http_1_0_is_refused() {
    assert_error(&answered_alone("GET /v1/models HTTP/1.0\r\nhost: HOST\r\n").await, 505, "http_version_refused");
}

#[tokio::test]
async fn other_paths_are_not_forwarded() {
    for path in ["/", "/v1", "/v2/models", "/attestation?nonce=00", "/metrics", "/V1/models", "/tokenize/", "/version/x"] {
        let reply = answered_alone(&format!("GET {path} HTTP/1.1\r\nhost: HOST\r\n")).await;
        assert_error(&reply, 404, "not_found");
    }
}

#[tokio::test]
async fn the_shim_is_alive_whatever_the_gateway_is() {
    let reply = answered_alone("GET /livez HTTP/1.1\r\nhost: HOST\r\n").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"status":"ok"}"#));
}

#[test]
fn only_loopback_addresses_are_local() {
    for address in ["127.0.0.1:80", "127.1.2.3:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
        assert!(is_local(address.parse().unwrap()), "{address}");
    }
    for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"] {
        assert!(!is_local(address.parse().unwrap()), "{address}");
    }
}
