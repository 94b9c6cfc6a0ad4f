//! TPMT_SIGNATURE.
#![no_main]

use blindllama_attest::tpm::Signature;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = Signature::parse(bytes);
});
