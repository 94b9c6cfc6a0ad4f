//! Logs made up here: what neither format allows, and the start values of PCRs.

use blindllama_attest::{
    bytes::Malformed,
    firmware::{EventType, FirmwareLog, FirmwareLogError},
    hash::{Digest, HashAlgorithm},
};

use crate::vector::Vector;

const SHA1: (u16, u16) = (0x0004, 20);
const SHA256: (u16, u16) = (0x000b, 32);
const SM3: (u16, u16) = (0x0012, 32);
const NO_ACTION: u32 = 3;
const SEPARATOR: u32 = 4;

fn legacy_event(pcr: u32, event_type: u32, data: &[u8]) -> Vec<u8> {
    let size = u32::try_from(data.len()).unwrap();
    [&pcr.to_le_bytes()[..], &event_type.to_le_bytes(), &[0x11; 20], &size.to_le_bytes(), data].concat()
}

fn spec_id(banks: &[(u16, u16)]) -> Vec<u8> {
    let mut data = [&b"Spec ID Event03\0"[..], &[0; 4], &[0, 2, 0, 2]].concat();
    data.extend(u32::try_from(banks.len()).unwrap().to_le_bytes());
    banks.iter().for_each(|(id, size)| data.extend([id.to_le_bytes(), size.to_le_bytes()].concat()));
    data.push(0);
    legacy_event(0, NO_ACTION, &data)
}

fn event(pcr: u32, event_type: u32, banks: &[(u16, u16)], data: &[u8]) -> Vec<u8> {
    let count = u32::try_from(banks.len()).unwrap();
    let mut event = [pcr.to_le_bytes(), event_type.to_le_bytes(), count.to_le_bytes()].concat();
    banks.iter().for_each(|(id, size)| event.extend([&id.to_le_bytes()[..], &vec![0x22; (*size).into()]].concat()));
    event.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    [&event, data].concat()
}

fn locality(data: &[u8]) -> Vec<u8> {
    event(0, NO_ACTION, &[SHA256], &[b"StartupLocality\0", data].concat())
}

/// A log with the SHA-256 bank alone.
fn parse(events: &[Vec<u8>]) -> Result<FirmwareLog, FirmwareLogError> {
    FirmwareLog::parse(&[spec_id(&[SHA256]), events.concat()].concat())
}

