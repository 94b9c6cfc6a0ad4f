//! One thing is wrong with a chain, and its own code says so.

use blindllama_attest::{
    certificate::{Certificate, ChainError, Role, verify_chain},
    verify::UnixTime,
};
use rcgen::{BasicConstraints, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, date_time_ymd};

use crate::{
    NEW_YEAR_2027,
    authority::{Chain, Entity, purpose},
    certificate, code, verdict,
};

/// An honest chain with one thing changed.
fn verdict_with(change: impl FnOnce(&mut Chain)) -> &'static str {
    let mut chain = Chain::honest();
    change(&mut chain);
    chain.verdict()
}

#[test]
fn an_honest_chain_is_accepted_with_and_without_its_root() {
    let (below_root, root) = Chain::honest().issue();
    let whole = [&below_root[..], std::slice::from_ref(&root)].concat();
    for chain in [&below_root[..], &whole] {
        let roots = [root.clone()];
        let verified = verify_chain(chain, &roots, NEW_YEAR_2027, Role::AttestationKey).unwrap();
        assert_eq!(verified.leaf().der(), below_root[0].der());
        assert_eq!(verified.root().der(), root.der());
        assert_eq!(verified.role(), Role::AttestationKey);
    }
}

#[test]
fn errors_name_the_certificate() {
    let mut chain = Chain::honest();
    chain.intermediate.params.is_ca = IsCa::NoCa;
    let (below_root, root) = chain.issue();
    let error = verify_chain(&below_root, &[root], NEW_YEAR_2027, Role::AttestationKey).unwrap_err();
    assert!(error.to_string().starts_with("certificate 1 (CN=Test intermediate) "), "{error}");
}

#[test]
fn no_certificate_is_no_chain() {
    let (_, root) = Chain::honest().issue();
    assert_eq!(verdict(&[], &root), "certificate_chain_empty");
}

#[test]
fn a_chain_has_at_most_eight_certificates() {
    let mut issuers = vec![Entity::authority("Test root")];
    for level in 1..8 {
        issuers.push(Entity::authority(&format!("Level {level}")));
    }
    let leaf = Entity::attestation_key().certificate(&issuers[7]);
    let root = issuers[0].certificate(&issuers[0]);
    let above: Vec<_> = issuers.windows(2).rev().map(|pair| pair[1].certificate(&pair[0])).collect();
    let chain = [vec![leaf], above].concat();
    assert_eq!(chain.len(), 8);
    assert_eq!(verdict(&chain, &root), "accepted");
    assert_eq!(verdict(&[&chain[..], std::slice::from_ref(&root)].concat(), &root), "certificate_chain_too_long");
}

#[test]
fn only_a_pinned_root_ends_a_chain() {
    let (below_root, root) = Chain::honest().issue();
    let (_, other_root) = Chain::honest().issue();
    let whole = [&below_root[..], std::slice::from_ref(&root)].concat();
    // Without its intermediate; without a pin; with the whole chain under another pin of the same name.
    assert_eq!(verdict(&below_root[..1], &root), "certificate_root_not_trusted");
    assert_eq!(code(verify_chain(&whole, &[], NEW_YEAR_2027, Role::AttestationKey)), "certificate_root_not_trusted");
    assert_eq!(verdict(&whole, &other_root), "certificate_signature_invalid");
    // An intermediate may be the pin, yet nothing above it is looked at, so nothing may be there.
    assert_eq!(verdict(&below_root[..1], &below_root[1]), "accepted");
    assert_eq!(verdict(&whole, &below_root[1]), "certificate_root_not_trusted");
}

#[test]
fn a_pinned_leaf_is_no_chain() {
    let leaf = Entity::attestation_key();
    let alone = leaf.certificate(&leaf);
    assert_eq!(verdict(std::slice::from_ref(&alone), &alone), "certificate_key_usage");
    let (_, root) = Chain::honest().issue();
    assert_eq!(verdict(std::slice::from_ref(&root), &root), "certificate_leaf_is_a_ca");
    let version_1 = certificate("signatures/root_v1.der");
    let both = [version_1];
    assert_eq!(code(verify_chain(&both, &both, NEW_YEAR_2027, Role::AttestationKey)), "certificate_version");
}

#[test]
fn of_two_roots_with_one_name_the_signer_counts() {
    let (below_root, root) = Chain::honest().issue();
    let (_, other_root) = Chain::honest().issue();
    for roots in [[root.clone(), other_root.clone()], [other_root, root.clone()]] {
        let verified = verify_chain(&below_root, &roots, NEW_YEAR_2027, Role::AttestationKey).unwrap();
        assert_eq!(verified.root().der(), root.der());
    }
}

