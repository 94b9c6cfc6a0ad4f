//! Real logs replay to the PCRs that were read from the TPM, and to no others once something is changed.

use std::collections::{BTreeMap, BTreeSet};

use blindllama_attest::{
    firmware::{FirmwareLog, LogFormat},
    hash::HashAlgorithm,
};
use serde_json::Value;

use crate::{
    VECTORS,
    mutation::mutated,
    vector::{Pcrs, Vector, pcrs},
};

/// How many negative and how many neutral mutations each vector has, so that none gets lost.
const MUTATIONS: [(usize, usize); VECTORS.len()] =
    [(8, 4), (8, 3), (8, 4), (8, 4), (9, 3), (8, 3), (8, 3), (0, 0), (9, 4), (23, 3)];

/// Checks of the vectors that are about the log; the others are about the quote.
const LOG_CHECKS: [&str; 3] = ["eventlog_parses", "replay_equal", "eventlog_replay_equal"];

fn with_counts() -> impl Iterator<Item = (&'static str, Vector, (usize, usize))> {
    VECTORS.into_iter().zip(MUTATIONS).map(|(name, counts)| (name, Vector::read(name), counts))
}

/// Whether each value is what the log replays to, and each PCR that the log measures has a value.
fn explains(log: &FirmwareLog, pcrs: &Pcrs) -> bool {
    pcrs.iter().all(|(bank, values)| {
        let replayed = values.iter().all(|(pcr, value)| log.replay(*bank, *pcr) == Some(*value));
        replayed && log.measured_pcrs().iter().all(|pcr| values.contains_key(pcr))
    })
}

fn holds(vector: &Vector) -> bool {
    FirmwareLog::parse(vector.log()).is_ok_and(|log| explains(&log, &vector.pcrs()))
}

fn strings(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn real_logs_replay_to_the_recorded_pcrs_in_each_bank() {
    for (name, vector, _) in with_counts() {
        let log = FirmwareLog::parse(vector.log()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(explains(&log, &vector.pcrs()), "{name}");
        let replayed = &vector.description()["event_log"]["replay"];
        for (bank, values) in pcrs(replayed) {
            assert_eq!(log.measured_pcrs(), values.keys().copied().collect(), "{name}");
            values.iter().for_each(|(pcr, value)| assert_eq!(log.replay(bank, *pcr), Some(*value), "{name}, {bank}, PCR {pcr}"));
        }
    }
}

#[test]
fn real_logs_have_the_described_format_banks_and_events() {
    for (name, vector, _) in with_counts() {
        let log = FirmwareLog::parse(vector.log()).unwrap();
        let described = &vector.description()["event_log"];
        let format = if described["format"] == "sha1" { LogFormat::Legacy } else { LogFormat::CryptoAgile };
        assert_eq!(log.format(), format, "{name}");
        let banks: BTreeSet<String> = log.banks().iter().map(ToString::to_string).collect();
        assert_eq!(banks, strings(&described["banks_in_log"]), "{name}");
        let silent = log.events().iter().filter(|event| !event.extends()).count();
        assert_eq!((log.events().len(), silent), (count(described, "events"), count(described, "no_action_events")), "{name}");
        if let Some(locality) = described["startup_locality"].as_u64() {
            assert_eq!(u64::from(log.startup_locality()), locality, "{name}");
        }
    }
}

fn count(described: &Value, key: &str) -> usize {
    usize::try_from(described[key].as_u64().unwrap()).unwrap()
}

#[test]
fn what_is_bound_by_a_digest_is_told_as_described() {
    for (name, vector, _) in with_counts() {
        let log = FirmwareLog::parse(vector.log()).unwrap();
        let described = &vector.description()["event_log"]["digest_is_hash_of_event_data"];
        let (mut equal, mut of, mut other) = (0, 0, BTreeMap::new());
        for (event, bank) in log.events().iter().flat_map(|event| log.banks().iter().map(move |bank| (event, *bank))) {
            let bound = event.digest_is_data_hash(bank);
            of += usize::from(bound.is_some());
            equal += usize::from(bound == Some(true));
            if bound == Some(false) {
                *other.entry(event.event_type().to_string()).or_insert(0) += 1;
            }
        }
        assert_eq!((equal, of), (count(described, "equal"), count(described, "of")), "{name}");
        assert_eq!(serde_json::to_value(other).unwrap(), described["not_equal_by_type"], "{name}");
    }
}

#[test]
fn mutations_that_the_pcrs_contradict_are_refused() {
    for (name, vector, (negative, _)) in with_counts() {
        let description = vector.description();
        let mutations = description["negative"].as_array().unwrap();
        assert_eq!(mutations.len(), negative, "{name}");
        for mutation in mutations {
            let (id, must_fail) = (&mutation["id"], strings(&mutation["must_fail"]));
            let changed = mutated(&vector, mutation);
            assert_ne!(changed.files, vector.files, "{name}: {id} changes nothing");
            let refused = LOG_CHECKS.iter().any(|check| must_fail.contains(*check));
            assert_eq!(!holds(&changed), refused, "{name}: {id}");
            if must_fail.contains("eventlog_parses") {
                assert!(FirmwareLog::parse(changed.log()).is_err(), "{name}: {id}");
            }
        }
    }
}

#[test]
fn mutations_that_no_pcr_protects_still_replay() {
    for (name, vector, (_, neutral)) in with_counts() {
        let description = vector.description();
        let mutations = description["neutral"].as_array().unwrap();
        assert_eq!(mutations.len(), neutral, "{name}");
        for mutation in mutations {
            let changed = mutated(&vector, mutation);
            assert_ne!(changed.files, vector.files, "{name}: {} changes nothing", mutation["id"]);
            assert!(holds(&changed), "{name}: {}", mutation["id"]);
        }
    }
}

#[test]
fn changed_data_is_noticed_where_the_digest_is_its_hash() {
    let bound = |vector: &Vector| {
        let log = FirmwareLog::parse(vector.log()).unwrap();
        let bank = log.banks()[0];
        log.events().iter().filter(|event| event.digest_is_data_hash(bank) == Some(true)).count()
    };
    let mut changes = 0;
    for (name, vector, _) in with_counts() {
        for mutation in vector.description()["neutral"].as_array().unwrap() {
            if mutation["id"] == "hashed-data-changed" {
                assert_eq!(bound(&mutated(&vector, mutation)), bound(&vector) - 1, "{name}");
                changes += 1;
            }
        }
    }
    assert_eq!(changes, 9);
}

#[test]
fn a_log_that_measures_nothing_says_so() {
    let log = FirmwareLog::parse(Vector::read("eventlog/short-no-action").log()).unwrap();
    assert!((0..24).all(|pcr| !log.measures(pcr)) && log.measured_pcrs().is_empty());
    assert_eq!(log.replay(HashAlgorithm::Sha256, 0), None);
    let log = FirmwareLog::parse(Vector::read("eventlog/gce-rhel8").log()).unwrap();
    assert_eq!((0..24).filter(|pcr| log.measures(*pcr)).collect::<BTreeSet<_>>(), log.measured_pcrs());
    assert!(log.measures(14) && !log.measures(10));
}
