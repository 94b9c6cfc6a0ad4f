//! The vectors of `docs/spec/vectors`, written by an implementation that shares no code with this one.

use std::time::Duration;

use blindllama_attest::{
    application::LoggedEvent,
    binding::Binding,
    digest::Sha256Digest,
    nonce::{Nonce, NonceProof, leaf, qualifying_data},
    policy::Policy,
    verify::{Expected, UnixTime, verify},
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../docs/spec/vectors/evidence.json")).unwrap()
}

fn digest(value: &Value) -> Sha256Digest {
    Sha256Digest::from_hex(value.as_str().unwrap()).unwrap()
}

fn nonces(vectors: &Value) -> Vec<Nonce> {
    vectors["nonces"].as_array().unwrap().iter().map(|nonce| Nonce::from_hex(nonce.as_str().unwrap()).unwrap()).collect()
}

#[test]
fn binding_and_leaf() {
    let vectors = vectors();
    let binding: Binding = serde_json::from_value(vectors["binding"].clone()).unwrap();
    assert_eq!(binding.digest().digest(), digest(&vectors["binding_digest"]));
    assert_eq!(leaf(&nonces(&vectors)[0], binding.digest()), digest(&vectors["leaf_of_nonce_0"]));
}

#[test]
fn trees_of_one_to_nine_nonces() {
    let vectors = vectors();
    let binding: Binding = serde_json::from_value(vectors["binding"].clone()).unwrap();
    let mut checked = 0;
    for tree in vectors["trees"].as_array().unwrap() {
        let leaf_count = u32::try_from(tree["leaf_count"].as_u64().unwrap()).unwrap();
        for (leaf_index, siblings) in (0..leaf_count).zip(tree["siblings"].as_array().unwrap()) {
            let siblings = siblings.as_array().unwrap().iter().map(digest).collect();
            let proof = NonceProof { leaf_index, leaf_count, siblings };
            let root = proof.root(leaf(&nonces(&vectors)[leaf_index as usize], binding.digest())).unwrap();
            assert_eq!(root, digest(&tree["root"]));
            assert_eq!(qualifying_data(leaf_count, root), digest(&tree["qualifying_data"]));
            checked += 1;
        }
    }
    assert_eq!(checked, 45);
}

#[test]
fn an_event() {
    let vectors = vectors();
    let LoggedEvent { digest: claimed, event, .. } =
        serde_json::from_value(vectors["evidence"]["event_log"]["application"][2].clone()).unwrap();
    assert_eq!(event.data().unwrap(), vectors["event"]["canonical_data"].as_str().unwrap().as_bytes());
    assert_eq!(event.digest().unwrap(), digest(&vectors["event"]["digest"]));
    assert_eq!(claimed, digest(&vectors["event"]["digest"]));
}

#[test]
fn the_whole_evidence_passes_under_the_policy() {
    let vectors = vectors();
    let policy = Policy::parse(vectors["policy"].as_str().unwrap()).unwrap();
    let expected = Expected {
        nonce: &nonces(&vectors)[3],
        connection_spki_sha256: digest(&vectors["connection_spki_sha256"]),
        age: Duration::from_secs(1),
        activated: None,
        established: None,
    };
    let document = serde_json::to_vec(&vectors["evidence"]).unwrap();
    let peer = verify(&document, &policy, &expected, UnixTime(1_800_000_000)).unwrap();
    assert_eq!(peer.ak_name().to_string(), vectors["ak_name"].as_str().unwrap());
    assert_eq!((peer.machine(), peer.release()), ("the example", "example release"));
    let other = Expected { nonce: &nonces(&vectors)[4], ..expected };
    assert_eq!(verify(&document, &policy, &other, UnixTime(1_800_000_000)).unwrap_err().code(), "nonce_mismatch");
}
