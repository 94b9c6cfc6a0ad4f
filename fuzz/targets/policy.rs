//! Policies: whatever is accepted can be written and is then accepted again, as the same.
#![no_main]

use blindllama_attest::policy::{Policy, PolicyDocument};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(document) = PolicyDocument::parse(text) else { return };
    let Ok(policy) = Policy::try_from(document.clone()) else { return };
    let written = document.to_toml().unwrap();
    assert_eq!(Policy::parse(&written).unwrap().releases(), policy.releases());
});
