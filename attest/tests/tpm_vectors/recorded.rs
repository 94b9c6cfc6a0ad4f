//! Quotes recorded on other machines hold; each of their mutations, and each flipped byte, is refused.

use blindllama_attest::{
    pcr_banks::PcrBanks,
    tpm::{AkError, AttestationKey, NotChecked, Quote, QuoteKey, RawQuote, check_quote},
};
use data_encoding::HEXLOWER;
use serde_json::Value;

use crate::{
    mutation::of_quote,
    vector::{ALL, SHA1, Vector, read},
};

/// For each vector: its mutations of the quote, those of other files, and the neutral ones, which are of the event log.
const MUTATIONS: [(&str, [usize; 3]); 4] = [
    ("azure-snp-milan-v1", [17, 0, 0]),
    ("gcp-windows-sha1", [15, 8, 3]),
    ("keylime-simulator-3pcr", [17, 0, 0]),
    ("libtpms-sha256-24pcr", [17, 0, 0]),
];

#[test]
fn recorded_quotes_hold_and_say_what_their_description_says() {
    for id in ALL {
        let vector = Vector::load(id);
        let description = vector.description();
        let checked = vector.check_as_recorded().unwrap_or_else(|code| panic!("{id}: {code}"));
        assert_eq!(checked.not_checked, [NotChecked::KeyAttributes], "{id}");
        assert_eq!(checked.uses_sha1, id == SHA1, "{id}");
        assert_eq!(checked.scheme.hash().name(), description["signature"]["hash"], "{id}");
        let expected_scheme = if id == SHA1 { "RSASSA RSA-2048 SHA-1" } else { "RSASSA RSA-2048 SHA-256" };
        assert_eq!(checked.scheme.to_string(), expected_scheme, "{id}");
        assert_says(&checked.quote, &description["attest"]);
    }
}

fn assert_says(quote: &Quote, expected: &Value) {
    assert_eq!(HEXLOWER.encode(&quote.qualified_signer), expected["qualifiedSigner"]);
    assert_eq!(HEXLOWER.encode(&quote.extra_data), expected["extraData"]);
    assert_eq!(HEXLOWER.encode(&quote.pcr_digest), expected["pcrDigest"]);
    assert_eq!(quote.clock.clock, expected["clock"]);
    assert_eq!(quote.clock.reset_count, expected["resetCount"]);
    assert_eq!(quote.clock.restart_count, expected["restartCount"]);
    assert_eq!(u64::from(quote.clock.safe), expected["safe"]);
    assert_eq!(format!("{:#x}", quote.firmware_version), expected["firmwareVersion"]);
    let [selection] = quote.selections.as_slice() else { panic!("{:?}", quote.selections) };
    let pcrs: Vec<u8> = serde_json::from_value(expected["pcrSelect"][0]["pcrs"].clone()).unwrap();
    assert_eq!(selection.pcrs, pcrs.into_iter().collect());
}

#[test]
fn sha1_is_refused_by_name_unless_it_is_allowed() {
    let vector = Vector::load(SHA1);
    assert_eq!(vector.check(false).unwrap_err(), "sha1_signature");
    assert!(vector.check(true).unwrap().uses_sha1);
    let area = read(SHA1, "ak_public.tpmt");
    let unsupported = AkError::Unsupported { field: "scheme.hashAlg", found: 0x0004 };
    assert_eq!(AttestationKey::parse_public_area(&area).unwrap_err(), unsupported);
}

#[test]
fn the_listed_mutations_are_refused() {
    for (id, counts) in MUTATIONS {
        let vector = Vector::load(id);
        let description = vector.description();
        let (negative, of_other_files) = of_quote(&description, "negative");
        let (neutral, neutral_of_other_files) = of_quote(&description, "neutral");
        assert_eq!([negative.len(), of_other_files, neutral.len() + neutral_of_other_files], counts, "{id}");
        for mutation in negative {
            let code = mutation.apply(&vector).check_as_recorded().expect_err(&mutation.id);
            assert!(codes_of(&mutation.must_fail).contains(&code), "{id} {}: {code}", mutation.id);
        }
        for mutation in neutral {
            assert!(mutation.apply(&vector).check_as_recorded().is_ok(), "{id} {}", mutation.id);
        }
    }
}

