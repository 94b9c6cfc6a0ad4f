//! The ways to trust an attestation key beside pinning it.

use blindllama_attest::{
    certificate::Certificate,
    credential::ActivatedKey,
    digest::Sha256Digest,
    policy::{Certifies, Machine, Policy, TpmKind, TrustedRoot},
    tpm::Name,
    verify::{TrustGround, UnixTime, activation_needed},
};
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::KeyPair;

use crate::{
    authority::{Chain, Entity},
    kit::{Scenario, digest},
};

const NOW: UnixTime = UnixTime(1_800_000_000);

fn pem(der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn machine(name: &str) -> Machine {
    Machine { name: name.to_owned(), ak_name: None, ek_sha256: None, certificate_sha256: None }
}

fn trusted(root: &Certificate, certifies: Certifies, machine: Machine) -> TrustedRoot {
    let (name, certificate) = ("maker".to_owned(), pem(root.der()));
    TrustedRoot { name, certifies, kind: TpmKind::Hardware, certificate, machine: vec![machine] }
}

/// Evidence whose policy trusts only an authority, and a chain of that authority.
struct Certified {
    scenario: Scenario,
    name: Name,
    leaf: Certificate,
}

impl Certified {
    fn new(certifies: Certifies, mut chain: Chain) -> Self {
        let mut scenario = Scenario::honest();
        let name = scenario.policy.trusted_ak[0].name;
        chain.leaf = match certifies {
            Certifies::AttestationKey => Entity { key: ak_pair(&scenario), ..Entity::attestation_key() },
            Certifies::EndorsementKey => Entity::endorsement_key(),
        };
        let ([leaf, intermediate], root) = chain.issue();
        let certificates = vec![leaf.der().to_vec(), intermediate.der().to_vec()];
        let listed = match certifies {
            Certifies::AttestationKey => Machine { ak_name: Some(name), ..machine("rack 4") },
            Certifies::EndorsementKey => Machine { ek_sha256: Some(leaf.spki_sha256()), ..machine("rack 4") },
        };
        scenario.policy.trusted_ak.clear();
        scenario.policy.weakening.allow_software_tpm = false;
        scenario.policy.trusted_root = vec![trusted(&root, certifies, listed)];
        match certifies {
            Certifies::AttestationKey => scenario.ak_certificates = certificates,
            Certifies::EndorsementKey => {
                scenario.ek_certificates = certificates;
                scenario.activated = Some(ActivatedKey::recorded(name.as_bytes().to_vec(), leaf.spki_sha256()));
            }
        }
        Self { scenario, name, leaf }
    }

    fn by_ak() -> Self {
        Self::new(Certifies::AttestationKey, Chain::honest())
    }

    fn by_ek() -> Self {
        Self::new(Certifies::EndorsementKey, Chain::honest())
    }

    fn machine(&mut self) -> &mut Machine {
        &mut self.scenario.policy.trusted_root[0].machine[0]
    }

    fn refused(&self) -> &'static str {
        self.scenario.verify().expect_err("nothing in the policy allows this").code()
    }
}

/// The scenario's attestation key, for whoever makes its certificate.
fn ak_pair(scenario: &Scenario) -> KeyPair {
    let key = p256::SecretKey::from_slice(&scenario.key.to_bytes()).unwrap();
    KeyPair::try_from(key.to_pkcs8_der().unwrap().as_bytes()).unwrap()
}

#[test]
fn a_certified_attestation_key_is_trusted() {
    let certified = Certified::by_ak();
    let peer = certified.scenario.verify().unwrap();
    assert_eq!((peer.machine(), peer.tpm_kind(), peer.ak_name()), ("rack 4", TpmKind::Hardware, certified.name));
    assert_eq!(*peer.trust_ground(), TrustGround::AkCertificate { authority: "maker".to_owned() });
}

#[test]
fn an_activated_attestation_key_is_trusted() {
    let peer = Certified::by_ek().scenario.verify().unwrap();
    assert_eq!((peer.machine(), peer.tpm_kind()), ("rack 4", TpmKind::Hardware));
    assert_eq!(*peer.trust_ground(), TrustGround::EkCertificate { authority: "maker".to_owned(), recorded: true });
}

#[test]
fn a_machine_may_be_listed_by_its_certificate() {
    for mut certified in [Certified::by_ak(), Certified::by_ek()] {
        let certificate_sha256 = Some(certified.leaf.sha256());
        *certified.machine() = Machine { certificate_sha256, ..machine("rack 5") };
        assert_eq!(certified.scenario.verify().unwrap().machine(), "rack 5");
    }
}

