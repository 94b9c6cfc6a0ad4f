//! Men in the middle with real evidence of a real TPM: each is refused with its own code, and no prompt reaches them.

use std::{path::Path, sync::Arc};

use blindllama_tests::{
    evidence_relay::{Answers, Evidence, EvidenceRelay, TlsKey},
    http,
    shim::{self, Shim},
};
use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::world::{World, run};

/// A secret that must never leave the user's machine.
const CANARY: &str = "canary-eeZ9ahgh";

/// The gateway's honest evidence for a nonce.
pub fn honest_evidence(world: &World, nonce: &str) -> Value {
    let address = world.machine.address();
    run(async { http::send_tls(address, http::get(&format!("/attestation?nonce={nonce}"))).await.complete().await })
        .expect("evidence")
        .json()
}

/// A man in the middle who alters honest evidence.
pub fn altering(world: &World, alter: impl Fn(&mut Value) + Send + Sync + 'static) -> Evidence {
    let address = world.machine.address();
    Arc::new(move |nonce| {
        let fetched =
            run(async { http::send_tls(address, http::get(&format!("/attestation?nonce={nonce}"))).await.complete().await });
        let mut document = fetched.expect("evidence").json();
        alter(&mut document);
        Bytes::from(document.to_string())
    })
}

/// Puts a relay with `key` between shim and gateway and expects that it learns nothing, and that `code` says why.
/// Gives the verdict, with its explanation.
pub fn refuses(policy: &Path, key: TlsKey, answers: impl Into<Answers>, code: &str) -> Value {
    run(async {
        let relay = EvidenceRelay::start(key, answers).await;
        let url = relay.url();
        let policy_file = policy.to_owned();
        let (status, verdict) =
            tokio::task::spawn_blocking(move || shim::verify(&url, &policy_file)).await.expect("blindllama verify");
        assert_eq!(verdict["code"], code, "{verdict}");
        assert_eq!(status, Some(1), "{code}: {verdict}");

        let (url, policy_file) = (relay.url(), policy.to_owned());
        let shim = tokio::task::spawn_blocking(move || Shim::start(&url, &policy_file)).await.expect("the shim");
        for stream in [false, true] {
            let chat = json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": CANARY}]}).to_string();
            let answer =
                http::send(shim.address(), http::post("/v1/chat/completions", chat)).await.complete().await.expect("an answer");
            assert_eq!(answer.status.as_u16(), 502, "{code}: {:?}", answer.body);
            assert_eq!(answer.json()["error"]["code"], code);
        }
        assert!(relay.has_seen("GET /attestation?nonce="), "the relay was never asked: the test proves nothing");
        assert!(!relay.has_seen(CANARY), "{code}: the prompt has left the shim");
        verdict
    })
}

pub fn another_tls_key(world: &World) {
    refuses(&world.policy, TlsKey::generate(), altering(world, |_| {}), "tls_key_mismatch");
}

pub fn replayed_evidence(world: &World) {
    let old = honest_evidence(world, &"ab".repeat(32));
    let replayed = old.clone();
    let replay: Evidence = Arc::new(move |_| Bytes::from(replayed.to_string()));
    refuses(&world.policy, TlsKey::generate(), replay, "nonce_mismatch");
    // The same with the nonce written over: the quote still signs the old one.
    let renamed: Evidence = Arc::new(move |nonce| {
        let mut document = old.clone();
        document["nonce"] = Value::from(nonce);
        Bytes::from(document.to_string())
    });
    refuses(&world.policy, TlsKey::generate(), renamed, "qualifying_data_mismatch");
}

pub fn altered_evidence(world: &World) {
    type Alter = fn(&mut Value);
    let cases: [(&str, Alter); 10] = [
        ("signature_invalid", |document| flip(&mut document["tpm"]["quote"], 40)),
        ("signature_invalid", |document| flip(&mut document["tpm"]["signature"], 20)),
        ("ak_not_trusted", |document| document["tpm"]["ak_public"] = foreign_ak(&document["tpm"]["ak_public"])),
        ("pcr_digest_mismatch", |document| document["tpm"]["pcrs"]["sha256"]["0"] = Value::from("00".repeat(32))),
        ("firmware_log_mismatch", |document| flip_firmware_digest(&mut document["event_log"]["firmware"])),
        ("firmware_log_missing", |document| document["event_log"]["firmware"] = Value::Null),
        ("event_digest_mismatch", |document| document["event_log"]["application"][2]["data"]["bytes"] = json!(1)),
        ("application_log_mismatch", |document| {
            let begin = document["event_log"]["application"][0].clone();
            let events = document["event_log"]["application"].as_array_mut().expect("a list");
            let identity = events[1].clone();
            events.splice(0..0, [begin, identity]);
        }),
        ("qualifying_data_mismatch", |document| document["binding"]["tls_spki_sha256"] = Value::from("11".repeat(32))),
        ("unsupported_version", |document| document["version"] = json!(2)),
    ];
    for (code, alter) in cases {
        refuses(&world.policy, TlsKey::generate(), altering(world, alter), code);
    }
}

fn flip(text: &mut Value, byte: usize) {
    let mut bytes = BASE64.decode(text.as_str().expect("base64").as_bytes()).expect("base64");
    bytes[byte] ^= 1;
    *text = Value::from(BASE64.encode(&bytes));
}

/// The same kind of key with another point: the last byte of TPM2B_PUBLIC belongs to the y coordinate, so a fresh point is
/// taken from a real key.
fn foreign_ak(ak_public: &Value) -> Value {
    use rcgen::PublicKeyData as _;
    let key = rcgen::KeyPair::generate().expect("a P-256 key");
    let point = key.der_bytes();
    let mut public = BASE64.decode(ak_public.as_str().expect("base64").as_bytes()).expect("base64");
    let start = public.len() - 68;
    public[start + 2..start + 34].copy_from_slice(&point[1..33]);
    public[start + 36..].copy_from_slice(&point[33..65]);
    Value::from(BASE64.encode(&public))
}

/// Flips a bit in the middle of the log's last event that has a SHA-256 digest: the digest stands before the event's data.
fn flip_firmware_digest(log: &mut Value) {
    let bytes = BASE64.decode(log.as_str().expect("base64").as_bytes()).expect("base64");
    let digest = blindllama_tests::firmware::last_digest_offset(&bytes);
    flip(log, digest + 16);
}