/// The codes with which a check of a description can fail. The signature is checked first, so it hides the others.
fn codes_of(must_fail: &[String]) -> Vec<&'static str> {
    let codes = |check: &String| match check.as_str() {
        "signature_valid" => &["signature_invalid"][..],
        "attest_parses" => &["signature_invalid"], // the quote is cut: the signature fails before the parser does
        "nonce_equal" => &["nonce_mismatch"],
        "pcr_digest_equal" => &["pcr_digest_mismatch", "pcr_selection_mismatch", "sha1_signature"],
        "type_is_ATTEST_QUOTE" => &["not_a_quote"],
        _ => &[],
    };
    must_fail.iter().flat_map(codes).copied().collect()
}

#[test]
fn no_flipped_byte_of_the_quote_or_its_signature_is_accepted() {
    for id in ALL {
        let vector = Vector::load(id);
        for file in ["attest.bin", "signature.bin"] {
            for (offset, mask) in (0..vector.files[file].len()).flat_map(|offset| [(offset, 0x01), (offset, 0x80)]) {
                let mut mutant = vector.clone();
                mutant.files.get_mut(file).unwrap()[offset] ^= mask;
                assert!(mutant.check_as_recorded().is_err(), "{id} {file} {offset} {mask:#x}");
                assert!(mutant.check(true).is_err(), "{id} {file} {offset} {mask:#x} with SHA-1");
            }
        }
    }
}

#[test]
fn no_flipped_byte_of_a_pcr_value_is_accepted() {
    for id in ALL {
        let vector = Vector::load(id);
        let values: Value = serde_json::from_slice(&vector.files["pcrs.json"]).unwrap();
        let mut mutants = 0;
        for (bank, pcrs) in values.as_object().unwrap() {
            for (pcr, value) in pcrs.as_object().unwrap() {
                let value = HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap();
                for (offset, mask) in (0..value.len()).flat_map(|offset| [(offset, 0x01), (offset, 0x80)]) {
                    let mut flipped = value.clone();
                    flipped[offset] ^= mask;
                    let mut mutant = values.clone();
                    mutant[bank][pcr] = HEXLOWER.encode(&flipped).into();
                    let mut vector = vector.clone();
                    vector.files.insert("pcrs.json".to_owned(), mutant.to_string().into_bytes());
                    assert_eq!(vector.check_as_recorded().unwrap_err(), "pcr_digest_mismatch", "{id} {bank} {pcr} {offset}");
                    mutants += 1;
                }
            }
        }
        let [quoted] = Quote::parse(&vector.files["attest.bin"]).unwrap().selections.try_into().unwrap();
        let size = if id == SHA1 { 20 } else { 32 };
        assert_eq!(mutants, quoted.pcrs.len() * size * 2, "{id}");
    }
}

#[test]
fn a_public_area_says_more_than_the_bare_key() {
    for id in [SHA1, "keylime-simulator-3pcr"] {
        let mut vector = Vector::load(id);
        let area = read(id, "ak_public.tpmt");
        let sized = [&u16::try_from(area.len()).unwrap().to_be_bytes()[..], &area].concat();
        for file in [area, sized] {
            let key = QuoteKey::parse(&file).unwrap();
            assert_eq!(key.name().unwrap().to_string(), vector.description()["ak_public_area"]["name"], "{id}");
            let pem = QuoteKey::parse(&read(id, "ak_public.pem")).unwrap();
            assert_eq!((key.public_key(), pem.name()), (pem.public_key(), None), "{id}");
            vector.files.insert("area".to_owned(), file);
            vector.ak = "area";
            assert_eq!(vector.check_as_recorded().unwrap().not_checked, [], "{id}");
        }
    }
}

#[test]
fn a_storage_key_signs_no_quotes() {
    let error = QuoteKey::parse(&read("keylime-simulator-3pcr", "ek_public.tpmt")).unwrap_err();
    assert_eq!(error.code(), "ak_not_restricted_signing");
}

#[test]
fn what_nobody_asks_for_is_named_as_not_checked() {
    let vector = Vector::load("keylime-simulator-3pcr");
    let ak = QuoteKey::parse(&read(vector.id, "ak_public.tpmt")).unwrap();
    let (attest, signature) = (&vector.files["attest.bin"], &vector.files["signature.bin"]);
    let raw = RawQuote { attest, signature, ak: &ak, nonce: None, pcrs: None, allow_sha1: false };
    assert_eq!(check_quote(&raw).unwrap().not_checked, [NotChecked::Nonce, NotChecked::PcrValues]);
    let none = PcrBanks::default();
    let error = check_quote(&RawQuote { pcrs: Some(&none), ..raw }).unwrap_err();
    assert_eq!(error.code(), "pcr_selection_mismatch", "no values are not the same as no check");
}
