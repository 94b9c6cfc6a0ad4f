//! No bit of the evidence is free: whatever is flipped, the evidence is refused.

use blindllama_attest::{evidence::EvidenceDocument, verify::VerifyError};

use crate::{
    eventlog_vector::{Vector, sha256_offsets},
    kit::Scenario,
    verdicts::booted_as_in,
};

/// Flips each bit of the bytes that `part` finds, alone, and hands the verdict to `check`.
fn flip_each(part: fn(&mut EvidenceDocument) -> &mut Vec<u8>, check: fn(&VerifyError) -> bool) {
    let scenario = Scenario::honest();
    let honest = scenario.evidence();
    let bits = part(&mut honest.clone()).len() * 8;
    for bit in 0..bits {
        let mut evidence = honest.clone();
        part(&mut evidence)[bit / 8] ^= 1 << (bit % 8);
        let error = scenario.verify_document(&serde_json::to_vec(&evidence).unwrap()).expect_err("a flipped bit passed");
        assert!(check(&error), "bit {bit}: {}", error.code());
    }
}

#[test]
fn every_bit_of_the_quote_is_signed() {
    flip_each(|e| &mut e.tpm.quote.0, |error| error.code() == "signature_invalid");
}

#[test]
fn every_bit_of_the_signature_matters() {
    flip_each(|e| &mut e.tpm.signature.0, |error| error.check() == 6);
}

#[test]
fn every_bit_of_the_attestation_key_matters() {
    flip_each(|e| &mut e.tpm.ak_public.0, |error| matches!(error.check(), 4 | 5));
}

/// This covers every digest and all data of the application log, the nonce, the binding, the PCR values and all syntax.
#[test]
fn every_bit_of_the_document_matters() {
    let scenario = Scenario::honest();
    let honest = scenario.document();
    for bit in 0..honest.len() * 8 {
        let mut document = honest.clone();
        document[bit / 8] ^= 1 << (bit % 8);
        let verdict = scenario.verify_document(&document);
        assert!(verdict.is_err(), "bit {bit} of {} may be flipped", String::from_utf8_lossy(&document));
    }
}

#[test]
fn every_byte_of_a_firmware_digest_matters() {
    let vector = Vector::read("eventlog/sha256-only-intel-board");
    let mut scenario = booted_as_in(&vector);
    let log = vector.log();
    for offset in sha256_offsets(log) {
        for byte in 0..32 {
            let mut changed = log.to_vec();
            changed[offset + byte] ^= 1 << (byte % 8);
            scenario.firmware = Some(changed);
            assert_eq!(scenario.verify().unwrap_err().code(), "firmware_log_mismatch", "byte {byte} at {offset}");
        }
    }
}
