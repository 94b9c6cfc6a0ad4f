//! `blindllama eventlog` on logs of real machines.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

fn vector(name: &str, file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../attest/tests/vectors").join(name).join(file)
}

fn eventlog(action: &str, log: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blindllama"));
    let Output { status, stdout, stderr } = command.args(["eventlog", action]).arg(log).args(more).env_clear().output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn compare(name: &str, pcrs: &Value, more: &[&str]) -> (Option<i32>, String, String) {
    let pcrs = file(pcrs.to_string().as_bytes());
    let arguments = [&["--pcrs", pcrs.path().to_str().unwrap()], more].concat();
    eventlog("replay", &vector(name, "eventlog.bin"), &arguments)
}

fn recorded(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(vector(name, "pcrs.json")).unwrap()).unwrap()
}

const LAPTOP: &str = "eventlog/laptop-startup-locality-3";

#[test]
fn show_prints_each_event() {
    let (status, told, _) = eventlog("show", &vector(LAPTOP, "eventlog.bin"), &[]);
    assert_eq!(status, Some(0));
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 1 + 29 + 2, "{told}");
    assert!(lines[2].ends_with("- StartupLocality 3"), "{}", lines[2]);
    assert!(lines[29].contains("EV_EFI_BOOT_SERVICES_APPLICATION") && lines[29].contains("GRUBX64.EFI"), "{}", lines[29]);
    assert!(!told.contains('\u{1b}'), "colours without a terminal: {told:?}");
}

#[test]
fn show_speaks_json() {
    let (status, told, _) = eventlog("show", &vector(LAPTOP, "eventlog.bin"), &["--json"]);
    let log: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &log["format"], &log["banks"]), (Some(0), &json!("crypto-agile"), &json!(["sha1", "sha256"])));
    assert_eq!((log["startup_locality"].as_u64(), log["events"].as_array().unwrap().len()), (Some(3), 29));
    let (informs, measures) = (&log["events"][1], &log["events"][28]);
    assert_eq!((&informs["extends"], &informs["digest_is_data_hash"]), (&json!(false), &Value::Null));
    assert_eq!((&measures["extends"], &measures["digest_is_data_hash"]), (&json!(true), &json!(false)));
    assert_eq!((&measures["pcr"], measures["digests"]["sha256"].as_str().unwrap().len()), (&json!(4), 64));
}

#[test]
fn replay_prints_the_values_of_the_tpm() {
    let (status, told, _) = eventlog("replay", &vector(LAPTOP, "eventlog.bin"), &["--json"]);
    let replayed: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &replayed["pcrs"], &replayed["fits"]), (Some(0), &recorded(LAPTOP), &Value::Null));
    let (_, told, _) = eventlog("replay", &vector(LAPTOP, "eventlog.bin"), &["--bank", "sha256"]);
    assert_eq!((told.lines().count(), told.lines().next()), (1 + 8, Some("sha256")), "{told}");
}

#[test]
fn replay_compares_with_given_values() {
    for name in [LAPTOP, "tpm/gcp-windows-sha1", "eventlog/gce-rhel8"] {
        let (status, told, _) = compare(name, &recorded(name), &[]);
        assert!(status == Some(0) && told.contains("leads to the given values"), "{name}: {status:?} {told}");
    }
}

#[test]
fn replay_names_the_pcrs_that_differ() {
    let mut pcrs = recorded(LAPTOP);
    pcrs["sha256"]["4"] = "0".repeat(64).into();
    pcrs["sha1"].as_object_mut().unwrap().remove("7");
    pcrs["sha1"]["8"] = "1".repeat(40).into();
    let (status, told, _) = compare(LAPTOP, &pcrs, &[]);
    let verdict = "does not lead to the given values: sha1 PCR 7, sha1 PCR 8, sha256 PCR 4.";
    assert!(status == Some(1) && told.contains(verdict), "{status:?} {told}");
    let (status, told, _) = compare(LAPTOP, &pcrs, &["--bank", "sha256", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &told["fits"], &told["differing"]), (Some(1), &json!(false), &json!(["sha256 PCR 4"])));
}

#[test]
fn a_comparison_of_nothing_does_not_pass() {
    let (status, told, _) = compare("eventlog/short-no-action", &json!({"sha1": {}}), &[]);
    assert!(status == Some(1) && told.contains("Nothing to compare"), "{status:?} {told}");
    assert_eq!(compare(LAPTOP, &json!({}), &[]).0, Some(1));
    assert_eq!(compare(LAPTOP, &json!({"sha1": recorded(LAPTOP)["sha1"]}), &["--bank", "sha256"]).0, Some(1));
}

#[test]
fn a_file_that_is_no_log_is_refused() {
    let bytes = std::fs::read(vector(LAPTOP, "eventlog.bin")).unwrap();
    let cut = file(&bytes[..bytes.len() - 1]);
    for action in ["show", "replay"] {
        let (status, told, error) = eventlog(action, cut.path(), &["--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        assert!(status == Some(1) && error.contains("it ends too early"), "{status:?} {error}");
        assert_eq!(told["code"], "firmware_log_malformed");
    }
    let (status, _, error) = eventlog("replay", &vector("eventlog/gce-debian10-sha1", "eventlog.bin"), &["--bank", "sha256"]);
    assert!(status == Some(1) && error.contains("old SHA-1 format"), "{status:?} {error}");
}

#[test]
fn wrong_usage_is_told_from_files_that_cannot_be_read() {
    let log = vector(LAPTOP, "eventlog.bin");
    assert_eq!(eventlog("replay", &log, &["--bank", "md5"]).0, Some(2));
    assert_eq!(eventlog("show", Path::new("no/such/log"), &[]).0, Some(5));
    assert_eq!(eventlog("replay", &log, &["--pcrs", "no/such/file"]).0, Some(5));
    let (status, _, error) = compare(LAPTOP, &json!({"md5": {}}), &[]);
    assert!(status == Some(5) && error.contains("\"md5\" is no bank"), "{status:?} {error}");
}
