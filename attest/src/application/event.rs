//! One event of the application log: its typed data, its digest, and its form on the wire.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::value::RawValue;

use crate::{canonical_json::to_canonical_json, digest::Sha256Digest, evidence::encoding::Base64Array};

/// An event, by type. Its data is everything a verifier compares with a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `launch.begin`: opens a launch in both PCRs; the nonce is the same in both.
    LaunchBegin(LaunchBegin),
    /// `gateway.binary`: the gateway's own program file.
    GatewayBinary(MeasuredFile),
    /// `engine.packages`: a manifest of every file that the engine's interpreter can load.
    EnginePackages(MeasuredManifest),
    /// `config`: the effective configuration, a canonical JSON document.
    Config(MeasuredFile),
    /// `launch`: command line and environment, a canonical JSON document.
    Launch(MeasuredFile),
    /// `model.weights`: a manifest of every file of the model folder.
    ModelWeights(MeasuredManifest),
    /// `model.chat_template`: the template's text as the gateway renders it.
    ChatTemplate(MeasuredFile),
    /// `sealed` in the application PCR: nothing of this launch follows there.
    SealedApplication,
    /// `identity.tls_spki`: the TLS key of this launch.
    TlsSpki(Sha256Digest),
    /// `identity.receipt_key`: the Ed25519 key of this launch's receipts.
    ReceiptKey(Base64Array<32>),
    /// `sealed` in the identity PCR: holds the application PCR's value at that time.
    SealedIdentity(Sha256Digest),
}

/// Data of `launch.begin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchBegin {
    /// 16 random bytes that name the launch.
    pub launch: Base64Array<16>,
}

/// Data of an event that measures one file or document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredFile {
    /// SHA-256 of its bytes.
    pub sha256: Sha256Digest,
    /// Its size.
    pub bytes: u64,
}

/// Data of an event that measures many files through a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasuredManifest {
    /// SHA-256 of the manifest, served at `/attestation/manifests/<sha256>`.
    pub manifest_sha256: Sha256Digest,
    /// Number of files in the manifest.
    pub files: u64,
    /// Sum of their sizes.
    pub bytes: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsSpkiData {
    sha256: Sha256Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiptKeyData {
    ed25519: Base64Array<32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedIdentityData {
    application_pcr: Sha256Digest,
}

/// The event's type is unknown, or its data does not fit its type.
#[derive(Debug, thiserror::Error)]
#[error("event {kind:?}: {reason}")]
pub struct InvalidEvent {
    kind: String,
    reason: String,
}

impl Event {
    /// The event's `type` on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::LaunchBegin(_) => "launch.begin",
            Self::GatewayBinary(_) => "gateway.binary",
            Self::EnginePackages(_) => "engine.packages",
            Self::Config(_) => "config",
            Self::Launch(_) => "launch",
            Self::ModelWeights(_) => "model.weights",
            Self::ChatTemplate(_) => "model.chat_template",
            Self::SealedApplication | Self::SealedIdentity(_) => "sealed",
            Self::TlsSpki(_) => "identity.tls_spki",
            Self::ReceiptKey(_) => "identity.receipt_key",
        }
    }

    /// The event's `data` as canonical JSON (RFC 8785).
    ///
    /// # Errors
    /// A size beyond 2^53 has no canonical form.
    pub fn data(&self) -> Result<Vec<u8>, InvalidEvent> {
        let written = match self {
            Self::LaunchBegin(data) => to_canonical_json(data),
            Self::GatewayBinary(file) | Self::Config(file) | Self::Launch(file) | Self::ChatTemplate(file) => {
                to_canonical_json(file)
            }
            Self::EnginePackages(manifest) | Self::ModelWeights(manifest) => to_canonical_json(manifest),
            Self::SealedApplication => to_canonical_json(&Nothing {}),
            Self::TlsSpki(sha256) => to_canonical_json(&TlsSpkiData { sha256: *sha256 }),
            Self::ReceiptKey(ed25519) => to_canonical_json(&ReceiptKeyData { ed25519: *ed25519 }),
            Self::SealedIdentity(pcr) => to_canonical_json(&SealedIdentityData { application_pcr: *pcr }),
        };
        written.map_err(|error| InvalidEvent { kind: self.kind().to_owned(), reason: error.to_string() })
    }

    /// What the event extends its PCR with:
    /// `SHA-256("blindllama/event/v1" ‖ u32be(len type) ‖ type ‖ u32be(len data) ‖ data)`.
    ///
    /// # Errors
    /// As for [`Event::data`].
    pub fn digest(&self) -> Result<Sha256Digest, InvalidEvent> {
        let data = self.data()?;
        let kind = self.kind().as_bytes();
        Ok(Sha256Digest::of(&[b"blindllama/event/v1", &length_prefix(kind), kind, &length_prefix(&data), &data]))
    }

    fn parse(kind: &str, data: &RawValue) -> Result<Self, InvalidEvent> {
        let text = data.get();
        let event = match kind {
            "launch.begin" => serde_json::from_str(text).map(Self::LaunchBegin),
            "gateway.binary" => serde_json::from_str(text).map(Self::GatewayBinary),
            "engine.packages" => serde_json::from_str(text).map(Self::EnginePackages),
            "config" => serde_json::from_str(text).map(Self::Config),
            "launch" => serde_json::from_str(text).map(Self::Launch),
            "model.weights" => serde_json::from_str(text).map(Self::ModelWeights),
            "model.chat_template" => serde_json::from_str(text).map(Self::ChatTemplate),
            "identity.tls_spki" => serde_json::from_str(text).map(|TlsSpkiData { sha256 }| Self::TlsSpki(sha256)),
            "identity.receipt_key" => serde_json::from_str(text).map(|ReceiptKeyData { ed25519 }| Self::ReceiptKey(ed25519)),
            "sealed" => parse_sealed(text),
            _ => return Err(InvalidEvent { kind: kind.to_owned(), reason: "this version knows no such type".to_owned() }),
        };
        event.map_err(|error| InvalidEvent { kind: kind.to_owned(), reason: error.to_string() })
    }
}

