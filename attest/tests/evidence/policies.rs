//! Policy files: what is read, and how a wrong one is explained.

use std::time::Duration;

use blindllama_attest::{
    hash::{Digest, HashAlgorithm},
    policy::{BankName, Certifies, Machine, Policy, PolicyDocument, TpmKind, TrustedRoot, Weakening},
};

use crate::kit::{Scenario, digest};

fn text() -> String {
    Scenario::honest().policy.to_toml().unwrap()
}

fn refused_with(from: &str, to: &str) -> String {
    let changed = text().replacen(from, to, 1);
    assert_ne!(text(), changed, "{from} is not in the policy:\n{changed}");
    Policy::parse(&changed).expect_err(to).to_string()
}

fn refused_after(edit: impl FnOnce(&mut PolicyDocument)) -> String {
    let mut document = Scenario::honest().policy;
    edit(&mut document);
    let written = document.to_toml().unwrap();
    Policy::parse(&written).expect_err(&written).to_string()
}

#[test]
fn a_written_policy_reads_back_the_same() {
    let document = Scenario::honest().policy;
    assert_eq!(PolicyDocument::parse(&document.to_toml().unwrap()).unwrap(), document);
    let policy = Policy::parse(&text()).unwrap();
    assert_eq!(policy.reattest_after(), Duration::from_secs(300));
    assert_eq!(policy.max_evidence_age(), Duration::from_secs(30));
    assert_eq!(policy.weakenings(), [Weakening::SoftwareTpm, Weakening::SelfReported]);
}

#[test]
fn what_is_not_written_weakens_nothing() {
    let (head, tail) = (text(), text());
    let head = head.split("[weakening]").next().unwrap();
    let tail = tail.split("[[trusted_ak]]").nth(1).unwrap();
    let policy = Policy::parse(&format!("{head}[[trusted_ak]]{tail}")).unwrap();
    assert_eq!(policy.weakenings(), []);
    assert!(refused_with("kind = \"software\"\n", "").contains("trusted_ak[0]"));
    assert!(refused_with("application_measurements = \"self-reported\"\n", "").contains("application_measurements"));
    assert!(refused_with("status = \"serving\"\n", "").contains("status"));
}

#[test]
fn errors_name_the_key_and_the_value() {
    assert!(refused_with("allow_software_tpm", "allow_softwaretpm").contains("allow_softwaretpm"));
    let kind = refused_with("\"software\"", "\"virtual\"");
    assert!(kind.contains("trusted_ak[0].kind") && kind.contains("virtual"), "{kind}");
    let name = refused_with("000b", "000c");
    assert!(name.contains("trusted_ak[0].name") && name.contains("000b and 64"), "{name}");
    let config = refused_with("a2a2", "A2A2");
    assert!(config.contains("release[0].config") && config.contains("lower-case"), "{config}");
    let pcr = refused_with("\n7 =", "\n24 =");
    assert!(pcr.contains("platform[0].pcrs.sha256") && pcr.contains("24"), "{pcr}");
    assert!(refused_with("version = 1", "version = 1\nversion = 1").contains("duplicate key"));
    assert!(refused_with("[weakening]", "[[weakening]]").contains("weakening"));
}

