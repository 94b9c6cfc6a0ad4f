//! A policy that trusts no attestation key, but the authority of the TPM's endorsement key: credential activation over HTTP.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use blindllama_attest::{
    certificate::Certificate,
    digest::Sha256Digest,
    policy::{Certifies, Machine, PolicyDocument, TpmKind, TrustedRoot},
};
use blindllama_tests::{
    evidence_relay::{Activation, Answers, TlsKey},
    gateway, http,
    shim::{self, Shim},
};
use bytes::Bytes;
use data_encoding::BASE64;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

use crate::{
    attacks::{altering, honest_evidence, refuses},
    plain_tools::text,
    world::{World, run},
};

/// The world's policy, with its TPM trusted by way of its endorsement key alone.
struct Certified<'w> {
    world: &'w World,
    folder: tempfile::TempDir,
    document: PolicyDocument,
}

impl<'w> Certified<'w> {
    fn new(world: &'w World) -> Self {
        let text = std::fs::read_to_string(&world.policy).expect("the policy");
        let mut document = PolicyDocument::parse(&text).expect("a policy");
        document.trusted_ak.clear();
        document.trusted_root.push(TrustedRoot {
            name: "the test's authority".to_owned(),
            certifies: Certifies::EndorsementKey,
            kind: TpmKind::Software,
            certificate: std::fs::read_to_string(world.machine.ek_authority()).expect("the authority's certificate"),
            machine: vec![machine(endorsement_key(world))],
        });
        Self { world, folder: tempfile::tempdir().expect("a folder"), document }
    }

    /// Writes the policy, with something changed.
    fn policy(&self, name: &str, change: impl FnOnce(&mut PolicyDocument)) -> PathBuf {
        let mut document = self.document.clone();
        change(&mut document);
        let path = self.folder.path().join(name);
        std::fs::write(&path, document.to_toml().expect("TOML")).expect("writes");
        path
    }

    /// The verdict on the world's gateway.
    fn verdict(&self, policy: &Path) -> Value {
        let (status, verdict) = shim::verify(&self.world.machine.url(), policy);
        assert_eq!(status, Some(i32::from(verdict["verified"] != true)), "{verdict}");
        verdict
    }
}

fn machine(ek_sha256: Sha256Digest) -> Machine {
    Machine { name: "the test's machine".to_owned(), ak_name: None, ek_sha256: Some(ek_sha256), certificate_sha256: None }
}

/// SHA-256 of the world's endorsement key, out of its certificate.
fn endorsement_key(world: &World) -> Sha256Digest {
    let evidence = honest_evidence(world, &"ec".repeat(32));
    let certificate = evidence["tpm"]["ek_certificates"][0].as_str().expect("swtpm's certificate");
    let certificate = BASE64.decode(certificate.as_bytes()).expect("base64");
    Certificate::parse_der(&certificate).expect("a certificate").spki_sha256()
}

/// The certificate of an authority that has nothing to do with this TPM, PEM.
fn another_authority() -> String {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, "another authority");
    let certificate = BASE64.encode(params.self_signed(&key).expect("a certificate").der());
    let lines: Vec<_> = certificate.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

const GROUND: &str = "proved by credential activation to be in the TPM that \"the test's authority\" certified";

pub fn a_certified_endorsement_key_is_enough(world: &World) {
    let certified = Certified::new(world);
    let policy = certified.policy("policy.toml", |_| {});
    let verdict = certified.verdict(&policy);
    assert_eq!(verdict["verified"], true, "{verdict}");
    assert_eq!((&verdict["machine"], &verdict["tpm_kind"]), (&json!("the test's machine"), &json!("software")));
    let trust = &verdict["checks"][4];
    assert_eq!(trust["number"], 5);
    assert!(trust["sentence"].as_str().expect("a sentence").contains(GROUND), "{trust}");

    let shim = Shim::start(&world.machine.url(), &policy);
    let models = run(async { http::send(shim.address(), http::get("/v1/models")).await.complete().await }).expect("an answer");
    assert_eq!(models.status.as_u16(), 200, "{:?}", models.body);
}

