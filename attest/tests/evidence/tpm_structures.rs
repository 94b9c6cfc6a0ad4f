//! TPM structures: real ones, and the soft quoter's.

use std::path::PathBuf;

use blindllama_attest::tpm::{AttestationKey, Quote, Signature, SignatureError, TpmClock};
use data_encoding::HEXLOWER;

use crate::kit::{Scenario, ak_public, sign};

fn vector(path: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tpm").join(path)).unwrap()
}

#[test]
fn a_real_quote_reads_as_its_vector_says() {
    let quote = Quote::parse(&vector("libtpms-sha256-24pcr/attest.bin")).unwrap();
    let description: serde_json::Value = serde_json::from_slice(&vector("libtpms-sha256-24pcr/vector.json")).unwrap();
    let expected = &description["attest"];
    assert_eq!(HEXLOWER.encode(&quote.qualified_signer), expected["qualifiedSigner"].as_str().unwrap());
    assert_eq!(HEXLOWER.encode(&quote.extra_data), expected["extraData"].as_str().unwrap());
    assert_eq!(HEXLOWER.encode(&quote.pcr_digest), expected["pcrDigest"].as_str().unwrap());
    assert_eq!(quote.clock, TpmClock { clock: 1_913_548_331, reset_count: 2, restart_count: 0, safe: true });
    assert_eq!(quote.firmware_version, 0x2019_1023_0016_3636);
    assert_eq!(quote.sha256_pcrs(), Some(&(0..24).collect()));
}

#[test]
fn structures_that_are_cut_or_extended_are_refused() {
    let scenario = Scenario::honest();
    let (ak, quote) = (scenario.ak_public(), scenario.quote());
    let signature = sign(&scenario.key, &quote);
    for end in 0..ak.len() {
        assert!(AttestationKey::parse(&ak[..end]).is_err(), "key cut at {end}");
    }
    for end in 0..quote.len() {
        assert!(Quote::parse(&quote[..end]).is_err(), "quote cut at {end}");
    }
    for end in 0..signature.len() {
        assert!(Signature::parse(&signature[..end]).is_err(), "signature cut at {end}");
    }
    assert!(AttestationKey::parse(&[&ak[..], &[0]].concat()).is_err());
    assert!(Quote::parse(&[&quote[..], &[0]].concat()).is_err());
    assert!(Signature::parse(&[&signature[..], &[0]].concat()).is_err());
}

/// Some TPMs leave leading zero bytes of `r` and `s` out.
#[test]
fn a_signature_number_without_its_leading_zeros_is_the_same_number() {
    let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
    let ak = AttestationKey::parse(&ak_public(&key)).unwrap();
    let (message, signature) = (0..u32::MAX)
        .map(|counter| (counter.to_be_bytes(), sign(&key, &counter.to_be_bytes())))
        .find(|(_, signature)| signature[6] == 0)
        .unwrap();
    let stripped = [&signature[..5], &[31], &signature[7..]].concat();
    ak.verify(&message, &Signature::parse(&stripped).unwrap()).unwrap();
    let longer = [&signature[..5], &[33, 0], &signature[6..]].concat();
    assert_eq!(ak.verify(&message, &Signature::parse(&longer).unwrap()), Err(SignatureError::Invalid));
}

#[test]
fn the_name_is_that_of_the_public_area() {
    let public = Scenario::honest().ak_public();
    let name = AttestationKey::parse(&public).unwrap().name();
    let digest = blindllama_attest::digest::Sha256Digest::of(&[&public[2..]]);
    assert_eq!(name.to_string(), format!("000b{digest}"));
}
