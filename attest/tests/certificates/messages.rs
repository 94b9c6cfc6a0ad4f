//! The messages of an activation, read strictly.

use blindllama_attest::{
    credential::{ActivationAnswer, ActivationRequest, InvalidActivation, MAX_ACTIVATION_BYTES},
    evidence::encoding::Base64Bytes,
};
use data_encoding::{BASE64, HEXLOWER};
use proptest::prelude::proptest;

const NAME: &str = "000b0000000000000000000000000000000000000000000000000000000000000001";

fn request(name: &str, id_object: &[u8], encrypted_secret: &[u8]) -> String {
    let (id_object, encrypted_secret) = (BASE64.encode(id_object), BASE64.encode(encrypted_secret));
    format!(r#"{{"ak_name":"{name}","id_object":"{id_object}","encrypted_secret":"{encrypted_secret}"}}"#)
}

fn tpm2b(size: usize) -> Vec<u8> {
    [&u16::try_from(size).unwrap().to_be_bytes()[..], &vec![0x5a; size]].concat()
}

fn refused(json: &str) -> String {
    ActivationRequest::parse(json.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_request_is_read_back_as_written() {
    let json = request(NAME, &tpm2b(198), &tpm2b(598));
    let parsed = ActivationRequest::parse(json.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&parsed).unwrap(), json);
    assert_eq!(HEXLOWER.encode(&parsed.ak_name().unwrap()), NAME);
}

#[test]
fn every_field_is_bounded_and_whole() {
    let (id_object, secret) = (tpm2b(68), tpm2b(256));
    assert!(refused(&request(NAME, &tpm2b(199), &secret)).contains("id_object of the activation request is too long"));
    assert!(refused(&request(NAME, &id_object, &tpm2b(599))).contains("encrypted_secret of the activation request is too long"));
    let long = [&secret[..], &[0]].concat();
    for (id_object, secret) in [(&id_object[1..], &secret[..]), (&id_object, &long), (&[], &secret), (&id_object, &[0])] {
        assert!(refused(&request(NAME, id_object, secret)).contains("TPM2B"));
    }
    for name in ["", "000b", &NAME.to_uppercase(), &NAME[..66], &NAME.replace("000b", "0004"), &NAME.replace("000b", "zzzz")] {
        assert!(refused(&request(name, &id_object, &secret)).contains("ak_name"), "{name}");
    }
}

#[test]
fn a_request_is_one_object_with_these_fields() {
    let honest = request(NAME, &tpm2b(68), &tpm2b(256));
    let padded = format!("{honest}{}", " ".repeat(MAX_ACTIVATION_BYTES));
    assert!(matches!(ActivationRequest::parse(padded.as_bytes()), Err(InvalidActivation::TooLarge { .. })));
    let values = honest.split('"').skip(3).step_by(4).collect::<Vec<_>>().join("\",\"");
    for wrong in [
        String::new(),
        "{}".to_owned(),
        format!("[\"{values}\"]"),
        format!("{honest}{honest}"),
        honest.replacen('{', r#"{"more":1,"#, 1),
        honest.replacen('{', &format!(r#"{{"ak_name":"{NAME}","#), 1),
        honest.replace("Wlpa", "Wlp"),
        honest.replace("Wlpa", "Wlp-"),
    ] {
        assert!(refused(&wrong).starts_with("the activation message is malformed"), "{wrong}");
    }
}

#[test]
fn an_answer_is_strict_and_never_printed() {
    let answer = ActivationAnswer::parse(br#"{"secret":"c2VjcmV0"}"#).unwrap();
    assert_eq!(answer.secret, Base64Bytes(b"secret".to_vec()));
    assert!(!format!("{answer:?}").contains("c2VjcmV0"));
    for wrong in [r#"["c2VjcmV0"]"#, r#"{"secret":"c2VjcmV"}"#, r#"{"secret":"c2VjcmV0","more":1}"#, "{}"] {
        assert!(ActivationAnswer::parse(wrong.as_bytes()).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_without_panic(bytes: Vec<u8>) {
        let _ = (ActivationRequest::parse(&bytes), ActivationAnswer::parse(&bytes));
    }
}
