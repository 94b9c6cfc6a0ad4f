//! Many verifiers at the same time share few quotes, and each gets its own proof.

use std::collections::BTreeSet;

use blindllama_tests::http::{self, TlsConnection};
use serde_json::Value;

use crate::{
    tampering::Client,
    world::{World, run},
};

const VERIFIERS: usize = 256;

pub fn share_few_quotes(world: &World) {
    let documents = run(fetch_at_once(world));
    let quotes: BTreeSet<&str> =
        documents.iter().map(|(_, document)| document["tpm"]["quote"].as_str().expect("base64")).collect();
    // Most wait while one quote is made, and share the next.
    assert!(quotes.len() <= VERIFIERS / 4, "{} quotes for {VERIFIERS} nonces", quotes.len());
    for (index, (nonce, document)) in documents.iter().enumerate() {
        assert_eq!(Client::new(world, nonce, document).verdict(document), "verified");
        // The proof is this nonce's alone.
        let (other, _) = &documents[(index + 1) % VERIFIERS];
        let mut stolen = document.clone();
        stolen["nonce"] = Value::from(other.as_str());
        assert_eq!(Client::new(world, other, document).verdict(&stolen), "qualifying_data_mismatch");
    }
}

/// Connects first, so that all nonces are under way together.
async fn fetch_at_once(world: &World) -> Vec<(String, Value)> {
    let mut connections = Vec::new();
    for _ in 0..VERIFIERS {
        connections.push(TlsConnection::open(world.machine.address()).await);
    }
    let fetch = |(number, connection): (usize, TlsConnection)| async move {
        let nonce = format!("{number:064x}");
        let answer = connection.send(http::get(&format!("/attestation?nonce={nonce}"))).await.complete().await;
        (nonce, answer.expect("evidence").json())
    };
    let tasks: Vec<_> = connections.into_iter().enumerate().map(fetch).map(tokio::spawn).collect();
    let mut documents = Vec::new();
    for task in tasks {
        documents.push(task.await.expect("a document"));
    }
    documents
}
