//! What a verified gateway gets, and what its client gets back.

use crate::kit::{Client, Evidence, Exchange, Gateway, Shim};

async fn verified() -> (Gateway, Shim) {
    let gateway = Gateway::start(Evidence::Honest).await;
    let shim = Shim::start(gateway.url(), gateway.policy()).await;
    (gateway, shim)
}

/// A streaming request that has reached the gateway.
async fn under_way(gateway: &mut Gateway, shim: &Shim) -> (Client, Exchange) {
    let mut client = shim.client().await;
    client.get("/v1/stream").await;
    (client, gateway.request().await)
}

fn lines(head: &str) -> Vec<&str> {
    let mut lines: Vec<_> = head.trim_end().lines().collect();
    lines[1..].sort_unstable();
    lines
}

#[tokio::test]
async fn requests_arrive_and_answers_return_byte_for_byte() {
    let (mut gateway, shim) = verified().await;
    let mut client = shim.client().await;
    let host = client.address;
    client
        .send(format!(
            "PATCH /v1/a%2Fb/../c?q=%20x&q=;&empty= HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer key\r\nx-many: 1\r\nx-many: 2\r\n\
             content-length: 6\r\nconnection: close, x-hop\r\nx-hop: 1\r\nte: trailers\r\nproxy-authorization: Basic eA==\r\n\r\n\u{0}é\r\n}}"
        ))
        .await;
    let mut exchange = gateway.request().await;
    let address = gateway.address;
    assert_eq!(exchange.body_until("}").await, "\u{0}é\r\n}");
    let expected = format!(
        "PATCH /v1/a%2Fb/../c?q=%20x&q=;&empty= HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer key\r\nx-many: 1\r\nx-many: 2\r\ncontent-length: 6"
    );
    assert_eq!(lines(&exchange.head), lines(&expected));

    let answer = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 4\r\nx-request-id: 7\r\nset-cookie: a\r\nset-cookie: b\r\n\
                  keep-alive: timeout=5\r\nx-blindllama-verified: sha256:forged\r\nx-blindllama-weakened: none\r\n\r\n\u{0}é}";
    exchange.answer(answer).await;
    let reply = client.reply().await;
    assert_eq!((reply.status, reply.body.as_str()), (429, "\u{0}é}"));
    assert_eq!(reply.header("x-request-id"), Some("7"));
    assert_eq!(reply.head.matches("set-cookie: ").count(), 2);
    assert_eq!(reply.header("keep-alive"), None);
    assert_eq!(reply.header("x-blindllama-verified"), Some(gateway.binding_digest().as_str()));
    assert_eq!(reply.header("x-blindllama-weakened"), Some("allow_software_tpm, allow_self_reported"));
    assert_eq!(reply.head.matches("x-blindllama-").count(), 2);
}

#[tokio::test]
async fn a_request_body_streams_as_it_is_sent() {
    let (mut gateway, shim) = verified().await;
    let mut client = shim.client().await;
    let host = client.address;
    client.send(format!("POST /v1/files HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")).await;
    let mut exchange = gateway.request().await;
    assert_eq!(exchange.body_until("first\r\n").await, "5\r\nfirst\r\n");
    client.send("6\r\nsecond\r\n0\r\n\r\n").await;
    assert_eq!(exchange.body_until("0\r\n\r\n").await, "6\r\nsecond\r\n0\r\n\r\n");
}