/// The activation is saved with the evidence, so that a verdict can be repeated when there is no gateway to ask.
pub fn an_activation_is_saved_with_its_evidence(world: &World) {
    let certified = Certified::new(world);
    let policy = certified.policy("policy.toml", |_| {});
    let saved = certified.folder.path().join("evidence.json");
    let gateway = world.machine.url();
    let files = ["--policy", text(&policy), "--output", text(&saved)];
    let fetched = shim::run(["evidence", "fetch", "--gateway", &gateway].into_iter().chain(files));
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stdout));
    let (status, verdict) = shim::told(["verify", "--evidence", text(&saved), "--policy", text(&policy)]);
    assert_eq!((status, &verdict["code"]), (Some(0), &json!("verified")), "{verdict}");
}

/// `policy learn` can be told the authority instead of believing the attestation key.
pub fn an_authority_can_be_learned_from(world: &World) {
    let certified = Certified::new(world);
    let learned = certified.folder.path().join("learned.toml");
    let (gateway, authority) = (world.machine.url(), world.machine.ek_authority());
    let who = ["--trust-root", text(&authority), "--certifies", "endorsement-key", "--kind", "software"];
    let output = shim::run(["policy", "learn", "--gateway", &gateway, "--output", text(&learned)].into_iter().chain(who));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let verdict = certified.verdict(&learned);
    assert_eq!(verdict["verified"], true, "{verdict}");
    assert!(verdict["checks"][4]["sentence"].as_str().expect("a sentence").contains("proved by credential activation"));
}

pub fn other_machines_and_authorities_are_refused(world: &World) {
    let certified = Certified::new(world);
    let ours = endorsement_key(world);
    let other_machine = |document: &mut PolicyDocument| document.trusted_root[0].machine = vec![machine(Sha256Digest::ZERO)];
    let verdict = certified.verdict(&certified.policy("machine.toml", other_machine));
    assert_eq!(verdict["code"], "machine_not_listed", "{verdict}");
    let allow = verdict["explanation"]["allow"]["line"].as_str().expect("a machine's entry");
    assert!(allow.contains(&format!("ek_sha256 = \"{ours}\"")), "{allow}");

    // The second was made by the same program, with the same name and another key.
    let other = gateway::Machine::boot();
    let of_the_same_name = std::fs::read_to_string(other.ek_authority()).expect("a certificate");
    for (authority, code) in
        [(another_authority(), "certificate_root_not_trusted"), (of_the_same_name, "certificate_signature_invalid")]
    {
        let other_root = |document: &mut PolicyDocument| document.trusted_root[0].certificate = authority;
        let verdict = certified.verdict(&certified.policy("root.toml", other_root));
        assert_eq!(verdict["code"], code, "{verdict}");
    }
}

/// swtpm's certificates say that they are a program's, whatever a policy claims.
pub fn a_program_is_no_hardware(world: &World) {
    let certified = Certified::new(world);
    let hardware = |document: &mut PolicyDocument| document.trusted_root[0].kind = TpmKind::Hardware;
    let verdict = certified.verdict(&certified.policy("allowed.toml", hardware));
    assert_eq!((&verdict["verified"], &verdict["tpm_kind"]), (&json!(true), &json!("software")), "{verdict}");
    let verdict = certified.verdict(&certified.policy("hardware.toml", |document| {
        hardware(document);
        document.weakening.allow_software_tpm = false;
    }));
    assert_eq!(verdict["code"], "software_tpm_not_allowed", "{verdict}");
    assert_eq!(verdict["explanation"]["allow"]["key"], "weakening.allow_software_tpm");
}

/// A man in the middle who cannot open the credential is refused for that, and one who has it opened by the right TPM gains
/// nothing: the quote still binds another TLS key than his.
pub fn men_in_the_middle_gain_nothing(world: &World) {
    let certified = Certified::new(world);
    let policy = certified.policy("policy.toml", |_| {});
    let wrong = json!({"secret": BASE64.encode(&[7; 32])}).to_string();
    let wrong: Activation = Arc::new(move |_| Bytes::from(wrong.clone()));
    let address = world.machine.address();
    let relayed: Activation = Arc::new(move |credential| {
        run(async { http::send_tls(address, http::post("/attestation/activate", credential)).await.complete().await })
            .expect("an answer")
            .body
    });
    for (activation, code) in [(wrong, "ek_activation_failed"), (relayed, "tls_key_mismatch")] {
        let answers = Answers { evidence: altering(world, |_| {}), activation };
        refuses(&policy, TlsKey::generate(), answers, code);
    }
}