#[test]
fn the_order_is_leaf_first() {
    let ([leaf, intermediate], root) = Chain::honest().issue();
    assert_eq!(verdict(&[leaf.clone(), root.clone(), intermediate], &root), "certificate_issuer_mismatch");
    let ([_, unrelated], _) = Chain::honest().issue();
    assert_eq!(verdict(&[leaf, unrelated], &root), "certificate_signature_invalid");
}

#[test]
fn both_ends_of_the_validity_are_included() {
    let (below_root, root) = Chain::honest().issue();
    let (first, last) = (1_767_225_600, 1_830_297_600);
    let at = |time| code(verify_chain(&below_root, std::slice::from_ref(&root), UnixTime(time), Role::AttestationKey));
    assert_eq!(at(first - 1), "certificate_not_yet_valid");
    assert_eq!(at(first), "accepted");
    assert_eq!(at(last), "accepted");
    assert_eq!(at(last + 1), "certificate_expired");
    assert_eq!(at(0), "certificate_not_yet_valid");
    assert_eq!(at(u64::MAX), "certificate_expired");
}

#[test]
fn every_certificate_has_to_be_valid() {
    let entities: [fn(&mut Chain) -> &mut Entity; 3] =
        [|chain| &mut chain.leaf, |chain| &mut chain.intermediate, |chain| &mut chain.root];
    for entity in entities {
        let early = verdict_with(|chain| entity(chain).params.not_before = date_time_ymd(2027, 6, 1));
        let late = verdict_with(|chain| entity(chain).params.not_after = date_time_ymd(2026, 6, 1));
        assert_eq!((early, late), ("certificate_not_yet_valid", "certificate_expired"));
    }
}

#[test]
fn issuers_are_authorities() {
    for no_ca in [IsCa::NoCa, IsCa::ExplicitNoCa] {
        assert_eq!(verdict_with(|chain| chain.intermediate.params.is_ca = no_ca), "certificate_not_a_ca");
        assert_eq!(verdict_with(|chain| chain.root.params.is_ca = no_ca), "certificate_not_a_ca");
    }
    let ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(verdict_with(|chain| chain.leaf.params.is_ca = ca), "certificate_leaf_is_a_ca");
}

#[test]
fn issuers_may_sign_certificates() {
    let signs_lists_only = vec![KeyUsagePurpose::CrlSign];
    assert_eq!(verdict_with(|chain| chain.intermediate.params.key_usages = signs_lists_only.clone()), "certificate_key_usage");
    assert_eq!(verdict_with(|chain| chain.root.params.key_usages = signs_lists_only), "certificate_key_usage");
    // Without the extension only a pinned root is believed.
    assert_eq!(verdict_with(|chain| chain.intermediate.params.key_usages.clear()), "certificate_key_usage");
    assert_eq!(verdict_with(|chain| chain.root.params.key_usages.clear()), "accepted");
}

#[test]
fn path_lengths_count_intermediates() {
    let constrained = |limit| IsCa::Ca(BasicConstraints::Constrained(limit));
    assert_eq!(verdict_with(|chain| chain.root.params.is_ca = constrained(0)), "certificate_path_too_long");
    assert_eq!(verdict_with(|chain| chain.root.params.is_ca = constrained(1)), "accepted");
    assert_eq!(verdict_with(|chain| chain.intermediate.params.is_ca = constrained(0)), "accepted");
}

#[test]
fn self_issued_intermediates_do_not_count() {
    let (mut old, new) = (Entity::authority("Test root"), Entity::authority("Test root"));
    old.params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let chain = [Entity::attestation_key().certificate(&new), new.certificate(&old)];
    assert_eq!(verdict(&chain, &old.certificate(&old)), "accepted");
}

