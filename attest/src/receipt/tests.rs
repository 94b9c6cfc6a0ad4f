//! Known answers of an independent implementation, and a refusal for each check.

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Deserialize;
use serde_json::{Value, json};

use super::*;

/// What `docs/spec/vectors/receipt.py` wrote.
#[derive(Deserialize)]
struct Vectors {
    seed: String,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    request: String,
    response: String,
    public_key: String,
    kid: String,
    header: String,
    payload: String,
    receipt: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../docs/spec/vectors/receipt.json")).unwrap()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&HEXLOWER.decode(vectors().seed.as_bytes()).unwrap().try_into().unwrap())
}

fn public_key() -> [u8; 32] {
    key().verifying_key().to_bytes()
}

fn sign(receipt: &Receipt) -> CompactReceipt {
    let input = receipt.signing_input(&public_key()).unwrap();
    let signature = key().sign(input.as_bytes()).to_bytes();
    input.attach_signature(&signature)
}

/// A JWS with this header and payload, well signed.
fn sign_parts(header: &str, payload: &[u8]) -> String {
    let input = format!("{}.{}", BASE64URL_NOPAD.encode(header.as_bytes()), BASE64URL_NOPAD.encode(payload));
    let signature = BASE64URL_NOPAD.encode(&key().sign(input.as_bytes()).to_bytes());
    format!("{input}.{signature}")
}

fn vector(name: &str) -> Vector {
    vectors().vectors.into_iter().find(|vector| vector.name == name).unwrap()
}

fn receipt() -> Receipt {
    serde_json::from_str(&vector("whole").payload).unwrap()
}

/// The exchange that `receipt` is about.
fn about(receipt: &Receipt) -> ExpectedReceipt<'_> {
    ExpectedReceipt {
        method: &receipt.method,
        path: &receipt.path,
        status: receipt.status,
        request_id: Some(&receipt.request_id),
        request_sha256: receipt.request_sha256.unwrap_or(Sha256Digest::ZERO),
        response_sha256: receipt.response_sha256,
        binding_digest: receipt.binding_digest,
    }
}

fn code(jws: &str, expected: &ExpectedReceipt<'_>) -> &'static str {
    verify_receipt(jws, &public_key(), expected).unwrap_err().code()
}

/// The code for a payload that is well signed.
fn payload_code(payload: &[u8]) -> &'static str {
    code(&sign_parts(&vector("whole").header, payload), &about(&receipt()))
}

#[test]
fn an_independent_implementation_writes_the_same_receipts() {
    for vector in vectors().vectors {
        let receipt: Receipt = serde_json::from_str(&vector.payload).unwrap();
        assert_eq!(BASE64.encode(&public_key()), vector.public_key);
        assert_eq!(key_id(&public_key()), vector.kid);
        assert_eq!(sign(&receipt).as_str(), vector.receipt, "{}", vector.name);
    }
}

