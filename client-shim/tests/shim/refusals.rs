//! A prompt never reaches a gateway that is not verified.

use std::{sync::Arc, time::Duration};

use blindllama_attest::evidence::MAX_DOCUMENT_BYTES;
use blindllama_shim::timeouts::Timeouts;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::Mutex,
};

use crate::kit::{CANARY, Evidence, Gateway, Reply, Shim, soon, unreachable_url};

/// Sends the canary through a shim whose gateway says `evidence`, and proves that it never arrived.
async fn refused(evidence: Evidence) -> Reply {
    let gateway = Gateway::start(evidence).await;
    let shim = Shim::start(gateway.url(), gateway.policy()).await;
    let reply = shim.canary().await;
    assert!(!gateway.received().contains(CANARY), "the canary arrived: {}", gateway.received());
    assert!(gateway.saw_only_attestation(), "{}", gateway.received());
    reply
}

fn assert_refusal(reply: &Reply, status: u16, kind: &str, code: &str) {
    let error = reply.error();
    assert_eq!((reply.status, &error["type"], &error["code"]), (status, &kind.into(), &code.into()), "{error}");
    assert!(error["message"].as_str().unwrap().ends_with("Nothing was sent."), "{error}");
    assert_eq!(reply.header("x-blindllama-verified"), None);
    assert!(reply.header("x-blindllama-weakened").is_some());
}

#[tokio::test]
async fn nobody_listens() {
    let policy = Gateway::start(Evidence::Honest).await.policy();
    let shim = Shim::start(unreachable_url().await, policy).await;
    assert_refusal(&shim.canary().await, 502, "api_connection_error", "gateway_unreachable");
}

#[tokio::test]
async fn evidence_is_garbage() {
    let reply = refused(Evidence::Body(b"<html>".to_vec())).await;
    assert_refusal(&reply, 502, "attestation_error", "document_malformed");
    let message = reply.error()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("The gateway was not verified: check 1 failed: "), "{message}");
}

#[tokio::test]
async fn evidence_is_for_another_nonce() {
    let reply = refused(Evidence::Replayed("00".repeat(32))).await;
    assert_refusal(&reply, 502, "attestation_error", "nonce_mismatch");
}

#[tokio::test]
async fn evidence_is_too_large() {
    let reply = refused(Evidence::Body(vec![b' '; MAX_DOCUMENT_BYTES + 1])).await;
    assert_refusal(&reply, 502, "attestation_error", "document_too_large");
}

#[tokio::test]
async fn evidence_never_ends() {
    assert_refusal(&refused(Evidence::Endless).await, 502, "attestation_error", "document_too_large");
}

#[tokio::test]
async fn evidence_stalls() {
    assert_refusal(&refused(Evidence::Stall).await, 504, "api_connection_error", "gateway_unreachable");
}

#[tokio::test]
async fn evidence_is_cut_off() {
    assert_refusal(&refused(Evidence::CutOff).await, 502, "api_connection_error", "gateway_unreachable");
}

#[tokio::test]
async fn there_is_no_evidence() {
    let reply = refused(Evidence::Status("503 Service Unavailable")).await;
    assert_refusal(&reply, 502, "attestation_error", "evidence_unavailable");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let reply = refused(Evidence::Status("307 Temporary Redirect\r\nlocation: https://127.0.0.1:1/attestation")).await;
    assert_refusal(&reply, 502, "attestation_error", "evidence_unavailable");
}

/// A man in the middle passes the real gateway's evidence on, but has another TLS key.
#[tokio::test]
async fn the_connection_has_another_key_than_the_evidence() {
    let gateway = Gateway::start(Evidence::Honest).await;
    gateway.impersonate();
    let shim = Shim::start(gateway.url(), gateway.policy()).await;
    assert_refusal(&shim.canary().await, 502, "attestation_error", "tls_key_mismatch");
    assert!(gateway.saw_only_attestation(), "{}", gateway.received());
}

/// Answers the ClientHello with a ServerHello of TLS 1.2, whatever was offered.
#[tokio::test]
async fn the_server_speaks_tls_1_2_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let received = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&received);
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = recorded.lock().await;
        let mut hello = [0; 4096];
        let length = stream.read(&mut hello).await.unwrap();
        bytes.extend_from_slice(&hello[..length]);
        stream.write_all(&tls_1_2_server_hello()).await.unwrap();
        let _ = stream.read_to_end(&mut bytes).await;
    });
    let policy = Gateway::start(Evidence::Honest).await.policy();
    let shim = Shim::start(url, policy).await;
    assert_refusal(&shim.canary().await, 502, "attestation_error", "tls_handshake_failed");
    soon("the shim to hang up", server).await.unwrap();
    assert!(!received.lock().await.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
}

/// RFC 5246, section 7.4.1.3: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, no session, no extensions.
fn tls_1_2_server_hello() -> Vec<u8> {
    let mut hello = vec![0x03, 0x03];
    hello.extend([0x5a; 32]);
    hello.extend([0x00, 0xc0, 0x2b, 0x00]);
    let length = u8::try_from(hello.len()).unwrap();
    [&[0x16, 0x03, 0x03, 0x00, length + 4, 0x02, 0x00, 0x00, length], hello.as_slice()].concat()
}

/// The body stays with the client: it announces one and waits to be asked for it (RFC 9110, section 10.1.1).
#[tokio::test]
async fn the_body_is_not_asked_for() {
    let policy = Gateway::start(Evidence::Honest).await.policy();
    let shim = Shim::start(unreachable_url().await, policy).await;
    let mut client = shim.client().await;
    let host = client.address;
    client
        .send(format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nexpect: 100-continue\r\ncontent-length: 1000\r\n\r\n"
        ))
        .await;
    let reply = client.reply().await;
    assert_refusal(&reply, 502, "api_connection_error", "gateway_unreachable");
}

/// A burst of requests is answered by one attempt.
#[tokio::test]
async fn a_refusal_answers_for_a_moment() {
    let gateway = Gateway::start(Evidence::Status("503 Service Unavailable")).await;
    let patient = Timeouts { retry: Duration::from_secs(3600), ..Timeouts::default() };
    let shim = Shim::start_with(gateway.url(), gateway.policy(), patient).await;
    for _ in 0..20 {
        assert_eq!(shim.canary().await.status, 502);
    }
    assert_eq!(gateway.attestations(), 1);
}