#[test]
fn an_array_does_not_stand_for_a_table() {
    let head = text().split("[weakening]").next().unwrap().to_owned();
    let tail = text().split("[[trusted_ak]]").nth(1).unwrap().to_owned();
    let error = Policy::parse(&format!("{head}weakening = [true, true]\n[[trusted_ak]]{tail}")).unwrap_err();
    assert!(error.to_string().contains("weakening"), "{error}");
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (edit, key) in [
        ((|d| d.version = 2) as fn(&mut PolicyDocument), "version"),
        (|d| d.max_evidence_age_seconds = 0, "max_evidence_age_seconds"),
        (|d| d.max_evidence_age_seconds = 601, "max_evidence_age_seconds"),
        (|d| d.reattest_after_seconds = 0, "reattest_after_seconds"),
        (|d| d.reattest_after_seconds = 86_401, "reattest_after_seconds"),
        (|d| d.trusted_ak.clear(), "trusted_ak"),
        (|d| d.platform.clear(), "platform"),
        (|d| d.release.clear(), "release"),
        (|d| d.trusted_ak.push(d.trusted_ak[0].clone()), "trusted_ak[1].name"),
        (|d| d.platform.push(d.platform[0].clone()), "platform[1].name"),
        (|d| d.release.push(d.release[0].clone()), "release[1].name"),
        (|d| d.trusted_ak[0].machine.clear(), "trusted_ak[0].machine"),
        (|d| d.platform[0].application_pcr = 7, "platform[0].application_pcr"),
        (|d| d.platform[0].application_pcr = 16, "platform[0].application_pcr"),
        (|d| d.platform[0].identity_pcr = 23, "platform[0].identity_pcr"),
        (|d| d.platform[0].identity_pcr = 14, "platform[0].identity_pcr"),
        (|d| _ = d.platform[0].pcrs.insert(14, crate::kit::digest(0).into()), "platform[0].application_pcr"),
        (|d| _ = d.platform[0].pcrs.remove(HashAlgorithm::Sha256, 5), "platform[0].pcrs.sha256"),
        (|d| d.platform[0].firmware_log_pcrs = vec![0, 9], "platform[0].firmware_log_pcrs[1]"),
        (|d| d.platform[0].firmware_log_pcrs = vec![0, 0], "platform[0].firmware_log_pcrs[1]"),
    ] {
        let error = refused_after(edit);
        assert!(error.starts_with(&format!("policy key `{key}` is ")), "{error}");
    }
}

#[test]
fn pcrs_are_written_in_numeric_order() {
    let mut document = Scenario::honest().policy;
    for pcr in [11, 12, 9, 8] {
        document.platform[0].pcrs.insert(pcr, digest(pcr).into());
    }
    let written = document.to_toml().unwrap();
    let pcrs = written.lines().filter_map(|line| line.split_once(" = \"")?.0.parse().ok());
    assert_eq!(pcrs.collect::<Vec<u8>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12], "{written}");
}

#[test]
fn revisions_and_banks() {
    for (edit, key) in [
        ((|d| d.revision = Some(0)) as fn(&mut PolicyDocument), "revision"),
        (|d| d.platform[0].firmware_log_bank = Some(BankName(HashAlgorithm::Sha1)), "platform[0].firmware_log_bank"),
        (|d| d.platform[0].firmware_log_bank = Some(BankName(HashAlgorithm::Sha384)), "platform[0].firmware_log_bank"),
        (|d| _ = sha1_platform(d, vec![]).platform[0].pcrs.remove(HashAlgorithm::Sha1, 0), "platform[0].pcrs.sha1"),
        (|d| _ = sha1_platform(d, vec![1]), "platform[0].firmware_log_pcrs[0]"),
    ] {
        let error = refused_after(edit);
        assert!(error.starts_with(&format!("policy key `{key}` is ")), "{error}");
    }
    let mut document = Scenario::honest().policy;
    sha1_platform(&mut document, vec![0]);
    document.revision = Some(7);
    let policy = Policy::parse(&document.to_toml().unwrap()).unwrap();
    assert_eq!((policy.revision(), policy.document()), (Some(7), &document));
}

/// The platform also pins SHA-1's PCR 0, and wants `explained` by a log of that bank.
fn sha1_platform(document: &mut PolicyDocument, explained: Vec<u8>) -> &mut PolicyDocument {
    let platform = &mut document.platform[0];
    platform.pcrs.insert(0, Digest::filled(HashAlgorithm::Sha1, 1));
    platform.firmware_log_bank = Some(BankName(HashAlgorithm::Sha1));
    platform.firmware_log_pcrs = explained;
    document
}

const CERTIFICATE: &str = include_str!("../vectors/certificates/swtpm/root.pem");

fn authority(certifies: Certifies, machine: Vec<Machine>) -> TrustedRoot {
    let (name, certificate) = ("maker".to_owned(), CERTIFICATE.to_owned());
    TrustedRoot { name, certifies, kind: TpmKind::Hardware, certificate, machine }
}

fn machine(name: &str) -> Machine {
    Machine { name: name.to_owned(), ak_name: None, ek_sha256: None, certificate_sha256: Some(digest(1)) }
}

/// Both kinds of authorities, and machines by each kind of identity.
fn trusting_authorities() -> PolicyDocument {
    let mut document = Scenario::honest().policy;
    let ak_name = Some(document.trusted_ak[0].name);
    let by_ak = Machine { ak_name, certificate_sha256: None, ..machine("by AK") };
    let by_ek = Machine { ek_sha256: Some(digest(2)), certificate_sha256: None, ..machine("by EK") };
    document.trusted_root = vec![
        authority(Certifies::AttestationKey, vec![by_ak, machine("by certificate")]),
        TrustedRoot {
            name: "other maker".to_owned(),
            ..authority(Certifies::EndorsementKey, vec![by_ek, machine("by certificate")])
        },
    ];
    document
}

