//! A policy as a list of entries with fields, which people and programs can read and compare.

use blindllama_attest::{
    application::Part,
    digest::Sha256Digest,
    hash::HashAlgorithm,
    policy::{Platform, PolicyDocument, Release, TrustedAk, TrustedRoot, Weakening},
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde::Serialize;

/// What an entry is about, in the order in which a reviewer asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// The policy itself: revision and limits.
    Policy,
    /// What is weakened.
    Weakening,
    /// Keys that are trusted.
    TrustedAk,
    /// Authorities that are trusted.
    TrustedRoot,
    /// Boot states that are allowed.
    Platform,
    /// Releases that are allowed.
    Release,
}

impl Section {
    /// A heading for people.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Weakening => "weakening",
            Self::TrustedAk => "trusted key",
            Self::TrustedRoot => "trusted authority",
            Self::Platform => "platform",
            Self::Release => "release",
        }
    }
}

/// A part of a policy that stands or falls as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What it is about.
    pub section: Section,
    /// What tells it from others of its section; empty where there is one only.
    pub name: String,
    /// Its fields, by the policy's keys.
    pub fields: Vec<Field>,
}

/// A field of an [`Entry`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The policy's key.
    pub key: String,
    /// The value, as text.
    pub value: String,
}

fn field(key: impl Into<String>, value: impl ToString) -> Field {
    Field { key: key.into(), value: value.to_string() }
}

/// All entries of a policy, with what it leaves to defaults spelled out.
#[must_use]
pub fn outline(document: &PolicyDocument) -> Vec<Entry> {
    let mut entries = vec![limits(document), weakening(document)];
    entries.extend(document.trusted_ak.iter().map(trusted_ak));
    entries.extend(document.trusted_root.iter().map(trusted_root));
    entries.extend(document.platform.iter().map(platform));
    entries.extend(document.release.iter().map(release));
    entries
}

fn limits(document: &PolicyDocument) -> Entry {
    let revision = document.revision.map_or("none".to_owned(), |revision| revision.to_string());
    let fields = vec![
        field("revision", revision),
        field("max_evidence_age_seconds", document.max_evidence_age_seconds),
        field("reattest_after_seconds", document.reattest_after_seconds),
    ];
    Entry { section: Section::Policy, name: String::new(), fields }
}

fn weakening(document: &PolicyDocument) -> Entry {
    let switches = Weakening::ALL.map(|weakening| field(weakening.code(), document.weakening.get(weakening)));
    Entry { section: Section::Weakening, name: String::new(), fields: switches.into() }
}

fn trusted_ak(ak: &TrustedAk) -> Entry {
    let fields = vec![field("machine", &ak.machine), field("kind", ak.kind)];
    Entry { section: Section::TrustedAk, name: ak.name.to_string(), fields }
}

fn trusted_root(root: &TrustedRoot) -> Entry {
    let certificate = CertificateDer::from_pem_slice(root.certificate.as_bytes());
    let certificate =
        certificate.map_or_else(|_| root.certificate.clone(), |der| format!("sha256 {}", Sha256Digest::of(&[&der])));
    let mut fields = vec![field("certifies", root.certifies), field("kind", root.kind), field("certificate", certificate)];
    if root.machine.is_empty() {
        fields.push(field("machine", "any"));
    }
    fields.extend(root.machine.iter().map(|machine| {
        let identity = machine.identity().map_or("nothing".to_owned(), |by| format!("{} {by}", by.policy_key()));
        field(format!("machine {:?}", machine.name), identity)
    }));
    Entry { section: Section::TrustedRoot, name: root.name.clone(), fields }
}

fn platform(platform: &Platform) -> Entry {
    let pcrs = platform.launch_pcrs();
    let mut fields = vec![
        field("application_measurements", platform.application_measurements),
        field("application_pcr", pcrs.application.pcr),
        field("application_pcr_start", start(pcrs.application.start)),
        field("identity_pcr", pcrs.identity.pcr),
        field("identity_pcr_start", start(pcrs.identity.start)),
        field("firmware_log_pcrs", format!("{:?}", platform.firmware_log_pcrs)),
        field("firmware_log_bank", platform.firmware_log_bank()),
    ];
    for (bank, values) in platform.pcrs.iter() {
        fields.extend(values.iter().map(|(pcr, value)| field(pcr_key(bank, *pcr), value)));
    }
    Entry { section: Section::Platform, name: platform.name.clone(), fields }
}

fn pcr_key(bank: HashAlgorithm, pcr: u8) -> String {
    format!("pcrs.{bank}.{pcr}")
}

fn start(value: Sha256Digest) -> String {
    if value == Sha256Digest::ZERO { "zero".to_owned() } else { value.to_hex() }
}

fn release(release: &Release) -> Entry {
    let mut fields = vec![field("status", release.status)];
    fields.extend(Part::ALL.map(|part| field(part.policy_key(), release.digest(part))));
    Entry { section: Section::Release, name: release.name.clone(), fields }
}
