//! Policies that are learned from evidence allow that evidence, and nothing that contradicts itself.

use std::collections::BTreeMap;

use blindllama_attest::{
    application::{Event, LaunchPcr, LoggedEvent, MeasuredFile},
    digest::Sha256Digest,
    evidence::encoding::Base64Bytes,
    hash::HashAlgorithm,
    policy::{
        ApplicationMeasurements, Certifies, LearnError, LearnedNames, LearnedTrust, Policy, PolicyDocument, ReleaseStatus,
        TpmKind, TrustedRoot, learn,
    },
};
use proptest::prelude::*;

use crate::kit::{Scenario, digest, launch, spec_id_event};

fn names() -> LearnedNames {
    LearnedNames { machine: "box".to_owned(), platform: "its boot".to_owned(), release: "learned".to_owned() }
}

fn learned(scenario: &Scenario) -> Result<PolicyDocument, LearnError> {
    learn(&scenario.evidence(), names(), LearnedTrust::PinnedKey)
}

fn relearned(mut scenario: Scenario) -> Scenario {
    scenario.policy = learned(&scenario).unwrap();
    scenario
}

/// The launch's configuration becomes another one: another release.
fn with_config(mut log: Vec<LoggedEvent>, config: u8) -> Vec<LoggedEvent> {
    for logged in log.iter_mut().filter(|logged| matches!(logged.event, Event::Config(_))) {
        *logged = LoggedEvent::new(14, Event::Config(MeasuredFile { sha256: digest(config), bytes: 1 })).unwrap();
    }
    let seal = log.len() - 1;
    log[seal] = LoggedEvent::new(15, Event::SealedIdentity(LaunchPcr::zero(14).replay(&log))).unwrap();
    log
}