#[test]
fn another_machine_of_the_same_maker_is_refused() {
    for mut certified in [Certified::by_ak(), Certified::by_ek()] {
        *certified.machine() = Machine { certificate_sha256: Some(digest(1)), ..machine("another") };
        assert_eq!(certified.refused(), "machine_not_listed");
        certified.scenario.policy.trusted_root[0].machine.clear();
        certified.scenario.policy.weakening.any_machine = true;
        assert_eq!(certified.scenario.verify().unwrap().machine(), "any machine of maker");
    }
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let mut certified = Certified::by_ak();
    certified.machine().certificate_sha256 = None;
    certified.scenario.key = p256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap();
    assert_eq!(certified.refused(), "certificate_of_another_key");
}

#[test]
fn another_authority_of_the_same_name_is_refused() {
    for (mut certified, other) in [(Certified::by_ak(), Certified::by_ak()), (Certified::by_ek(), Certified::by_ek())] {
        certified.scenario.policy.trusted_root[0].certificate.clone_from(&other.scenario.policy.trusted_root[0].certificate);
        assert_eq!(certified.refused(), "certificate_signature_invalid");
    }
}

#[test]
fn an_authority_vouches_for_one_sort_of_key_only() {
    let mut certified = Certified::by_ak();
    let ak_name = certified.machine().ak_name.take();
    *certified.machine() = Machine { ek_sha256: Some(digest(1)), ..machine("rack 4") };
    certified.scenario.policy.trusted_root[0].certifies = Certifies::EndorsementKey;
    assert_eq!((certified.refused(), ak_name), ("ak_not_trusted", Some(certified.name)));
}

#[test]
fn the_time_of_the_verdict_is_the_time_of_the_certificates() {
    let mut early = Chain::honest();
    early.intermediate.params.not_before = rcgen::date_time_ymd(2027, 6, 1);
    assert_eq!(Certified::new(Certifies::AttestationKey, early).refused(), "certificate_not_yet_valid");
    let mut late = Chain::honest();
    late.intermediate.params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    assert_eq!(Certified::new(Certifies::EndorsementKey, late).refused(), "certificate_expired");
}

#[test]
fn an_endorsement_key_alone_proves_nothing() {
    let mut certified = Certified::by_ek();
    certified.scenario.activated = None;
    assert_eq!(certified.refused(), "ek_not_activated");
    let (name, key) = (certified.name.as_bytes().to_vec(), certified.leaf.spki_sha256());
    certified.scenario.activated = Some(ActivatedKey::recorded(vec![0; name.len()], key));
    assert_eq!(certified.refused(), "ek_activation_of_another_key");
    certified.scenario.activated = Some(ActivatedKey::recorded(name, Sha256Digest::ZERO));
    assert_eq!(certified.refused(), "ek_activation_of_another_key");
}

#[test]
fn an_activation_is_asked_for_where_it_is_needed() {
    let needed = |certified: &Certified| {
        let Scenario { policy, nonce, .. } = &certified.scenario;
        let policy = Policy::try_from(policy.clone()).unwrap();
        activation_needed(&certified.scenario.document(), &policy, nonce, NOW)
    };
    let by_ek = Certified::by_ek();
    let asked = needed(&by_ek).unwrap().expect("only the endorsement key is certified");
    assert_eq!((asked.ak_name(), asked.ek_spki_sha256()), (by_ek.name, by_ek.leaf.spki_sha256()));
    assert!(needed(&Certified::by_ak()).unwrap().is_none());
    let mut not_listed = Certified::by_ek();
    not_listed.machine().ek_sha256 = Some(digest(1));
    assert_eq!(needed(&not_listed).unwrap_err().code(), "machine_not_listed");
}

#[test]
fn a_certificate_that_names_swtpm_overrules_the_policy() {
    let name_it = |entity: &mut Entity| {
        entity.params.distinguished_name.push(rcgen::DnType::OrganizationName, "swtpm");
    };
    for certifies in [Certifies::AttestationKey, Certifies::EndorsementKey] {
        let mut chain = Chain::honest();
        name_it(&mut chain.intermediate);
        let mut certified = Certified::new(certifies, chain);
        assert_eq!(certified.refused(), "software_tpm_not_allowed");
        certified.scenario.policy.weakening.allow_software_tpm = true;
        assert_eq!(certified.scenario.verify().unwrap().tpm_kind(), TpmKind::Software);
    }
    // Even where the key is pinned, and the certificate is not needed.
    let mut pinned = Scenario::honest();
    pinned.policy.trusted_ak[0].kind = TpmKind::Hardware;
    pinned.policy.weakening.allow_software_tpm = false;
    pinned.verify().unwrap();
    pinned.ek_certificates = vec![include_bytes!("../vectors/certificates/swtpm/ek_rsa2048.der").to_vec()];
    assert_eq!(pinned.verify().unwrap_err().code(), "software_tpm_not_allowed");
}
