//! Receipts, alone and at the end of a stream.
#![no_main]

use blindllama_attest::{
    digest::Sha256Digest,
    receipt::{ExpectedReceipt, split_stream, verify_receipt},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(stream) = split_stream(bytes) {
        assert!(stream.hashed.len() < bytes.len());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let expected = ExpectedReceipt {
        method: "POST",
        path: "/v1/chat/completions",
        status: 200,
        request_sha256: Sha256Digest::ZERO,
        response_sha256: Sha256Digest::ZERO,
        binding_digest: Sha256Digest::ZERO,
        request_id: None,
    };
    // The base point of Ed25519: a valid key, whose private half nobody here uses.
    let mut key = [0x66; 32];
    key[0] = 0x58;
    assert!(verify_receipt(text.trim(), &key, &expected).is_err());
});
