//! The JSON file of PCR values is read strictly.

use blindllama_attest::{
    hash::{Digest, HashAlgorithm},
    pcr_banks::PcrBanks,
};

#[test]
fn values_are_read_by_bank_and_index() {
    let (sha1, sha384) = ("01".repeat(20), "ff".repeat(48));
    let json = format!(r#"{{"sha384": {{"0": "{sha384}", "23": "{sha384}"}}, "sha1": {{"10": "{sha1}"}}, "sha256": {{}}}}"#);
    let values = PcrBanks::from_json(json.as_bytes()).unwrap();
    let read: Vec<_> =
        values.iter().flat_map(|(bank, values)| values.iter().map(move |(pcr, value)| (bank, *pcr, *value))).collect();
    let (one, ff) = (Digest::filled(HashAlgorithm::Sha1, 1), Digest::filled(HashAlgorithm::Sha384, 0xff));
    assert_eq!(read, [(HashAlgorithm::Sha1, 10, one), (HashAlgorithm::Sha384, 0, ff), (HashAlgorithm::Sha384, 23, ff)]);
    assert_eq!(values.get(HashAlgorithm::Sha1, 10), Some(one));
    assert_eq!(values.get(HashAlgorithm::Sha256, 10), None);
}

#[test]
fn anything_else_is_refused() {
    let hex = "ab".repeat(32);
    let one = |index: &str, value: &str| format!(r#"{{"sha256": {{"{index}": "{value}"}}}}"#);
    assert!(PcrBanks::from_json(one("0", &hex).as_bytes()).is_ok());
    let refused = [
        String::new(),
        "[]".to_owned(),
        format!(r#"[["sha256", {{"0": "{hex}"}}]]"#),
        one("0", &hex) + "x",
        one("0", &hex.to_uppercase()),
        one("0", &hex[2..]),
        one("0", &format!("0x{hex}")),
        one("00", &hex),
        one("+1", &hex),
        one("24", &hex),
        one("256", &hex),
        one("", &hex),
        one("0", &hex).replace("sha256", "SHA256"),
        one("0", &hex).replace("sha256", "sm3_256"),
        one("0", &hex).replace("sha256", "sha384"),
        format!(r#"{{"sha256": {{"0": "{hex}", "0": "{hex}"}}}}"#),
        format!(r#"{{"sha256": {{"0": "{hex}"}}, "sha256": {{}}}}"#),
        format!(r#"{{"sha256": [["0", "{hex}"]]}}"#),
        r#"{"sha256": {"0": 5}}"#.to_owned(),
        r#"{"sha256": null}"#.to_owned(),
        one("0", &hex) + &" ".repeat(70_000),
    ];
    for json in refused {
        assert!(PcrBanks::from_json(json.as_bytes()).is_err(), "{}", &json[..json.len().min(120)]);
    }
}

#[test]
fn a_message_does_not_repeat_control_characters() {
    let json = format!(r#"{{"\u001b[31m{}": {{}}}}"#, "x".repeat(4096));
    let message = PcrBanks::from_json(json.as_bytes()).unwrap_err().to_string();
    assert!(!message.contains('\u{1b}') && message.len() < 400, "{message}");
}
