//! `blindllama quote check` over quotes of other systems.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{blindllama, text};

fn vector(name: &str, file: &str) -> String {
    let vectors = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../attest/tests/vectors/tpm"));
    vectors.join(name).join(file).to_str().unwrap().to_owned()
}

/// The arguments for the files of a vector: attest, signature and key.
fn files(name: &str, key: &str) -> Vec<String> {
    let pairs = [("--attest", "attest.bin"), ("--signature", "signature.bin"), ("--ak", key)];
    pairs.into_iter().flat_map(|(option, file)| [option.to_owned(), vector(name, file)]).collect()
}

fn check(arguments: &[String], more: &[&str]) -> (i32, String) {
    let output = blindllama(&["quote", "check"]).args(arguments).args(more).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

fn json_of(arguments: &[String], more: &[&str]) -> (i32, Value) {
    let (status, printed) = check(arguments, &[more, &["--json"]].concat());
    (status, serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}")))
}

fn nonce(name: &str) -> String {
    fs::read_to_string(vector(name, "nonce.hex")).unwrap().trim().to_owned()
}

const SIMULATOR: &str = "keylime-simulator-3pcr";
const WINDOWS: &str = "gcp-windows-sha1";

#[test]
fn what_was_not_given_is_not_checked_and_said_so() {
    let (status, printed) = check(&files(SIMULATOR, "ak_public.pem"), &[]);
    assert_eq!(status, 0, "{printed}");
    assert!(
        printed.contains("The quote is well signed; not checked: key, nonce, pcr_values, event_log, certificate"),
        "{printed}"
    );
    assert!(!printed.to_lowercase().contains("verified"), "{printed}");
    let pcrs = vector(SIMULATOR, "pcrs.json");
    let (status, told) = json_of(&files(SIMULATOR, "ak_public.tpmt"), &["--nonce", &nonce(SIMULATOR), "--pcrs", &pcrs]);
    assert_eq!(
        (status, &told["accepted"], &told["not_checked"]),
        (0, &json!(true), &json!(["event_log", "certificate"])),
        "{told}"
    );
}

#[test]
fn what_does_not_hold_is_refused() {
    let key = files(SIMULATOR, "ak_public.pem");
    let (status, told) = json_of(&key, &["--nonce", "00"]);
    assert_eq!((status, &told["code"], &told["checks"][3]["result"]), (1, &json!("nonce_mismatch"), &json!("failed")), "{told}");
    assert_eq!(told["checks"][4]["result"], "not_checked");
    let (status, told) = json_of(&key, &["--pcrs", &vector("libtpms-sha256-24pcr", "pcrs.json")]);
    assert_eq!((status, &told["code"]), (1, &json!("pcr_selection_mismatch")), "{told}");
    let (status, told) = json_of(&files(SIMULATOR, "../libtpms-sha256-24pcr/ak_public.pem"), &[]);
    assert_eq!((status, &told["code"]), (1, &json!("signature_invalid")), "{told}");

    let folder = TempDir::new().unwrap();
    let changed = folder.path().join("attest.bin");
    let mut attest = fs::read(vector(SIMULATOR, "attest.bin")).unwrap();
    *attest.last_mut().unwrap() ^= 1;
    fs::write(&changed, attest).unwrap();
    let mut arguments = key;
    arguments[1] = changed.to_str().unwrap().to_owned();
    let (status, printed) = check(&arguments, &[]);
    assert!(status == 1 && printed.contains("✗ signature") && printed.contains("The quote is refused."), "{printed}");
}

#[test]
fn sha1_has_to_be_asked_for() {
    let arguments = files(WINDOWS, "ak_public.tpmt");
    let (status, told) = json_of(&arguments, &["--nonce", ""]);
    assert_eq!((status, &told["code"]), (1, &json!("sha1_signature")), "{told}");
    let (pcrs, log) = (vector(WINDOWS, "pcrs.json"), vector(WINDOWS, "eventlog.bin"));
    let all = ["--nonce", "", "--pcrs", &pcrs, "--eventlog", &log, "--allow-sha1"];
    let (status, told) = json_of(&arguments, &all);
    assert_eq!((status, &told["uses_sha1"], &told["not_checked"]), (0, &json!(true), &json!(["certificate"])), "{told}");
    let checks = told["checks"].as_array().unwrap();
    let sentence = checks.iter().find(|check| check["code"] == "event_log").unwrap()["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("the log explains sha1 0, sha1 4, sha1 5, sha1 7,"), "{sentence}");

    let folder = TempDir::new().unwrap();
    let changed = folder.path().join("eventlog.bin");
    let mut log = fs::read(&log).unwrap();
    let second = 32 + u32::from_le_bytes(log[28..32].try_into().unwrap()) as usize;
    log[second + 8] ^= 1;
    fs::write(&changed, log).unwrap();
    let (status, told) = json_of(&arguments, &["--pcrs", &pcrs, "--eventlog", changed.to_str().unwrap(), "--allow-sha1"]);
    assert_eq!((status, &told["code"]), (1, &json!("event_log")), "{told}");
}

#[test]
fn a_certificate_has_to_lead_to_a_root_and_be_of_the_key() {
    let arguments = files(SIMULATOR, "ak_public.pem");
    let root = vector("azure-snp-milan-v1", "vcek.der");
    let (status, told) = json_of(&arguments, &["--ak-cert", &root, "--root", &root, "--at", "2025-09-01T00:00:00Z"]);
    assert_eq!((status, &told["code"]), (1, &json!("certificate")), "{told}");
    let (status, told) = check(&arguments, &["--ak-cert", &root]);
    assert!(status == 2 && told.contains("--root"), "{told}");
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let (status, told) = check(&files(SIMULATOR, "no-such-file"), &[]);
    assert!(status == 5 && told.contains("no-such-file"), "{told}");
    let (status, told) = check(&files(SIMULATOR, "ak_public.pem"), &["--pcrs", &vector(SIMULATOR, "attest.bin")]);
    assert_eq!(status, 5, "{told}");
    let (status, _) = check(&files(SIMULATOR, "ak_public.pem"), &["--nonce", "xx"]);
    assert_eq!(status, 2);
}
