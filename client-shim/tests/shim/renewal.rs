//! How long a verification lasts, and what ends it.

use crate::kit::{CANARY, Evidence, Gateway, Reply, Shim, soon};

/// One request with an answer: the whole way through the shim.
async fn exchange(gateway: &mut Gateway, shim: &Shim) -> Reply {
    let mut client = shim.client().await;
    client.get("/v1/models").await;
    let mut reply = std::pin::pin!(client.reply());
    tokio::select! {
        mut exchange = gateway.request() => {
            // The connection ends with the exchange, so the shim must not keep it.
            exchange.answer("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}").await;
            reply.await
        }
        // A refusal: nothing came to the gateway.
        refusal = &mut reply => refusal,
    }
}

#[tokio::test]
async fn one_verification_serves_all_who_wait_for_it() {
    let mut gateway = Gateway::start(Evidence::Honest).await;
    let shim = Shim::start(gateway.url(), gateway.policy()).await;
    for _ in 0..20 {
        let mut client = shim.client().await;
        client.get("/v1/models").await;
        tokio::spawn(client.rest());
    }
    for _ in 0..20 {
        gateway.request().await.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
    }
    assert_eq!(gateway.attestations(), 1);
}

#[tokio::test]
async fn the_policy_says_when_to_verify_again() {
    let mut gateway = Gateway::start(Evidence::Honest).await;
    let shim = Shim::start(gateway.url(), gateway.policy_renewed_every_second()).await;
    assert_eq!(exchange(&mut gateway, &shim).await.status, 200);
    assert_eq!(gateway.attestations(), 1);
    soon("another verification", async {
        while gateway.attestations() == 1 {
            let reply = exchange(&mut gateway, &shim).await;
            assert_eq!(reply.status, 200, "{}", reply.body);
        }
    })
    .await;
}

/// Uses a verification up, spoils the next one, and proves that nothing is sent after that. An open connection is no reason
/// to go on.
async fn refused_after(spoil: impl FnOnce(&Gateway), code: &str) {
    let mut gateway = Gateway::start(Evidence::Honest).await;
    let shim = Shim::start(gateway.url(), gateway.policy_renewed_every_second()).await;
    assert_eq!(exchange(&mut gateway, &shim).await.status, 200);
    gateway.answer_all("HTTP/1.1 204 No Content\r\n\r\n");
    spoil(&gateway);
    soon("the verification to run out", async { while shim.get("/v1/models").await.status == 204 {} }).await;
    let reply = shim.canary().await;
    assert_eq!((reply.status, &reply.error()["code"]), (502, &code.into()));
    assert!(!gateway.received().contains(CANARY));
}

#[tokio::test]
async fn a_gateway_that_fails_to_renew_gets_nothing_more() {
    refused_after(|gateway| gateway.now_says(Evidence::Body(b"{}".to_vec())), "document_malformed").await;
}

#[tokio::test]
async fn a_tpm_whose_clock_went_back_gets_nothing_more() {
    refused_after(Gateway::go_back_in_time, "tpm_clock_went_back").await;
}

#[tokio::test]
async fn a_restarted_gateway_is_verified_again_before_anything_is_sent() {
    let mut gateway = Gateway::start(Evidence::Honest).await;
    let shim = Shim::start(gateway.url(), gateway.policy()).await;
    let first = exchange(&mut gateway, &shim).await;
    gateway.restart();
    let second = exchange(&mut gateway, &shim).await;
    assert_eq!(gateway.attestations(), 2);
    assert_ne!(first.header("x-blindllama-verified"), second.header("x-blindllama-verified"));
    assert_eq!(second.header("x-blindllama-verified"), Some(gateway.binding_digest().as_str()));
}

#[tokio::test]
async fn an_impostor_that_takes_over_gets_nothing() {
    let mut gateway = Gateway::start(Evidence::Honest).await;
    let shim = Shim::start(gateway.url(), gateway.policy()).await;
    assert_eq!(exchange(&mut gateway, &shim).await.status, 200);
    gateway.impersonate();
    let reply = shim.canary().await;
    assert_eq!((reply.status, &reply.error()["code"]), (502, &"tls_key_mismatch".into()));
    assert_eq!(gateway.attestations(), 2);
    assert!(!gateway.received().contains(CANARY));
}

#[tokio::test]
async fn a_repaired_gateway_is_picked_up() {
    let mut gateway = Gateway::start(Evidence::Status("503 Service Unavailable")).await;
    let shim = Shim::start(gateway.url(), gateway.policy()).await;
    assert_eq!(shim.canary().await.status, 502);
    gateway.now_says(Evidence::Honest);
    gateway.answer_all("HTTP/1.1 204 No Content\r\n\r\n");
    soon("the gateway to be picked up", async { while shim.get("/v1/models").await.status == 502 {} }).await;
    assert_eq!(shim.get("/v1/models").await.status, 204);
}
