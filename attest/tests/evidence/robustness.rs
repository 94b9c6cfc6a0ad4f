//! Parsers meet anything without a panic, and nothing but the honest document is accepted.

use blindllama_attest::{
    evidence::EvidenceDocument,
    firmware::FirmwareLog,
    pcr_banks::PcrBanks,
    policy::Policy,
    tpm::{AttestationKey, Quote, QuoteKey, Signature},
};
use proptest::prelude::*;

use crate::{
    eventlog_vector::Vector,
    kit::{Scenario, sign, spec_id_event},
};

/// Replaces, at some place, some bytes by others.
fn splice(mut bytes: Vec<u8>, at: prop::sample::Index, removed: usize, added: &[u8]) -> Vec<u8> {
    let start = at.index(bytes.len() + 1);
    let end = bytes.len().min(start + removed);
    bytes.splice(start..end, added.iter().copied());
    bytes
}

fn parse_everything(bytes: &[u8]) {
    let _ = AttestationKey::parse(bytes);
    let _ = QuoteKey::parse(bytes);
    let _ = PcrBanks::from_json(bytes);
    let _ = Signature::parse(bytes);
    let _ = Quote::parse(bytes);
    let _ = FirmwareLog::parse(bytes);
    let _ = EvidenceDocument::parse(bytes);
    let _ = Policy::parse(&String::from_utf8_lossy(bytes));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2048)) {
        parse_everything(&bytes);
        parse_everything(&[spec_id_event(&[(0x0004, 20), (0x000b, 32)]), bytes].concat());
    }

    #[test]
    fn mutated_structures_never_panic(
        at: prop::sample::Index,
        removed in 0_usize..40,
        added in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let scenario = Scenario::honest();
        let quote = scenario.quote();
        let log = Vector::read("eventlog/laptop-startup-locality-3").log().to_vec();
        let policy = scenario.policy.to_toml().unwrap().into_bytes();
        for bytes in [scenario.ak_public(), sign(&scenario.key, &quote), quote, log, policy] {
            parse_everything(&splice(bytes, at, removed, &added));
        }
    }

    #[test]
    fn a_mutated_document_is_accepted_only_if_it_means_the_same(
        at: prop::sample::Index,
        removed in 0_usize..40,
        added in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let scenario = Scenario::honest();
        let honest = scenario.document();
        let mutated = splice(honest.clone(), at, removed, &added);
        if scenario.verify_document(&mutated).is_ok() {
            let value = |document: &[u8]| serde_json::from_slice::<serde_json::Value>(document).unwrap();
            prop_assert_eq!(value(&mutated), value(&honest));
        }
    }
}
