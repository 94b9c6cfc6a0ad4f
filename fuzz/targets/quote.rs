//! TPMS_ATTEST.
#![no_main]

use blindllama_attest::tpm::Quote;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(quote) = Quote::parse(bytes) {
        assert!(quote.selections.len() <= 16);
    }
});