fn parse_sealed(text: &str) -> Result<Event, serde_json::Error> {
    match serde_json::from_str::<Nothing>(text) {
        Ok(Nothing {}) => Ok(Event::SealedApplication),
        Err(_) => serde_json::from_str(text).map(|SealedIdentityData { application_pcr }| Event::SealedIdentity(application_pcr)),
    }
}

/// Lengths fit: data is a few hundred bytes.
#[allow(clippy::cast_possible_truncation)]
fn length_prefix(bytes: &[u8]) -> [u8; 4] {
    (bytes.len() as u32).to_be_bytes()
}

/// An event as the log holds it: with its PCR and the digest that the log claims.
///
/// The claimed digest is checked against type and data by whoever replays the log; nothing here trusts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The PCR that was extended.
    pub pcr: u8,
    /// What the log says it was extended with.
    pub digest: Sha256Digest,
    /// The event itself.
    pub event: Event,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoggedEventText {
    pcr: u8,
    r#type: String,
    digest: Sha256Digest,
    data: Box<RawValue>,
}

impl LoggedEvent {
    /// Logs `event` under the digest that it really has.
    ///
    /// # Errors
    /// As for [`Event::data`].
    pub fn new(pcr: u8, event: Event) -> Result<Self, InvalidEvent> {
        Ok(Self { pcr, digest: event.digest()?, event })
    }
}

impl Serialize for LoggedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let data = self.event.data().map_err(S::Error::custom)?;
        let data = String::from_utf8(data).map_err(S::Error::custom)?;
        let data = RawValue::from_string(data).map_err(S::Error::custom)?;
        LoggedEventText { pcr: self.pcr, r#type: self.event.kind().to_owned(), digest: self.digest, data }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for LoggedEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let LoggedEventText { pcr, r#type, digest, data } = LoggedEventText::deserialize(deserializer)?;
        let event = Event::parse(&r#type, &data).map_err(D::Error::custom)?;
        Ok(Self { pcr, digest, event })
    }
}