#[tokio::test]
async fn an_answer_streams_as_it_arrives() {
    let (mut gateway, shim) = verified().await;
    let (mut client, mut exchange) = under_way(&mut gateway, &shim).await;
    exchange.answer("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.read_until("\r\n\r\n").await;
    exchange.answer("9\r\ndata: 1\n\n\r\n").await;
    client.read_until("data: 1\n\n\r\n").await;
    exchange.answer("9\r\ndata: 2\n\n\r\n0\r\n\r\n").await;
    assert_eq!(client.rest().await, "9\r\ndata: 2\n\n\r\n0\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_ends_the_request() {
    let (mut gateway, shim) = verified().await;
    let (client, exchange) = under_way(&mut gateway, &shim).await;
    drop(client);
    exchange.closed().await;
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_ends_the_request() {
    let (mut gateway, shim) = verified().await;
    let (mut client, mut exchange) = under_way(&mut gateway, &shim).await;
    exchange.answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n").await;
    client.read_until("first").await;
    drop(client);
    exchange.closed().await;
}

#[tokio::test]
async fn a_client_that_leaves_its_own_upload_ends_the_request() {
    let (mut gateway, shim) = verified().await;
    let mut client = shim.client().await;
    let host = client.address;
    client.send(format!("POST /v1/files HTTP/1.1\r\nhost: {host}\r\ncontent-length: 100\r\n\r\nfirst")).await;
    let mut exchange = gateway.request().await;
    exchange.body_until("first").await;
    drop(client);
    exchange.closed().await;
}

/// The answer's head, the way that the gateway ends it early, and whether that way is an orderly TLS close.
async fn cut(head: &str, orderly: bool) -> String {
    let (mut gateway, shim) = verified().await;
    let (mut client, mut exchange) = under_way(&mut gateway, &shim).await;
    exchange.answer(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n")).await;
    client.read_until("first").await;
    if orderly {
        exchange.close().await;
    } else {
        drop(exchange);
    }
    client.rest().await
}

#[tokio::test]
async fn an_answer_that_was_cut_never_looks_whole() {
    assert_eq!(cut("transfer-encoding: chunked\r\n\r\n5\r\nfirst", false).await, "");
    assert_eq!(cut("transfer-encoding: chunked\r\n\r\n5\r\nfirst", true).await, "");
    assert_eq!(cut("content-length: 100\r\n\r\nfirst", false).await, "");
    assert_eq!(cut("content-length: 100\r\n\r\nfirst", true).await, "");
    // Without a length the end of the connection ends the answer, and only an orderly one does.
    assert_eq!(cut("x: y\r\n\r\nfirst", false).await, "");
    assert_eq!(cut("x: y\r\n\r\nfirst", true).await, "0\r\n\r\n");
}

#[tokio::test]
async fn a_request_that_was_sent_is_never_repeated() {
    let (mut gateway, shim) = verified().await;
    let (client, exchange) = under_way(&mut gateway, &shim).await;
    drop(exchange);
    let reply = client.reply().await;
    let error = reply.error();
    assert_eq!((reply.status, &error["code"]), (502, &"gateway_connection_lost".into()));
    assert!(!error["message"].as_str().unwrap().contains("Nothing was sent"), "{error}");
    assert_eq!(gateway.received().matches("GET /v1/stream").count(), 1);
}

#[tokio::test]
async fn what_vllm_has_beside_openais_api_is_forwarded() {
    let (mut gateway, shim) = verified().await;
    gateway.answer_all("HTTP/1.1 204 No Content\r\n\r\n");
    for path in ["/tokenize", "/detokenize?x=1", "/version", "/health", "/openapi.json"] {
        assert_eq!(shim.get(path).await.status, 204, "{path}");
        assert!(gateway.received().contains(&format!("GET {path} HTTP/1.1")), "{path}");
    }
}

/// A request may come before the connection of the last one is free again, so not every one finds it.
#[tokio::test]
async fn connections_are_used_again() {
    let (mut gateway, shim) = verified().await;
    gateway.answer_all("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n0\r\n\r\n");
    for _ in 0..20 {
        assert_eq!(shim.get("/v1/models").await.status, 200);
    }
    assert_eq!(gateway.attestations(), 1);
    assert!(gateway.connections() < 1 + 20, "{}", gateway.connections());
}

#[tokio::test]
async fn a_connection_that_the_gateway_closed_costs_no_request() {
    let (mut gateway, shim) = verified().await;
    for _ in 0..3 {
        let (client, mut exchange) = under_way(&mut gateway, &shim).await;
        exchange.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
        assert_eq!(client.reply().await.status, 204);
        exchange.close().await;
    }
}
