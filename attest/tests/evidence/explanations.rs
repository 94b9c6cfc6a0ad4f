//! Every refusal has an explanation, and none is judged by it.

use std::collections::BTreeSet;

use blindllama_attest::{
    evidence::EvidenceDocument,
    explain::{CHECKS, CheckResult, Reference, explain, explained_checks},
    policy::Policy,
    verify::{TrustError, VerifyError},
};

use crate::{
    every_code::cases,
    kit::{Scenario, digest},
};

#[test]
fn every_code_is_explained_with_and_without_its_evidence() {
    let mut explained = BTreeSet::new();
    for (code, bend) in cases() {
        let mut scenario = Scenario::honest();
        bend(&mut scenario);
        let error = scenario.verify().expect_err(code);
        let policy = Policy::try_from(scenario.policy.clone()).unwrap();
        let document = EvidenceDocument::parse(&scenario.document()).ok();
        for evidence in [document.as_ref(), None] {
            let explanation = explain(&error, evidence, &policy, &Reference::new());
            assert!(!explanation.what.is_empty() && !explanation.advice.is_empty(), "{code}");
            assert!(explanation.details.len() <= 20, "{code}");
        }
        explained.insert((error.check(), error.code()));
    }
    // Certificates are refused in many ways and explained in one.
    let apart_from_certificates = VerifyError::CODES.into_iter().filter(|(check, _)| *check != 5);
    assert!(apart_from_certificates.into_iter().all(|code| explained.contains(&code)));
}

#[test]
fn a_machine_that_is_not_listed_is_told_with_its_entry() {
    let scenario = Scenario::honest();
    let name = scenario.verify().unwrap().ak_name();
    let digest = digest(1);
    let authority = "a maker".to_owned();
    let error = VerifyError::from(TrustError::MachineNotListed { authority, name, certificate: digest, key: digest });
    let policy = Policy::try_from(scenario.policy).unwrap();
    let explanation = explain(&error, None, &policy, &Reference::new());
    assert_eq!((explanation.found, explanation.allow), (Some(name.to_string()), None));
}

#[test]
fn the_checks_are_those_of_a_verdict() {
    let peer = Scenario::honest().verify().unwrap();
    let verified: Vec<_> = peer.checks().iter().map(|check| (check.number(), check.code())).collect();
    assert_eq!(CHECKS.map(|check| (check.number, check.code)).to_vec(), verified);
    let told = explained_checks(peer.checks(), None);
    assert!(told.iter().zip(peer.checks()).all(|(told, check)| told.sentence == check.statement()));
    assert!(told.iter().all(|check| check.result == CheckResult::Passed));
}

#[test]
fn nothing_counts_as_passed_where_nothing_was_checked() {
    assert!(explained_checks(&[], None).iter().all(|check| check.result == CheckResult::NotReached));
}
