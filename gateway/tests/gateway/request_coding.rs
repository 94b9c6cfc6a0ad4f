//! Compressed request bodies.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{Method, StatusCode};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::json;

use crate::{
    chat::{hello, with},
    client::{Answer, CHAT, request},
    harness::{Gateway, MAX_BODY_BYTES},
    receipts::receipt,
};

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    compress_to_vec(plain, CompressionLevel::Fastest)
}

async fn post(gateway: &Gateway, coding: &str, body: Vec<u8>) -> Answer {
    let headers = [("content-type", "application/json"), ("content-encoding", coding)];
    gateway.connect().await.ask(request(Method::POST, CHAT, body.into(), &headers)).await
}

/// A receipt covers what went over the wire, so that it can be checked without decompressing.
#[tokio::test]
async fn a_compressed_request_is_answered_and_its_receipt_covers_it_as_sent() {
    let mut gateway = Gateway::start();
    let plain = hello().to_string().into_bytes();
    for (coding, encoded) in [("gzip", gzip(&plain)), ("zstd", zstd(&plain)), ("identity", plain.clone())] {
        let headers = [("content-type", "application/json"), ("content-encoding", coding)];
        let mut client = gateway.connect().await;
        let asked = request(Method::POST, CHAT, Bytes::from(encoded.clone()), &headers);
        let (answer, _) = tokio::join!(client.ask(asked), gateway.answer("Paris"));
        assert_eq!(answer.status, StatusCode::OK, "{coding}");
        assert!(receipt(&gateway, ("POST", CHAT), &encoded, &answer).unwrap().request_sha256.is_some());
        assert_eq!(receipt(&gateway, ("POST", CHAT), &plain, &answer).is_ok(), coding == "identity");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_body_that_becomes_too_large_is_refused_with_the_limit() {
    let gateway = Gateway::start();
    let bomb = vec![b' '; 100 * MAX_BODY_BYTES];
    for (coding, encoded) in [("gzip", gzip(&bomb)), ("zstd", zstd(&bomb))] {
        let sent = encoded.clone();
        let answer = post(&gateway, coding, encoded).await;
        if sent.len() <= MAX_BODY_BYTES {
            let message = answer.error()["message"].as_str().unwrap().to_owned();
            assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
            assert!(message.contains("decompressed") && message.contains(&MAX_BODY_BYTES.to_string()), "{message}");
            assert!(receipt(&gateway, ("POST", CHAT), &sent, &answer).unwrap().request_sha256.is_some());
        } else {
            panic!("{coding} does not compress: {}", sent.len());
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn other_codings_and_damaged_bodies_are_refused() {
    let gateway = Gateway::start();
    let plain = hello().to_string().into_bytes();
    for coding in ["br", "compress", "gzip, zstd", "gzip; q=1"] {
        let answer = post(&gateway, coding, gzip(&plain)).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{coding}");
        assert_eq!(answer.headers["accept-encoding"], "gzip, deflate, zstd");
        assert!(answer.error()["message"].as_str().unwrap().contains("gzip, deflate, zstd"));
    }
    for (coding, body) in [("gzip", plain.clone()), ("zstd", gzip(&plain)), ("gzip", [gzip(&plain), plain.clone()].concat())] {
        let answer = post(&gateway, coding, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{coding}");
        assert!(answer.error()["message"].as_str().unwrap().contains(&format!("not valid {coding}")));
    }
    gateway.stop().await;
}

/// Large bodies are parsed elsewhere, with the same result.
#[tokio::test]
async fn a_large_body_is_parsed_as_a_small_one() {
    let gateway = Gateway::start();
    let large = with("user", json!(["x".repeat(100 * 1024)])).to_string().into_bytes();
    for (coding, body) in [("identity", large.clone()), ("gzip", gzip(&large))] {
        let answer = post(&gateway, coding, body).await;
        assert_eq!((answer.status, answer.error()["param"].clone()), (StatusCode::BAD_REQUEST, json!("user")), "{coding}");
    }
    gateway.stop().await;
}