#[test]
fn what_is_learned_allows_the_evidence_and_claims_little() {
    let scenario = relearned(Scenario::honest());
    let peer = scenario.verify().unwrap();
    assert_eq!((peer.machine(), peer.platform(), peer.release()), ("box", "its boot", "learned"));
    let document = &scenario.policy;
    assert_eq!((document.revision, document.trusted_ak[0].kind), (Some(1), TpmKind::Software));
    assert_eq!(document.platform[0].application_measurements, ApplicationMeasurements::SelfReported);
    let pinned: Vec<u8> = document.platform[0].pcrs.bank(HashAlgorithm::Sha256).unwrap().keys().copied().collect();
    assert_eq!(pinned, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(document.weakening.allow_software_tpm && document.weakening.allow_self_reported && !document.weakening.any_machine);
}

#[test]
fn earlier_launches_are_past_releases_once_each() {
    let mut log = with_config(launch(1, &[]), 0xc1);
    for (id, config) in [(2, 0xc2), (3, 0xc1)] {
        let before = log.len();
        let mut next = launch(id, &log).split_off(before);
        next.retain(|logged| !matches!(logged.event, Event::SealedIdentity(_)));
        let config = LoggedEvent::new(14, Event::Config(MeasuredFile { sha256: digest(config), bytes: 1 })).unwrap();
        *next.iter_mut().find(|logged| matches!(logged.event, Event::Config(_))).unwrap() = config;
        log.extend(next);
    }
    let scenario = relearned(Scenario { log: launch(4, &log), ..Scenario::honest() });
    let releases: Vec<_> = scenario.policy.release.iter().map(|release| (release.name.as_str(), release.status)).collect();
    let past = ReleaseStatus::Past;
    let expected =
        [("learned", ReleaseStatus::Serving), ("learned, launch 1 since boot", past), ("learned, launch 2 since boot", past)];
    assert_eq!(releases, expected);
    scenario.verify().unwrap();
}

#[test]
fn a_cut_off_launch_of_something_else_is_not_allowed_by_learning() {
    let mut cut_off = with_config(launch(1, &[]), 0xc1);
    cut_off.truncate(5);
    let scenario = relearned(Scenario { log: launch(2, &cut_off), ..Scenario::honest() });
    assert_eq!(scenario.verify().unwrap_err().code(), "past_launch_not_allowed");
}

#[test]
fn what_contradicts_itself_is_not_allowed_by_learning() {
    let changed = |edit: fn(&mut Scenario), code: &str| {
        let mut scenario = Scenario::honest();
        edit(&mut scenario);
        assert_eq!(relearned(scenario).verify().unwrap_err().code(), code);
    };
    changed(|s| s.edit_quote = |quote| *quote.last_mut().unwrap() ^= 1, "pcr_digest_mismatch");
    changed(|s| s.edit_evidence = |evidence| evidence.tpm.signature.0[8] ^= 1, "signature_invalid");
    changed(|s| s.edit_evidence = |evidence| evidence.nonce = "00".repeat(32), "nonce_mismatch");
    changed(|s| s.binding.tls_spki_sha256 = digest(0xee), "binding_not_measured");
    changed(|s| s.connection_spki = digest(0xee), "tls_key_mismatch");
}

#[test]
fn evidence_without_a_launch_or_a_key_teaches_nothing() {
    let no_launch = learned(&Scenario { log: Vec::new(), ..Scenario::honest() });
    assert_eq!(no_launch, Err(LearnError::NoLaunch));
    let incomplete = learned(&Scenario { log: launch(1, &[])[..6].to_vec(), ..Scenario::honest() });
    assert!(matches!(incomplete, Err(LearnError::ApplicationLog(_))), "{incomplete:?}");
    let no_key = learned(&Scenario { edit_ak: |public| public.truncate(9), ..Scenario::honest() });
    assert!(matches!(no_key, Err(LearnError::AttestationKey(_))), "{no_key:?}");
}

#[test]
fn an_authority_vouches_for_this_machine_alone() {
    let scenario = Scenario {
        edit_evidence: |evidence| {
            evidence.tpm.ak_certificates = vec![Base64Bytes(vec![1, 2, 3])];
        },
        ..Scenario::honest()
    };
    let root = |certifies| TrustedRoot {
        name: "maker".to_owned(),
        certifies,
        kind: TpmKind::Hardware,
        certificate: include_str!("../vectors/certificates/swtpm/root.pem").to_owned(),
        machine: Vec::new(),
    };
    let learned = |certifies| learn(&scenario.evidence(), names(), LearnedTrust::Authority(root(certifies)));
    let document = learned(Certifies::AttestationKey).unwrap();
    assert_eq!(document.trusted_root[0].machine[0].ak_name, Some(scenario.policy.trusted_ak[0].name));
    assert!(document.trusted_ak.is_empty() && !document.weakening.allow_software_tpm && !document.weakening.any_machine);
    Policy::try_from(document).unwrap();
    let missing = learned(Certifies::EndorsementKey);
    assert_eq!(missing, Err(LearnError::NoCertificate { certifies: Certifies::EndorsementKey }));
}

/// A firmware log with one event in each of these PCRs.
fn firmware_log(pcrs: &[u8]) -> Vec<u8> {
    let mut log = spec_id_event(&[(0x000b, 32)]);
    for pcr in pcrs {
        log.extend([&u32::from(*pcr).to_le_bytes()[..], &8_u32.to_le_bytes(), &1_u32.to_le_bytes()].concat());
        log.extend([&0x000b_u16.to_le_bytes()[..], digest(0xf0).as_bytes(), &0_u32.to_le_bytes()].concat());
    }
    log
}

#[test]
fn the_firmware_log_explains_what_it_can() {
    let mut scenario = Scenario { firmware: Some(firmware_log(&[2, 3, 5])), ..Scenario::honest() };
    let explained = Sha256Digest::ZERO.extended_with(digest(0xf0));
    scenario.boot_pcrs.extend([(2, explained), (5, explained)]);
    let scenario = relearned(scenario);
    assert_eq!(scenario.policy.platform[0].firmware_log_pcrs, [2, 5], "PCR 3 has more than the log, and PCR 0 no event");
    scenario.verify().unwrap();

    let unreadable = learned(&Scenario { firmware: Some(vec![0; 9]), ..Scenario::honest() });
    assert!(matches!(unreadable, Err(LearnError::FirmwareLog(_))), "{unreadable:?}");
}

#[test]
fn an_application_log_may_begin_where_the_boot_loader_left_off() {
    let started = Sha256Digest::ZERO.extended_with(digest(0xf0));
    let mut log = launch(1, &[]);
    let application = LaunchPcr { pcr: 14, start: started }.replay(&log);
    *log.last_mut().unwrap() = LoggedEvent::new(15, Event::SealedIdentity(application)).unwrap();
    let firmware = Some(firmware_log(&[5, 14]));
    let mut scenario = Scenario { log, firmware, application_start: started, ..Scenario::honest() };
    scenario.boot_pcrs.insert(5, started);
    let scenario = relearned(scenario);
    assert_eq!(scenario.policy.platform[0].application_pcr_start, Some(started));
    assert_eq!(scenario.policy.platform[0].identity_pcr_start, None);
    scenario.verify().unwrap();
}

proptest! {
    #[test]
    fn whatever_is_learned_is_written_and_read_back_the_same(
        machine in any::<String>(),
        release in any::<String>(),
        boot in proptest::collection::btree_map(0_u8..14, any::<u8>(), 0..14),
        configs in proptest::collection::vec(any::<u8>(), 0..3),
    ) {
        let boot_pcrs: BTreeMap<_, _> = boot.into_iter().map(|(pcr, byte)| (pcr, digest(byte))).collect();
        let mut log = Vec::new();
        for (id, config) in (0..).zip(configs) {
            let earlier = log.len();
            log = launch(id, &log);
            let own = log[earlier..].iter().position(|logged| matches!(logged.event, Event::Config(_))).unwrap();
            log[earlier + own] = LoggedEvent::new(14, Event::Config(MeasuredFile { sha256: digest(config), bytes: 1 })).unwrap();
            log.pop();
        }
        let log = launch(0xff, &log);
        let scenario = Scenario { boot_pcrs, log, ..Scenario::honest() };
        let names = LearnedNames { machine, platform: release.clone(), release };
        let document = learn(&scenario.evidence(), names, LearnedTrust::PinnedKey).unwrap();
        let written = document.to_toml().unwrap();
        prop_assert_eq!(PolicyDocument::parse(&written).unwrap(), document);
    }
}
