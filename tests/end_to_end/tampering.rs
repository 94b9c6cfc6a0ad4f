//! Every single flipped bit of real evidence is refused.

use std::{collections::BTreeMap, time::Duration};

use blindllama_attest::{
    digest::Sha256Digest,
    nonce::Nonce,
    policy::Policy,
    verify::{Expected, UnixTime, verify},
};
use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

use crate::{attacks::honest_evidence, world::World};

/// Verifies as a client would that is connected to the gateway itself; says the code of a refusal.
pub struct Client {
    nonce: Nonce,
    spki: Sha256Digest,
    policy: Policy,
}

impl Client {
    /// Sent `nonce` to the gateway that answered with `evidence`.
    pub fn new(world: &World, nonce: &str, evidence: &Value) -> Self {
        let spki = evidence["binding"]["tls_spki_sha256"].as_str().expect("a digest");
        Self {
            nonce: Nonce::from_hex(nonce).expect("a nonce"),
            spki: Sha256Digest::from_hex(spki).expect("a digest"),
            policy: Policy::parse(&std::fs::read_to_string(&world.policy).expect("the policy")).expect("a policy"),
        }
    }

    /// The code of a refusal, or that there is none.
    pub fn verdict(&self, document: &Value) -> &'static str {
        let expected = Expected {
            nonce: &self.nonce,
            connection_spki_sha256: self.spki,
            age: Duration::from_millis(100),
            activated: None,
            established: None,
        };
        match verify(document.to_string().as_bytes(), &self.policy, &expected, UnixTime(1_800_000_000)) {
            Ok(_) => "verified",
            Err(error) => error.code(),
        }
    }
}

pub fn every_flipped_bit_is_refused(world: &World) {
    let nonce = "5a".repeat(32);
    let honest = honest_evidence(world, &nonce);
    let client = Client::new(world, &nonce, &honest);
    assert_eq!(client.verdict(&honest), "verified", "the unaltered evidence has to pass, or the rest proves nothing");

    let mut codes = Codes::new();
    for path in ["/tpm/quote", "/tpm/signature", "/tpm/ak_public"] {
        flip_all(
            &client,
            &honest,
            path,
            &mut codes,
            |text| BASE64.decode(text.as_bytes()).expect("base64"),
            |bytes| BASE64.encode(bytes),
        );
    }
    flip_application_log(&client, &honest, &mut codes);
    flip_firmware_digests(&client, &honest, &mut codes);
    check_codes(&codes);
}

/// How often each refusal came, by part of the evidence and code.
type Codes = BTreeMap<(String, &'static str), usize>;

/// Each part is refused by the checks that are about it, and by no other.
fn check_codes(codes: &Codes) {
    let allowed: [(&str, &[&str]); 6] = [
        ("quote", &["signature_invalid"]),
        ("signature", &["signature_invalid", "signature_malformed", "signature_unsupported"]),
        ("ak_public", &["ak_malformed", "ak_unsupported", "ak_not_restricted_signing", "ak_not_on_curve", "ak_not_trusted"]),
        ("digest", &["event_digest_mismatch"]),
        ("event", &["event_digest_mismatch", "document_malformed", "application_log_mismatch"]),
        ("firmware", &["firmware_log_mismatch"]),
    ];
    for (part, expected) in allowed {
        let found: Vec<&str> = codes.keys().filter(|(name, _)| name == part).map(|(_, code)| *code).collect();
        assert!(!found.is_empty(), "nothing was flipped in {part}");
        assert!(found.iter().all(|code| expected.contains(code)), "{part} was refused with {found:?}");
    }
}

/// Flips every bit of each event's digest, and alters each value of its data, its type and its PCR.
fn flip_application_log(client: &Client, honest: &Value, codes: &mut Codes) {
    let events = honest["event_log"]["application"].as_array().expect("a list");
    for (index, event) in events.iter().enumerate() {
        let path = format!("/event_log/application/{index}");
        let decode = |text: &str| HEXLOWER.decode(text.as_bytes()).expect("hex");
        flip_all(client, honest, &format!("{path}/digest"), codes, decode, |bytes| HEXLOWER.encode(bytes));
        let data = event["data"].as_object().expect("an object");
        let data = data.keys().map(|key| format!("{path}/data/{key}"));
        for path in data.chain([format!("{path}/type"), format!("{path}/pcr")]) {
            let mut document = honest.clone();
            alter(document.pointer_mut(&path).expect("a value"));
            let code = client.verdict(&document);
            assert_ne!(code, "verified", "{path} can be altered");
            *codes.entry(("event".to_owned(), code)).or_default() += 1;
        }
    }
}

/// Another value of the same form: another digit or letter, or the next number.
fn alter(value: &mut Value) {
    match value {
        Value::String(text) => {
            let other = if text.starts_with('a') { "b" } else { "a" };
            text.replace_range(0..1, other);
        }
        Value::Number(number) => *value = Value::from(number.as_u64().expect("a size or an index") ^ 1),
        other => panic!("no such value in the log: {other}"),
    }
}

/// Flips each bit of the value at `path` and expects a refusal for each.
fn flip_all(
    client: &Client,
    honest: &Value,
    path: &str,
    codes: &mut Codes,
    decode: impl Fn(&str) -> Vec<u8>,
    encode: impl Fn(&[u8]) -> String,
) {
    let bytes = decode(honest.pointer(path).and_then(Value::as_str).expect("a text"));
    let mut document = honest.clone();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        *document.pointer_mut(path).expect("a text") = Value::from(encode(&flipped));
        let code = client.verdict(&document);
        assert_ne!(code, "verified", "bit {bit} of {path} can be flipped");
        let part = path.rsplit('/').next().expect("a path's last part");
        *codes.entry((part.to_owned(), code)).or_default() += 1;
    }
}

fn flip_firmware_digests(client: &Client, honest: &Value, codes: &mut Codes) {
    let path = "/event_log/firmware";
    let log = BASE64.decode(honest.pointer(path).and_then(Value::as_str).expect("base64").as_bytes()).expect("base64");
    let mut document = honest.clone();
    for start in blindllama_tests::firmware::digest_offsets(&log) {
        for byte in [start, start + 13, start + 31] {
            let mut flipped = log.clone();
            flipped[byte] ^= 0x10;
            *document.pointer_mut(path).expect("a text") = Value::from(BASE64.encode(&flipped));
            let code = client.verdict(&document);
            assert_ne!(code, "verified", "byte {byte} of the firmware log, part of a digest, can be altered");
            *codes.entry(("firmware".to_owned(), code)).or_default() += 1;
        }
    }
}