#[test]
fn authorities_are_enough() {
    let document = PolicyDocument { trusted_ak: Vec::new(), ..trusting_authorities() };
    let policy = Policy::parse(&document.to_toml().unwrap()).unwrap();
    assert_eq!(policy.document().trusted_root, document.trusted_root);
    let identities =
        policy.document().trusted_root.iter().flat_map(|root| &root.machine).map(|machine| machine.identity().unwrap());
    let keys: Vec<_> = identities.map(|identity| identity.policy_key()).collect();
    assert_eq!(keys, ["ak_name", "certificate_sha256", "ek_sha256", "certificate_sha256"]);
}

#[test]
fn an_authority_without_machines_has_to_be_allowed() {
    let mut document = trusting_authorities();
    document.trusted_root[1].machine.clear();
    let error = Policy::try_from(document.clone()).unwrap_err().to_string();
    assert!(error.contains("`trusted_root[1].machine` is an empty list") && error.contains("any_machine"), "{error}");
    document.weakening.any_machine = true;
    assert!(Policy::try_from(document).unwrap().weakenings().contains(&Weakening::AnyMachine));
}

#[test]
fn authorities_that_make_no_sense_are_refused() {
    const NO_CERTIFICATE: &str = "trusted_root[0].certificate";
    for (edit, key) in [
        ((|d| d.trusted_root[1].name.clear()) as fn(&mut PolicyDocument), "trusted_root[1].name"),
        (|d| d.trusted_root[1].name = "maker".to_owned(), "trusted_root[1].name"),
        (|d| d.trusted_root[0].certificate.clear(), NO_CERTIFICATE),
        (|d| d.trusted_root[0].certificate += CERTIFICATE, NO_CERTIFICATE),
        (|d| d.trusted_root[0].certificate = CERTIFICATE.replace("CERTIFICATE", "PUBLIC KEY"), NO_CERTIFICATE),
        (|d| d.trusted_root[0].certificate = CERTIFICATE.replacen("MII", "MI", 1), NO_CERTIFICATE),
        (
            |d| d.trusted_root[0].certificate = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".to_owned(),
            NO_CERTIFICATE,
        ),
        (|d| d.trusted_root[0].certificate.insert_str(0, "maker: "), NO_CERTIFICATE),
        (|d| d.trusted_root[0].machine[1].name.clear(), "trusted_root[0].machine[1].name"),
        (|d| d.trusted_root[0].machine[1].name = "by AK".to_owned(), "trusted_root[0].machine[1].name"),
        (|d| d.trusted_root[0].machine[0].ak_name = None, "trusted_root[0].machine[0]"),
        (|d| d.trusted_root[0].machine[0].certificate_sha256 = Some(digest(1)), "trusted_root[0].machine[0]"),
        (|d| d.trusted_root[0].certifies = Certifies::EndorsementKey, "trusted_root[0].machine[0]"),
        (|d| d.trusted_root[1].certifies = Certifies::AttestationKey, "trusted_root[1].machine[0]"),
    ] {
        let mut document = trusting_authorities();
        edit(&mut document);
        let written = document.to_toml().unwrap();
        let error = Policy::parse(&written).expect_err(&written).to_string();
        assert!(error.starts_with(&format!("policy key `{key}` is ")), "{error}");
    }
}

#[test]
fn authorities_are_read_strictly() {
    let written = trusting_authorities().to_toml().unwrap();
    for (from, to, key) in [
        ("certifies = \"endorsement-key\"\n", "", "trusted_root[1]"),
        ("certifies = \"endorsement-key\"", "certifies = \"any-key\"", "trusted_root[1].certifies"),
        ("name = \"by EK\"", "name = \"by EK\"\nek = \"\"", "trusted_root[1].machine[0]"),
    ] {
        let changed = written.replacen(from, to, 1);
        assert_ne!(written, changed, "{from} is not in the policy:\n{written}");
        let error = Policy::parse(&changed).expect_err(to).to_string();
        assert!(error.contains(key), "{error}");
    }
}
