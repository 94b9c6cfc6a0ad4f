//! Firmware logs of real machines (`tests/vectors/README.md`), and mutations of them.

use std::{collections::BTreeMap, path::PathBuf};

use blindllama_attest::{
    digest::Sha256Digest,
    firmware::{FirmwareLog, FirmwareLogError},
};
use data_encoding::HEXLOWER;
use serde_json::Value;

pub(crate) const CRYPTO_AGILE: [&str; 3] = ["arch-linux-workstation", "laptop-startup-locality-3", "sha256-only-intel-board"];

fn file(vector: &str, name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/eventlog");
    std::fs::read(folder.join(vector).join(name)).unwrap()
}

pub(crate) fn read(vector: &str) -> Vec<u8> {
    file(vector, "eventlog.bin")
}

pub(crate) fn pcrs(vector: &str) -> BTreeMap<u8, Sha256Digest> {
    let by_text: BTreeMap<String, Sha256Digest> = serde_json::from_slice(&file(vector, "pcrs.json")).unwrap();
    by_text.into_iter().map(|(pcr, value)| (pcr.parse().unwrap(), value)).collect()
}

/// Where the SHA-256 digests of measured events stand in a log that has that bank alone.
pub(crate) fn sha256_offsets(log: &[u8]) -> Vec<usize> {
    let u32_at = |offset: usize| u32::from_le_bytes(log[offset..offset + 4].try_into().unwrap());
    let mut offsets = Vec::new();
    let mut at = 32 + u32_at(28) as usize;
    while at < log.len() {
        if u32_at(at + 4) != 3 {
            offsets.push(at + 14);
        }
        at += 50 + u32_at(at + 46) as usize;
    }
    offsets
}

fn replays(log: &[u8], pcrs: &BTreeMap<u8, Sha256Digest>) -> bool {
    FirmwareLog::parse(log).is_ok_and(|log| pcrs.iter().all(|(pcr, value)| log.replay(*pcr) == *value))
}

/// Applies one operation of a vector's `mutation` list.
fn mutate(log: &mut Vec<u8>, operation: &Value) {
    let number = |key: &str| usize::try_from(operation[key].as_u64().unwrap()).unwrap();
    let bytes = |key: &str| HEXLOWER.decode(operation[key].as_str().unwrap().as_bytes()).unwrap();
    match operation["op"].as_str().unwrap() {
        "xor" => log[number("offset")..].iter_mut().zip(bytes("mask")).for_each(|(byte, mask)| *byte ^= mask),
        "set_bytes" => log[number("offset")..].iter_mut().zip(bytes("hex")).for_each(|(byte, set)| *byte = set),
        "insert_bytes" => _ = log.splice(number("offset")..number("offset"), bytes("hex")),
        "delete_bytes" => _ = log.drain(number("offset")..number("offset") + number("length")),
        "swap_ranges" => log[number("offset_a")..number("offset_b") + number("length_b")].rotate_left(number("length_a")),
        other => panic!("unknown operation {other}"),
    }
}

#[test]
fn real_logs_replay_to_the_recorded_pcrs() {
    for vector in CRYPTO_AGILE {
        let log = FirmwareLog::parse(&read(vector)).unwrap();
        for (pcr, value) in pcrs(vector) {
            assert_eq!(log.replay(pcr), value, "{vector}, PCR {pcr}");
        }
    }
}

#[test]
fn mutations_that_the_pcrs_contradict_are_refused_and_others_are_not() {
    for vector in CRYPTO_AGILE {
        let description: Value = serde_json::from_slice(&file(vector, "vector.json")).unwrap();
        for (kind, accepted) in [("negative", false), ("neutral", true)] {
            for mutation in description[kind].as_array().unwrap() {
                let mut log = read(vector);
                mutation["mutation"].as_array().unwrap().iter().for_each(|operation| mutate(&mut log, operation));
                assert_eq!(replays(&log, &pcrs(vector)), accepted, "{vector}: {}", mutation["id"]);
            }
        }
    }
}

#[test]
fn an_old_log_is_named_as_such() {
    assert_eq!(FirmwareLog::parse(&read("gce-debian10-sha1")), Err(FirmwareLogError::Sha1Only));
}

#[test]
fn a_log_that_is_cut_anywhere_is_malformed_or_shorter_but_never_panics() {
    let log = read("sha256-only-intel-board");
    let whole = FirmwareLog::parse(&log).unwrap().events().len();
    for end in 0..log.len() {
        if let Ok(cut) = FirmwareLog::parse(&log[..end]) {
            assert!(cut.events().len() < whole);
        }
    }
}

#[test]
fn the_startup_locality_is_told_once_and_first() {
    let log = read("laptop-startup-locality-3");
    let spec_id_end = 32 + u32::from_le_bytes(log[28..32].try_into().unwrap()) as usize;
    // TCG_PCR_EVENT2 with two digests and 17 bytes of data.
    let event = log[spec_id_end..spec_id_end + 12 + 22 + 34 + 4 + 17].to_vec();
    let twice = [&log[..spec_id_end], &event, &log[spec_id_end..]].concat();
    let late = [&log[..], &event].concat();
    for wrong in [twice, late] {
        assert!(matches!(FirmwareLog::parse(&wrong), Err(FirmwareLogError::Malformed(_))));
    }
}
