//! Every refusal has an explanation, and none is judged by it.

use std::collections::BTreeSet;

use blindllama_attest::{
    evidence::EvidenceDocument,
    explain::{CHECKS, CheckResult, Reference, explain, explained_checks},
    policy::Policy,
    verify::VerifyError,
};

use crate::{every_code::cases, kit::Scenario};

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
    assert_eq!(explained, BTreeSet::from(VerifyError::CODES));
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
