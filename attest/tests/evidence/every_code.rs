//! Each failure has a code, and each code has at least one piece of evidence that is refused with it.

use std::{collections::BTreeSet, time::Duration};

use blindllama_attest::{
    application::{Event, LaunchPcr, LoggedEvent, MeasuredFile},
    digest::Sha256Digest,
    evidence::{MAX_DOCUMENT_BYTES, encoding::Base64Array, encoding::Base64Bytes},
    hash::{Digest, HashAlgorithm},
    nonce::Nonce,
    policy::ReleaseStatus,
    tpm::{Name, TpmClock},
    verify::{Established, VerifyError},
};

use crate::{
    eventlog_vector::Vector,
    kit::{Scenario, digest, launch, release, spec_id_event},
};

pub(crate) type Case = (&'static str, fn(&mut Scenario));

const DOCUMENT: &[Case] = &[
    ("document_too_large", |s| s.edit_document = |document| document.resize(MAX_DOCUMENT_BYTES + 1, b' ')),
    ("document_too_large", |s| s.edit_evidence = |e| e.nonce_proof.siblings = vec![digest(1); 17]),
    ("document_too_large", |s| s.ek_certificates = vec![vec![0x30]; 9]),
    ("document_malformed", |s| s.edit_document = |document| document.truncate(document.len() - 1)),
    ("document_malformed", |s| s.edit_document = |document| document.push(b'x')),
    ("unsupported_version", |s| s.edit_evidence = |e| e.version = 2),
    ("nonce_mismatch", |s| s.edit_evidence = |e| e.nonce = "56".repeat(32)),
    ("nonce_mismatch", |s| s.edit_evidence = |e| e.nonce = String::new()),
];

const ATTESTATION_KEY: &[Case] = &[
    ("ak_malformed", |s| s.edit_ak = |ak| ak.push(0)),
    ("ak_malformed", |s| s.edit_ak = |ak| ak.truncate(ak.len() - 1)),
    ("ak_unsupported", |s| s.edit_ak = |ak| ak[3] = 0x01),             // RSA
    ("ak_unsupported", |s| s.edit_ak = |ak| ak[5] = 0x04),             // nameAlg SHA-1
    ("ak_unsupported", |s| s.edit_ak = |ak| ak[13] = 0x06),            // symmetric AES
    ("ak_unsupported", |s| s.edit_ak = |ak| ak[15] = 0x10),            // no scheme
    ("ak_unsupported", |s| s.edit_ak = |ak| ak[17] = 0x0d),            // SHA-512
    ("ak_unsupported", |s| s.edit_ak = |ak| ak[19] = 0x05),            // P-521
    ("ak_not_restricted_signing", |s| s.edit_ak = |ak| ak[7] ^= 0x01), // restricted
    ("ak_not_restricted_signing", |s| s.edit_ak = |ak| ak[7] ^= 0x02), // decrypt
    ("ak_not_restricted_signing", |s| s.edit_ak = |ak| ak[7] ^= 0x04), // sign
    ("ak_not_restricted_signing", |s| s.edit_ak = |ak| ak[9] ^= 0x02), // fixedTPM
    ("ak_not_restricted_signing", |s| s.edit_ak = |ak| ak[9] ^= 0x10), // fixedParent
    ("ak_not_restricted_signing", |s| s.edit_ak = |ak| ak[9] ^= 0x20), // sensitiveDataOrigin
    ("ak_weak_rsa_key", |s| s.edit_ak = rsa_1024),
    ("ak_not_on_curve", |s| s.edit_ak = |ak| *ak.last_mut().unwrap() ^= 1),
    ("certificate_malformed", |s| s.edit_evidence = |e| e.tpm.ak_certificates.push(Base64Bytes(vec![0x30]))),
    ("certificate_malformed", |s| s.edit_evidence = |e| e.tpm.ek_certificates.push(Base64Bytes(vec![0x30]))),
    ("ak_not_trusted", |s| s.key = p256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap()),
    ("software_tpm_not_allowed", |s| s.policy.weakening.allow_software_tpm = false),
];

const QUOTE: &[Case] = &[
    ("signature_malformed", |s| s.edit_evidence = |e| e.tpm.signature.0.push(0)),
    ("signature_malformed", |s| s.edit_evidence = |e| e.tpm.signature.0.clear()),
    ("signature_malformed", |s| s.edit_evidence = |e| e.tpm.signature.0[1] = 0x14), // RSASSA has one field
    ("signature_unsupported", |s| s.edit_evidence = |e| e.tpm.signature.0[1] = 0x1a), // ECDAA
    ("signature_unsupported", |s| s.edit_evidence = |e| e.tpm.signature.0[3] = 0x0d), // SHA-512
    ("signature_scheme_mismatch", |s| s.edit_evidence = |e| e.tpm.signature.0[3] = 0x04), // SHA-1
    ("signature_invalid", |s| s.edit_evidence = |e| e.tpm.quote.0[80] ^= 1),
    ("signature_invalid", |s| s.edit_evidence = |e| e.tpm.signature.0[6..38].fill(0)), // r = 0
    ("quote_malformed", |s| s.edit_quote = |quote| quote.push(0)),
    ("quote_malformed", |s| s.edit_quote = |quote| quote.truncate(quote.len() - 1)),
    ("quote_not_made_by_tpm", |s| s.edit_quote = |quote| quote[0] = 0),
    ("not_a_quote", |s| s.edit_quote = |quote| quote[5] = 0x17), // TPM_ST_ATTEST_CERTIFY
    ("nonce_proof_malformed", |s| s.edit_evidence = |e| e.nonce_proof.siblings.push(digest(1))),
    ("nonce_proof_malformed", |s| s.edit_evidence = |e| e.nonce_proof.leaf_count = 0),
    ("qualifying_data_mismatch", |s| s.edit_evidence = |e| e.binding.model_sha256 = digest(1)),
    ("qualifying_data_mismatch", |s| s.edit_quote = |quote| quote[44..76].fill(9)), // made for another nonce
];

const PCRS: &[Case] = &[
    ("pcr_bank_not_supported", |s| s.bank = 0x0004),
    ("pcr_bank_not_supported", |s| s.bank = 0x0012), // SM3
    ("sha1_bank_not_allowed", quote_sha1_too),
    ("pcr_selection_mismatch", |s| s.edit_evidence = |e| _ = e.tpm.pcrs.remove(HashAlgorithm::Sha256, 3)),
    ("pcr_selection_mismatch", |s| s.edit_evidence = |e| _ = e.tpm.pcrs.insert(9, digest(9).into())),
    ("pcr_not_quoted", |s| _ = s.boot_pcrs.remove(&7)),
    ("pcr_not_quoted", |s| s.policy.platform[0].identity_pcr = 13),
    ("pcr_digest_mismatch", |s| s.edit_evidence = |e| _ = e.tpm.pcrs.insert(3, digest(0).into())),
];

const LOGS: &[Case] = &[
    ("systemd_log_not_supported", |s| s.edit_evidence = |e| e.event_log.systemd = Some(Base64Bytes(Vec::new()))),
    ("firmware_log_not_expected", |s| s.firmware = Some(Vec::new())),
    ("firmware_log_missing", |s| s.policy.platform[0].firmware_log_pcrs = vec![0]),
    ("firmware_log_malformed", |s| firmware_log(s, vec![0; 20])),
    ("firmware_log_sha1_only", |s| firmware_log(s, Vector::read("eventlog/gce-debian10-sha1").log().to_vec())),
    ("firmware_log_without_bank", |s| firmware_log(s, spec_id_event(&[(0x0004, 20)]))),
    ("firmware_log_mismatch", |s| firmware_log(s, Vector::read("eventlog/sha256-only-intel-board").log().to_vec())),
    ("event_digest_mismatch", |s| s.edit_evidence = |e| e.event_log.application[2].digest = Sha256Digest::ZERO),
    ("event_digest_mismatch", |s| s.log[2].event = Event::GatewayBinary(MeasuredFile { sha256: digest(0xa1), bytes: 1 })),
    ("application_log_mismatch", |s| s.edit_evidence = |e| _ = e.event_log.application.pop()),
    ("application_log_mismatch", |s| s.edit_evidence = |e| e.event_log.application.swap(2, 3)),
    ("application_log_malformed", |s| s.log.swap(2, 3)),
    ("application_log_malformed", |s| s.log[11] = LoggedEvent::new(15, Event::SealedIdentity(digest(1))).unwrap()),
    ("launch_incomplete", |s| _ = s.log.pop()),
    ("launch_incomplete", |s| s.log.clear()),
    ("extended_after_seal", |s| s.log.push(s.log[2].clone())),
    ("extended_after_seal", |s| s.log.insert(9, s.log[2].clone())),
    ("binding_not_measured", |s| {
        (s.binding.tls_spki_sha256, s.connection_spki) = (digest(1), digest(1));
    }),
    ("binding_not_measured", |s| s.binding.receipt_public_key = Base64Array([1; 32])),
    ("binding_not_measured", |s| s.binding.model_sha256 = digest(1)),
];

const POLICY_AND_SESSION: &[Case] = &[
    ("pcr_not_allowed", |s| _ = s.boot_pcrs.insert(4, digest(0x44))),
    ("self_reported_not_allowed", |s| s.policy.weakening.allow_self_reported = false),
    ("gateway_binary_not_allowed", |s| s.policy.release[0].gateway_binary = digest(1)),
    ("engine_packages_not_allowed", |s| s.policy.release[0].engine_packages = digest(1)),
    ("config_not_allowed", |s| s.policy.release[0].config = digest(1)),
    ("launch_not_allowed", |s| s.policy.release[0].launch = digest(1)),
    ("chat_template_not_allowed", |s| s.policy.release[0].chat_template = digest(1)),
    ("model_weights_not_allowed", |s| s.policy.release[0].model_weights = digest(1)),
    ("config_not_allowed", |s| {
        // Each part is of some release, but together they are of none.
        s.policy.release[0].config = digest(1);
        s.policy.release.push(release("other", ReleaseStatus::Serving));
        s.policy.release[1].gateway_binary = digest(1);
        s.policy.release[1].model_weights = digest(1);
    }),
    ("release_not_serving", |s| s.policy.release[0].status = ReleaseStatus::Past),
    ("release_not_serving", |s| {
        s.policy.release[0].status = ReleaseStatus::Past;
        s.policy.release.push(release("new", ReleaseStatus::Serving));
        s.policy.release[1].config = digest(1);
    }),
    ("past_launch_not_allowed", |s| earlier_launch_with_another_config(s, 12)),
    ("past_launch_not_allowed", |s| earlier_launch_with_another_config(s, 5)),
    ("tls_key_mismatch", |s| s.connection_spki = digest(1)),
    ("evidence_too_old", |s| s.age = Duration::from_millis(30_001)),
    ("attestation_key_changed", |s| s.established = Some(Established { ak_name: another_ak(), ..s.establishes() })),
    ("tpm_was_reset", |s| established_at(s, |clock| clock.reset_count = 2)),
    ("tpm_was_reset", |s| established_at(s, |clock| clock.restart_count = 0)),
    ("tpm_clock_went_back", |s| established_at(s, |clock| clock.clock += 1)),
];

/// A quote of two banks. The values of the second are wrong too, but that comes later.
fn quote_sha1_too(scenario: &mut Scenario) {
    scenario.edit_quote = |quote| {
        let count = quote.len() - 34 - 6 - 4;
        quote[count + 3] = 2;
        let end = quote.len() - 34;
        drop(quote.splice(end..end, [0x00, 0x04, 3, 1, 0, 0]));
    };
    scenario.edit_evidence = |e| _ = e.tpm.pcrs.insert(0, Digest::filled(HashAlgorithm::Sha1, 0));
}

fn established_at(scenario: &mut Scenario, bend: fn(&mut TpmClock)) {
    let mut established = scenario.establishes();
    bend(&mut established.clock);
    scenario.established = Some(established);
}

fn another_ak() -> Name {
    format!("000b{}", "00".repeat(32)).parse().unwrap()
}

fn firmware_log(scenario: &mut Scenario, log: Vec<u8>) {
    scenario.firmware = Some(log);
    scenario.policy.platform[0].firmware_log_pcrs = (0..8).collect();
}

/// A public area of RSA-1024 with RSASSA and SHA-256, and an odd modulus.
fn rsa_1024(ak: &mut Vec<u8>) {
    let attributes = ak[6..10].to_vec();
    let parameters = [0x00, 0x10, 0x00, 0x14, 0x00, 0x0b, 0x04, 0x00, 0, 0, 0, 0, 0x00, 0x80];
    let area = [&[0x00, 0x01, 0x00, 0x0b], &attributes[..], &[0, 0], &parameters, &[0xff; 128]].concat();
    *ak = [&u16::try_from(area.len()).unwrap().to_be_bytes()[..], &area].concat();
}

/// A first launch with a configuration that no release has, cut off after `events` events.
fn earlier_launch_with_another_config(scenario: &mut Scenario, events: usize) {
    let mut earlier = launch(2, &[]);
    earlier[4] = LoggedEvent::new(14, Event::Config(MeasuredFile { sha256: digest(1), bytes: 1 })).unwrap();
    let sealed = Event::SealedIdentity(LaunchPcr::zero(14).replay(&earlier));
    earlier[11] = LoggedEvent::new(15, sealed).unwrap();
    scenario.log = launch(1, &earlier[..events]);
}

#[test]
fn every_code_is_produced_by_its_check() {
    let mut produced = BTreeSet::new();
    for (code, bend) in cases() {
        let mut scenario = Scenario::honest();
        bend(&mut scenario);
        let error = scenario.verify().expect_err(code);
        assert_eq!(error.code(), code, "{error}");
        produced.insert((error.check(), error.code()));
    }
    // `trust` and the tests of certificate chains have a case for each of these.
    let by_certificates = |code: &str| ["certificate_", "ek_", "machine_"].iter().any(|start| code.starts_with(start));
    let expected = VerifyError::CODES.into_iter().filter(|(_, code)| !by_certificates(code)).collect();
    produced.retain(|(_, code)| !by_certificates(code));
    assert_eq!(produced, expected);
}

#[test]
fn codes_are_unique_and_documented() {
    let documentation = include_str!("../../../docs/spec/evidence.md");
    let mut seen = BTreeSet::new();
    for (check, code) in VerifyError::CODES {
        assert!(seen.insert(code), "{code} is listed twice");
        assert!(documentation.contains(&format!("| {check} | `{code}` |")), "docs/spec/evidence.md lacks {code}");
    }
}

#[test]
fn a_replayed_document_is_refused_for_its_nonce() {
    let old = Scenario::honest();
    let mut now = Scenario::honest();
    now.nonce = Nonce::from_bytes(vec![0x77; 32]).unwrap();
    assert_eq!(now.verify_document(&old.document()).unwrap_err().code(), "nonce_mismatch");
}

/// All cases, for whoever looks at refusals from another side.
pub(crate) fn cases() -> Vec<Case> {
    [DOCUMENT, ATTESTATION_KEY, QUOTE, PCRS, LOGS, POLICY_AND_SESSION].concat()
}