/// RFC 8037, appendix A.3.
#[test]
fn the_key_id_is_the_jwk_thumbprint() {
    let key = BASE64URL_NOPAD.decode(b"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap().try_into().unwrap();
    assert_eq!(key_id(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#[test]
fn an_independent_implementations_receipts_verify() {
    for vector in vectors().vectors {
        let split = split_stream(vector.response.as_bytes());
        let (hashed, jws) = match (vector.name.as_str(), split) {
            ("stream" | "stream_without_done", Ok(split)) => (split.hashed, split.jws),
            (_, split) => {
                assert_eq!(split.unwrap_err().code(), "receipt_missing");
                (vector.response.as_bytes(), vector.receipt.as_str())
            }
        };
        let claims: Receipt = serde_json::from_str(&vector.payload).unwrap();
        let request_sha256 = Sha256Digest::of(&[vector.request.as_bytes()]);
        let expected = ExpectedReceipt { request_sha256, response_sha256: Sha256Digest::of(&[hashed]), ..about(&claims) };
        let verified = verify_receipt(jws, &public_key(), &expected).unwrap();
        assert_eq!((verified.claims(), jws), (&claims, vector.receipt.as_str()));
    }
}

#[test]
fn no_flipped_bit_passes() {
    let (receipt, good) = (receipt(), vector("whole").receipt);
    let mut refused = 0;
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut flipped = good.clone().into_bytes();
            flipped[position] ^= 1 << bit;
            let Ok(flipped) = String::from_utf8(flipped) else { continue };
            let verdict = verify_receipt(&flipped, &public_key(), &about(&receipt));
            assert!(verdict.is_err(), "bit {bit} of byte {position}");
            refused += 1;
        }
    }
    assert_eq!(refused, good.len() * 7, "the eighth bit makes it no UTF-8");
}

#[test]
fn another_exchange_is_refused() {
    let (receipt, good) = (receipt(), vector("whole").receipt);
    let (other, expected) = (Sha256Digest::of(&[b"other"]), about(&receipt));
    for (wrong, refusal) in [
        (ExpectedReceipt { binding_digest: other, ..expected }, "receipt_binding_mismatch"),
        (ExpectedReceipt { method: "post", ..expected }, "receipt_method_mismatch"),
        (ExpectedReceipt { path: "/v1/chat/completions?", ..expected }, "receipt_path_mismatch"),
        (ExpectedReceipt { status: 201, ..expected }, "receipt_status_mismatch"),
        (ExpectedReceipt { request_id: Some("req-other"), ..expected }, "receipt_request_id_mismatch"),
        (ExpectedReceipt { request_sha256: other, ..expected }, "receipt_request_mismatch"),
        (ExpectedReceipt { response_sha256: other, ..expected }, "receipt_response_mismatch"),
    ] {
        assert_eq!(code(&good, &wrong), refusal);
    }
    assert!(verify_receipt(&good, &public_key(), &ExpectedReceipt { request_id: None, ..expected }).is_ok());
}

#[test]
fn only_an_error_may_leave_the_request_unread() {
    for (status, passes) in [(200, false), (204, false), (399, false), (400, true), (503, true), (600, false)] {
        let unread = Receipt { status, request_sha256: None, ..receipt() };
        let verdict = verify_receipt(sign(&unread).as_str(), &public_key(), &about(&unread));
        let expected = if passes { Ok(unread) } else { Err("receipt_request_not_covered") };
        assert_eq!(verdict.map(|verified| verified.claims().clone()).map_err(|error| error.code()), expected);
    }
}

#[test]
fn other_keys_are_refused() {
    let (receipt, good) = (receipt(), vector("whole").receipt);
    let verdict = |key: &[u8; 32]| verify_receipt(&good, key, &about(&receipt)).unwrap_err().code();
    assert_eq!(verdict(&SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes()), "receipt_header");
    let mut no_point = [0; 32];
    no_point[0] = 2;
    assert_eq!(verdict(&no_point), "receipt_key_invalid");
}

/// Under a key of small order, a signature of nothing verifies for any message unless the verification is strict.
#[test]
fn a_key_of_small_order_signs_nothing() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let receipt = receipt();
    let mut signature = [0; 64];
    signature[0] = 1;
    let forged = receipt.signing_input(&identity).unwrap().attach_signature(&signature);
    let refusal = verify_receipt(forged.as_str(), &identity, &about(&receipt)).unwrap_err();
    assert_eq!(refusal.code(), "receipt_signature_invalid");
}

#[test]
fn every_other_header_is_refused() {
    let Vector { header, payload, .. } = vector("whole");
    for (from, to) in [
        ("EdDSA", "none"),
        ("EdDSA", "HS256"),
        ("EdDSA", "Ed25519"),
        ("blindllama-receipt+jws", "JWT"),
        ("{", "{ "),
        ("\"typ\"", "\"crit\":[],\"typ\""),
    ] {
        let other = header.replacen(from, to, 1);
        assert_ne!(other, header);
        assert_eq!(code(&sign_parts(&other, payload.as_bytes()), &about(&receipt())), "receipt_header", "{other}");
    }
}

#[test]
fn every_other_shape_is_refused() {
    let good = vector("whole").receipt;
    let (input, signature) = good.rsplit_once('.').unwrap();
    let malformed = [
        String::new(),
        "x".to_owned(),
        signature.to_owned(),
        input.to_owned(),
        format!("{input}."),
        format!("{good}="),
        format!("{good}.{signature}"),
        format!("{}.{}", input, signature.split_at(84).0),
        format!("{input}=.{signature}"),
        format!("{good}\n"),
    ];
    for jws in malformed {
        let refusal = code(&jws, &about(&receipt()));
        assert!(["receipt_malformed", "receipt_header"].contains(&refusal), "{refusal}: {jws}");
    }
    assert_eq!(code(&good.replacen('.', "\n.", 1), &about(&receipt())), "receipt_header");
    assert_eq!(code(&good.repeat(20), &about(&receipt())), "receipt_too_large");
}

#[test]
fn claims_have_one_spelling() {
    let good = vector("whole").payload;
    assert!(verify_receipt(&sign_parts(&vector("whole").header, good.as_bytes()), &public_key(), &about(&receipt())).is_ok());
    for (from, to) in [
        ("{", "{ "),
        ("{", "{\"another\":1,"),
        ("\"status\":200", "\"status\":200.0"),
        ("\"status\":200", "\"status\":200,\"status\":200"),
        ("\"status\":200", "\"status\":65736"),
        ("\"completion_tokens\":2,", ""),
        ("\"POST\"", "\"\\u0050OST\""),
        ("\"POST\"", "null"),
        ("\"connection_sequence\":0", "\"connection_sequence\":-1"),
    ] {
        let other = good.replacen(from, to, 1);
        assert_ne!(other, good);
        assert_eq!(payload_code(other.as_bytes()), "receipt_malformed", "{other}");
    }
    let values: Vec<Value> = serde_json::from_str::<serde_json::Map<String, Value>>(&good).unwrap().into_values().collect();
    let reordered = good.replacen(",\"status\":200", "", 1).replacen('{', "{\"status\":200,", 1);
    for other in [json!(values).to_string(), reordered, "null".to_owned(), "[".repeat(4000), good.clone() + " "] {
        assert_eq!(payload_code(other.as_bytes()), "receipt_malformed", "{other}");
    }
    assert_eq!(payload_code(b"\xff"), "receipt_malformed");
}

#[test]
fn what_could_not_be_read_is_not_made() {
    let long = Receipt { path: "/".repeat(MAX_RECEIPT_BYTES), ..receipt() };
    assert!(matches!(long.signing_input(&public_key()), Err(UnsignableReceipt::TooLarge { .. })));
    let inexact = Receipt { connection_sequence: u64::MAX, ..receipt() };
    assert!(matches!(inexact.signing_input(&public_key()), Err(UnsignableReceipt::NotCanonical(_))));

    // The limit is exact: the longest receipt that is made is read.
    let longest = (0..3).find_map(|less| {
        let fixed = sign(&Receipt { path: String::new(), ..receipt() }).as_str().len();
        let path = "/".repeat((MAX_RECEIPT_BYTES - fixed) / 4 * 3 + 2 - less);
        let receipt = Receipt { path, ..receipt() };
        receipt.signing_input(&public_key()).is_ok().then_some(receipt)
    });
    let longest = longest.unwrap();
    let jws = sign(&longest);
    assert!((MAX_RECEIPT_BYTES - 2..=MAX_RECEIPT_BYTES).contains(&jws.as_str().len()), "{}", jws.as_str().len());
    assert!(verify_receipt(jws.as_str(), &public_key(), &about(&longest)).is_ok());
}

#[test]
fn a_stream_ends_with_its_receipt_to_the_byte() {
    let split = |body: &str| split_stream(body.as_bytes()).map(|split| (split.hashed.to_vec(), split.jws.to_owned()));
    let ok = |hashed: &str, jws: &str| Ok((hashed.as_bytes().to_vec(), jws.to_owned()));
    assert_eq!(split("data: 1\n\n: receipt a.b.c\n\ndata: [DONE]\n\n"), ok("data: 1\n\n", "a.b.c"));
    assert_eq!(split(": receipt a\n\ndata: [DONE]\n\n"), ok("", "a"));
    // Only the last one counts; the earlier one is part of what is hashed.
    assert_eq!(split(": receipt a\n\n: receipt b\n\ndata: [DONE]\n\n"), ok(": receipt a\n\n", "b"));
    // OpenAI's Responses have no `[DONE]`.
    assert_eq!(split("data: 1\n\n: receipt a.b.c\n\n"), ok("data: 1\n\n", "a.b.c"));
    assert_eq!(split(": receipt a\n\n"), ok("", "a"));
    assert_eq!(split(": receipt a\n\n: receipt b\n\n"), ok(": receipt a\n\n", "b"));
    assert_eq!(split("data: [DONE]\n\n: receipt a\n\n"), ok("data: [DONE]\n\n", "a"));
    for missing in [
        "",
        "\n\n",
        "data: [DONE]\n\n",
        "data: 1\n\ndata: [DONE]\n\n",
        "data: 1\n\n: receipt a",
        "data: 1\n\n: receipt a\n",
        "data: 1\n\n: receipt a\n\n\n",
        "data: 1\n\n: receipt a\r\n\r\n",
        "data: 1\n\n: receipt a\n\ndata: 2\n\n",
        "data: 1\n\n: receipt a\n\n:\n\n",
        "data: 1\n\n: receipt a\n\ndata: [DONE]\n",
        "data: 1\n\n: receipt a\n\ndata: [DONE]\n\n\n",
        "data: 1\n\n: receipt a\ndata: [DONE]\n\n",
        "data: 1\n\n: receipt a\n\n\ndata: [DONE]\n\n",
        "data: 1\n\n: receipt a\r\n\r\ndata: [DONE]\r\n\r\n",
        "data: 1\n\n:receipt a\n\ndata: [DONE]\n\n",
        "data: 1\n\n : receipt a\n\ndata: [DONE]\n\n",
        "data: 1\n\n: receipt a\n\ndata: 2\n\ndata: [DONE]\n\n",
    ] {
        assert_eq!(split(missing).unwrap_err().code(), "receipt_missing", "{missing:?}");
    }
    let no_text = split_stream(b": receipt \xff\n\ndata: [DONE]\n\n").unwrap_err();
    assert_eq!(no_text.code(), "receipt_malformed");
}