#[test]
fn critical_extensions_have_to_be_understood() {
    let unknown = |entity: &mut Entity| entity.critical_extension(&[1, 3, 6, 1, 4, 1, 32473, 1]);
    assert_eq!(verdict_with(|chain| unknown(&mut chain.leaf)), "certificate_critical_extension");
    assert_eq!(verdict_with(|chain| unknown(&mut chain.intermediate)), "certificate_critical_extension");
    assert_eq!(verdict_with(|chain| unknown(&mut chain.root)), "certificate_critical_extension");
    // Name constraints, policy constraints and inhibitAnyPolicy constrain what is not computed here.
    for constraint in [30, 36, 54] {
        let verdict = verdict_with(|chain| chain.intermediate.critical_extension(&[2, 5, 29, constraint]));
        assert_eq!(verdict, "certificate_critical_extension", "{constraint}");
    }
    // Key identifiers, policies, distribution points, and subject attributes do not.
    for harmless in [9, 31, 32] {
        assert_eq!(verdict_with(|chain| chain.intermediate.critical_extension(&[2, 5, 29, harmless])), "accepted");
    }
}

#[test]
fn real_name_constraints_are_refused() {
    let constraints = NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.org".to_owned())],
        excluded_subtrees: Vec::new(),
    };
    assert_eq!(
        verdict_with(|chain| chain.intermediate.params.name_constraints = Some(constraints)),
        "certificate_critical_extension"
    );
}

#[test]
fn an_attestation_key_signs() {
    let agrees = vec![KeyUsagePurpose::KeyAgreement];
    assert_eq!(verdict_with(|chain| chain.leaf.params.key_usages = agrees), "certificate_key_usage");
    assert_eq!(verdict_with(|chain| chain.leaf.params.key_usages.clear()), "accepted");
    let attestation = purpose(&[2, 23, 133, 8, 3]);
    let endorsement = purpose(&[2, 23, 133, 8, 1]);
    assert_eq!(verdict_with(|chain| chain.leaf.params.extended_key_usages = vec![attestation.clone()]), "accepted");
    assert_eq!(
        verdict_with(|chain| chain.leaf.params.extended_key_usages = vec![attestation, endorsement]),
        "certificate_extended_key_usage"
    );
}

/// The verdict over an endorsement key's chain with one thing changed.
fn endorsement_verdict(change: impl FnOnce(&mut Entity)) -> &'static str {
    let mut chain = Chain { leaf: Entity::endorsement_key(), ..Chain::honest() };
    change(&mut chain.leaf);
    let (below_root, root) = chain.issue();
    code(verify_chain(&below_root, &[root], NEW_YEAR_2027, Role::EndorsementKey))
}

#[test]
fn an_endorsement_key_decrypts() {
    assert_eq!(endorsement_verdict(|_| {}), "accepted");
    assert_eq!(endorsement_verdict(|leaf| leaf.params.key_usages.clear()), "accepted");
    assert_eq!(endorsement_verdict(|leaf| leaf.params.extended_key_usages.clear()), "accepted");
    for wrong in [KeyUsagePurpose::KeyEncipherment, KeyUsagePurpose::DigitalSignature] {
        assert_eq!(endorsement_verdict(|leaf| leaf.params.key_usages = vec![wrong]), "certificate_key_usage");
    }
    let attestation = purpose(&[2, 23, 133, 8, 3]);
    assert_eq!(endorsement_verdict(|leaf| leaf.params.extended_key_usages = vec![attestation]), "certificate_extended_key_usage");
}

#[test]
fn an_endorsement_key_is_no_attestation_key() {
    let mut chain = Chain { leaf: Entity::endorsement_key(), ..Chain::honest() };
    assert_eq!(chain.verdict(), "certificate_key_usage");
    chain.leaf.params.key_usages.clear();
    assert_eq!(chain.verdict(), "certificate_extended_key_usage");
}

#[test]
fn every_byte_of_a_leaf_counts() {
    let (below_root, root) = Chain::honest().issue();
    let honest = below_root[0].der();
    for (offset, mask) in (0..honest.len()).flat_map(|offset| [(offset, 0x01), (offset, 0x20), (offset, 0x80)]) {
        let mut der = honest.to_vec();
        der[offset] ^= mask;
        let Ok(leaf) = Certificate::parse_der(&der) else { continue };
        let chain = [leaf, below_root[1].clone()];
        assert_ne!(verdict(&chain, &root), "accepted", "byte {offset} ^ {mask:#04x}");
    }
}

#[test]
fn names_are_shown_without_control_characters() {
    let mut chain = Chain::honest();
    chain.leaf = Entity::authority("\u{1b}[31m\u{9b}evil");
    let (below_root, root) = chain.issue();
    let error = verify_chain(&below_root, &[root], NEW_YEAR_2027, Role::AttestationKey).unwrap_err();
    assert!(matches!(&error, ChainError::LeafIsACa { at } if at.index == 0));
    assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
}
