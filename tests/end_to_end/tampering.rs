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
struct Client {
    nonce: Nonce,
    spki: Sha256Digest,
    policy: Policy,
}

impl Client {
    fn verdict(&self, document: &Value) -> &'static str {
        let expected = Expected {
            nonce: &self.nonce,
            connection_spki_sha256: self.spki,
            age: Duration::from_millis(100),
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
    let spki = honest["binding"]["tls_spki_sha256"].as_str().expect("a digest");
    let client = Client {
        nonce: Nonce::from_hex(&nonce).expect("a nonce"),
        spki: Sha256Digest::from_hex(spki).expect("a digest"),
        policy: Policy::parse(&std::fs::read_to_string(&world.policy).expect("the policy")).expect("a policy"),
    };
    assert_eq!(client.verdict(&honest), "verified", "the unaltered evidence has to pass, or the rest proves nothing");

    let mut codes = BTreeMap::new();
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
    let events = honest["event_log"]["application"].as_array().expect("a list").len();
    for event in 0..events {
        let path = format!("/event_log/application/{event}/digest");
        flip_all(
            &client,
            &honest,
            &path,
            &mut codes,
            |text| HEXLOWER.decode(text.as_bytes()).expect("hex"),
            |bytes| HEXLOWER.encode(bytes),
        );
    }
    flip_firmware_digests(&client, &honest, &mut codes);
    eprintln!("refusals of flipped bits, by place and code: {codes:#?}");
}

/// Flips each bit of the value at `path` and expects a refusal for each.
fn flip_all(
    client: &Client,
    honest: &Value,
    path: &str,
    codes: &mut BTreeMap<String, usize>,
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
        *codes.entry(format!("{path} {code}")).or_default() += 1;
    }
}

fn flip_firmware_digests(client: &Client, honest: &Value, codes: &mut BTreeMap<String, usize>) {
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
            *codes.entry(format!("{path} {code}")).or_default() += 1;
        }
    }
}