/// The field that a log was refused for.
fn refused_for(log: Result<FirmwareLog, FirmwareLogError>) -> &'static str {
    match log {
        Err(FirmwareLogError::Malformed(Malformed::Field { field, .. })) => field,
        Err(FirmwareLogError::Malformed(Malformed::Truncated { .. })) => "truncated",
        Err(FirmwareLogError::Malformed(Malformed::TrailingBytes { .. })) => "trailing bytes",
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_spec_id_event_names_each_bank_once_and_with_its_size() {
    let cases: [(&[(u16, u16)], _); 4] = [
        (&[], "numberOfAlgorithms"),
        (&[SM3; 17], "numberOfAlgorithms"),
        (&[SHA256, SHA1, SHA256], "algorithmId"),
        (&[SHA1, (0x000b, 20)], "digestSize"),
    ];
    for (banks, field) in cases {
        assert_eq!(refused_for(FirmwareLog::parse(&spec_id(banks))), field, "{banks:?}");
    }
    let mut longer = spec_id(&[SHA256]);
    longer.push(7);
    longer[28] += 1;
    assert_eq!(refused_for(FirmwareLog::parse(&longer)), "trailing bytes");
}

#[test]
fn each_event_has_one_digest_for_each_bank() {
    let banks = [SHA1, SHA256];
    let log = |digests: &[(u16, u16)]| FirmwareLog::parse(&[spec_id(&banks), event(0, SEPARATOR, digests, b"")].concat());
    assert!(log(&[SHA1, SHA256]).is_ok() && log(&[SHA256, SHA1]).is_ok());
    assert_eq!(refused_for(log(&[SHA256])), "digests.count");
    assert_eq!(refused_for(log(&[SHA1, SHA256, SM3])), "digests.count");
    assert_eq!(refused_for(log(&[SHA256, SHA256])), "digests.hashAlg");
    assert_eq!(refused_for(log(&[SHA1, SM3])), "digests.hashAlg");
}

#[test]
fn banks_that_are_not_computed_are_passed_over() {
    let log = [spec_id(&[SM3, SHA256]), event(4, SEPARATOR, &[SM3, SHA256], b"data")].concat();
    let log = FirmwareLog::parse(&log).unwrap();
    assert_eq!(log.banks(), [HashAlgorithm::Sha256]);
    let expected = Digest::filled(HashAlgorithm::Sha256, 0).extended_with(&[0x22; 32]);
    assert_eq!(log.replay(HashAlgorithm::Sha256, 4), Some(expected));
}

#[test]
fn measured_events_name_a_pcr_that_exists() {
    assert!(parse(&[event(23, SEPARATOR, &[SHA256], b"")]).is_ok());
    assert_eq!(refused_for(parse(&[event(24, SEPARATOR, &[SHA256], b"")])), "pcrIndex");
    assert_eq!(refused_for(FirmwareLog::parse(&legacy_event(24, SEPARATOR, b""))), "pcrIndex");
    let silent = parse(&[event(u32::MAX, NO_ACTION, &[SHA256], b"")]).unwrap();
    assert_eq!((silent.events()[1].pcr(), silent.events()[1].extended_pcr()), (u32::MAX, None));
}

#[test]
fn the_startup_locality_is_told_once_and_first() {
    let measured = |pcr| event(pcr, SEPARATOR, &[SHA256], b"");
    for (told, value) in [(0, 0), (3, 3), (4, 4)] {
        let log = parse(&[measured(7), locality(&[told])]).unwrap();
        let start = log.replay(HashAlgorithm::Sha256, 0).unwrap();
        assert_eq!((&start.as_bytes()[..31], start.as_bytes()[31], log.startup_locality()), (&[0; 31][..], value, told));
    }
    for data in [&[][..], &[1], &[2], &[5], &[3, 0]] {
        assert_eq!(refused_for(parse(&[locality(data)])), "StartupLocality", "{data:?}");
    }
    for events in [[measured(0), locality(&[3])], [locality(&[3]), locality(&[3])]] {
        assert_eq!(refused_for(parse(&events)), "the number of StartupLocality events");
    }
}

#[test]
fn only_events_that_inform_of_pcr_0_tell_the_startup_locality() {
    let data = b"StartupLocality\0\x03";
    for other in [event(1, NO_ACTION, &[SHA256], data), event(0, SEPARATOR, &[SHA256], data)] {
        assert_eq!(parse(&[other]).unwrap().startup_locality(), 0);
    }
    assert_eq!(FirmwareLog::parse(&legacy_event(0, NO_ACTION, data)).unwrap().startup_locality(), 3);
}

#[test]
fn pcrs_of_a_dynamic_launch_start_at_all_ones() {
    let log = parse(&[event(17, SEPARATOR, &[SHA256], b"")]).unwrap();
    let bank = log.bank(HashAlgorithm::Sha256).unwrap();
    let (zero, ones) = (Digest::filled(HashAlgorithm::Sha256, 0), Digest::filled(HashAlgorithm::Sha256, 0xff));
    for pcr in 0..24 {
        let start = if (17..=22).contains(&pcr) { ones } else { zero };
        assert_eq!(bank.replay(pcr), if pcr == 17 { start.extended_with(&[0x22; 32]) } else { start }, "PCR {pcr}");
    }
}

#[test]
fn a_bank_that_is_not_there_is_named() {
    let legacy = FirmwareLog::parse(Vector::read("eventlog/gce-debian10-sha1").log()).unwrap();
    let wanted = HashAlgorithm::Sha256;
    assert_eq!(legacy.require_bank(wanted).unwrap_err(), FirmwareLogError::Sha1Only { wanted });
    assert_eq!(legacy.require_bank(HashAlgorithm::Sha1).unwrap().algorithm(), HashAlgorithm::Sha1);
    let other = FirmwareLog::parse(&spec_id(&[SHA1])).unwrap();
    assert_eq!(other.require_bank(wanted).unwrap_err(), FirmwareLogError::NoSuchBank { wanted });
    assert_eq!(other.replay(wanted, 0), None);
}

#[test]
fn logs_are_read_up_to_a_size_and_a_number_of_events() {
    let events = |count| vec![legacy_event(1, SEPARATOR, b""); count].concat();
    assert_eq!(FirmwareLog::parse(&events(FirmwareLog::MAX_EVENTS)).unwrap().events().len(), FirmwareLog::MAX_EVENTS);
    assert_eq!(refused_for(FirmwareLog::parse(&events(FirmwareLog::MAX_EVENTS + 1))), "the index of an event");
    let sized = |bytes: usize| legacy_event(1, SEPARATOR, &vec![0; bytes - 32]);
    assert!(FirmwareLog::parse(&sized(FirmwareLog::MAX_BYTES)).is_ok());
    assert_eq!(refused_for(FirmwareLog::parse(&sized(FirmwareLog::MAX_BYTES + 1))), "the log's size in bytes");
}

#[test]
fn a_log_is_read_to_its_last_byte() {
    assert_eq!(refused_for(FirmwareLog::parse(b"")), "truncated");
    for name in ["eventlog/gce-debian10-sha1", "eventlog/sha256-only-intel-board"] {
        let log = Vector::read(name).log().to_vec();
        let whole = FirmwareLog::parse(&log).unwrap().events().len();
        assert_eq!(refused_for(FirmwareLog::parse(&[&log[..], &[0]].concat())), "truncated");
        for end in 0..log.len() {
            assert!(FirmwareLog::parse(&log[..end]).map_or(true, |cut| cut.events().len() < whole), "{name} cut at {end}");
        }
    }
}

#[test]
fn event_types_have_their_tcg_names() {
    assert_eq!(EventType::from_code(0x8000_00e0).to_string(), "EV_EFI_VARIABLE_AUTHORITY");
    assert_eq!(EventType::IPL.to_string(), "EV_IPL");
    assert_eq!((EventType::from_code(0x401).to_string(), EventType::from_code(0x401).name()), ("0x00000401".to_owned(), None));
}
