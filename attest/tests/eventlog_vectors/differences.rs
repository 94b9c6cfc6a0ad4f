//! What differs between a log that somebody kept and another one.

use blindllama_attest::{
    firmware::{EventDifference, EventType, FirmwareLog, difference},
    hash::HashAlgorithm::{Sha1, Sha256},
};

use crate::{mutation::mutated, vector::Vector};

const VECTOR: &str = "eventlog/laptop-startup-locality-3";

fn log(vector: &Vector) -> FirmwareLog {
    FirmwareLog::parse(vector.log()).unwrap()
}

fn changed_by(id: &str) -> FirmwareLog {
    let vector = Vector::read(VECTOR);
    let description = vector.description();
    let mutation = description["negative"].as_array().unwrap().iter().find(|mutation| mutation["id"] == id);
    log(&mutated(&vector, mutation.unwrap()))
}

#[test]
fn the_first_event_that_differs_is_found() {
    let kept = log(&Vector::read(VECTOR));
    let flipped = changed_by("flip-digest");
    let differing: Vec<u8> = (0..24).filter(|pcr| difference(&kept, &flipped, Sha256, *pcr).is_some()).collect();
    let [pcr] = differing[..] else { panic!("{differing:?}") };
    let Some(EventDifference::Changed { expected, found }) = difference(&kept, &flipped, Sha256, pcr) else { panic!() };
    assert_eq!((expected.index(), expected.data()), (found.index(), found.data()));
    assert_ne!(expected.digest(Sha256), found.digest(Sha256));
}

#[test]
fn events_too_few_and_too_many_are_found() {
    let kept = log(&Vector::read(VECTOR));
    let shorter = changed_by("drop-last-event");
    let dropped = kept.events().last().unwrap();
    let pcr = dropped.extended_pcr().unwrap();
    assert_eq!(difference(&kept, &shorter, Sha1, pcr), Some(EventDifference::Missing { expected: dropped }));
    assert_eq!(difference(&shorter, &kept, Sha1, pcr), Some(EventDifference::Added { found: dropped }));
}

#[test]
fn another_startup_locality_is_a_difference_of_pcr_0_alone() {
    let kept = log(&Vector::read(VECTOR));
    let other = changed_by("drop-startup-locality");
    let expected = EventDifference::StartupLocality { expected: 3, found: 0 };
    assert_eq!(difference(&kept, &other, Sha256, 0), Some(expected));
    assert!((1..24).all(|pcr| difference(&kept, &other, Sha256, pcr).is_none()));
}

#[test]
fn logs_without_the_bank_are_never_alike() {
    let legacy = log(&Vector::read("eventlog/gce-debian10-sha1"));
    assert_eq!(difference(&legacy, &legacy, Sha1, 0), None);
    let Some(EventDifference::Changed { expected, .. }) = difference(&legacy, &legacy, Sha256, 0) else { panic!() };
    assert_eq!(expected.event_type(), EventType::S_CRTM_VERSION);
}
