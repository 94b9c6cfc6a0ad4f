//! Policy files: what is read, and how a wrong one is explained.

use std::time::Duration;

use blindllama_attest::{
    hash::HashAlgorithm,
    policy::{Policy, PolicyDocument, Weakening},
};

use crate::kit::Scenario;

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
