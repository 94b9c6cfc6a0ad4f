//! Nothing that calls itself a log makes the reader panic, and each byte of a digest counts.

use blindllama_attest::{
    firmware::{FirmwareLog, difference},
    hash::HashAlgorithm,
};
use proptest::prelude::*;

use crate::{
    VECTORS,
    vector::{Vector, sha256_offsets},
};

/// Everything that can be asked of a log.
fn read_all(bytes: &[u8]) {
    let Ok(log) = FirmwareLog::parse(bytes) else { return };
    for event in log.events() {
        assert!(event.description().chars().count() <= 120);
        assert!(event.to_string().chars().all(|c| !c.is_control()));
        log.banks().iter().for_each(|bank| _ = event.digest_is_data_hash(*bank));
    }
    for (bank, pcr) in log.banks().iter().flat_map(|bank| (0..=u8::MAX).map(move |pcr| (*bank, pcr))) {
        assert!(log.replay(bank, pcr).is_some());
        assert_eq!(difference(&log, &log, bank, pcr), None);
    }
}

#[test]
fn real_logs_are_described() {
    VECTORS.into_iter().for_each(|name| read_all(Vector::read(name).log()));
}

#[test]
fn every_byte_of_a_digest_matters() {
    let vector = Vector::read("eventlog/sha256-only-intel-board");
    let values = &vector.pcrs()[&HashAlgorithm::Sha256];
    let offsets = sha256_offsets(vector.log());
    assert_eq!(offsets.len(), 26);
    for offset in offsets.into_iter().flat_map(|start| start..start + 32) {
        let mut changed = vector.log().to_vec();
        changed[offset] ^= 1 << (offset % 8);
        let log = FirmwareLog::parse(&changed).unwrap();
        let differing = values.iter().filter(|(pcr, value)| log.replay(HashAlgorithm::Sha256, **pcr) != Some(**value));
        assert_eq!(differing.count(), 1, "byte {offset}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..1024)) {
        read_all(&bytes);
        let vector = Vector::read("eventlog/sha256-only-intel-board");
        read_all(&[&vector.log()[..65], &bytes].concat());
    }

    #[test]
    fn mutated_logs_never_panic(
        vector in prop::sample::select(VECTORS.to_vec()),
        at: prop::sample::Index,
        removed in 0_usize..40,
        added in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut log = Vector::read(vector).log().to_vec();
        let start = at.index(log.len() + 1);
        let end = log.len().min(start + removed);
        log.splice(start..end, added);
        read_all(&log);
    }

    #[test]
    fn arbitrary_event_data_is_described(event_type in prop_oneof![0_u32..0x20, 0x8000_0000_u32..0x8000_0012, any::<u32>()],
                                         data in prop::collection::vec(any::<u8>(), 0..200)) {
        let size = u32::try_from(data.len()).unwrap().to_le_bytes();
        read_all(&[&[0; 4][..], &event_type.to_le_bytes(), &[0; 20], &size, &data].concat());
    }
}
