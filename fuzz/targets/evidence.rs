//! Evidence documents: whatever is read is written as it was read, and whatever is judged is judged without a panic.
#![no_main]

use std::{sync::LazyLock, time::Duration};

use blindllama_attest::{
    digest::Sha256Digest,
    evidence::EvidenceDocument,
    nonce::Nonce,
    policy::Policy,
    verify::{Expected, UnixTime, verify},
};
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../../docs/spec/vectors/evidence.json")).unwrap();
    Policy::parse(vectors["policy"].as_str().unwrap()).unwrap()
});

fuzz_target!(|document: &[u8]| {
    let Ok(parsed) = EvidenceDocument::parse(document) else { return };
    let written = serde_json::to_vec(&parsed).unwrap();
    EvidenceDocument::parse(&written).unwrap();
    let Ok(nonce) = Nonce::from_hex(&parsed.nonce) else { return };
    let expected = Expected {
        nonce: &nonce,
        connection_spki_sha256: Sha256Digest::ZERO,
        age: Duration::ZERO,
        established: None,
        activated: None,
    };
    let verdict = verify(document, &POLICY, &expected, UnixTime(1_800_000_000));
    assert!(verdict.is_err(), "no evidence is about a TLS key whose digest is zero");
});
