//! Requests and answers of credential activation.
#![no_main]

use blindllama_attest::credential::{ActivationAnswer, ActivationRequest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let _ = ActivationAnswer::parse(json);
    let Ok(request) = ActivationRequest::parse(json) else { return };
    assert!(request.ak_name().is_ok(), "a request that was read names a key");
    let written = serde_json::to_vec(&request).unwrap();
    assert_eq!(ActivationRequest::parse(&written).unwrap(), request);
});
