//! TPM2B_PUBLIC of attestation keys.
#![no_main]

use blindllama_attest::tpm::AttestationKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = AttestationKey::parse(bytes);
});
