//! Evidence in a file, to be looked at and verified again later: `blindllama-evidence/v1`.
//!
//! A saved bundle is as trustworthy as whoever recorded it. Quote, keys, logs and nonce in it are checked as on the day; that
//! the nonce was fresh then, that the connection ended at that TLS key, the age and the time are the recorder's word.

use std::{collections::BTreeMap, fmt, time::Duration};

use blindllama_attest::{
    credential::ActivatedKey,
    digest::Sha256Digest,
    evidence::encoding::Base64Bytes,
    nonce::Nonce,
    policy::Policy,
    tpm::Name,
    verify::{PassedCheck, UnixTime, VerifiedPeer, VerifyError},
};
use data_encoding::HEXLOWER;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{evidence_client::FetchedEvidence, gateway_url::GatewayUrl};

/// The largest bundle that is read or written, in bytes.
pub const MAX_BUNDLE_BYTES: usize = 64 * 1024 * 1024;

/// The value of `format`.
const FORMAT: &str = "blindllama-evidence/v1";

/// A bundle: what was fetched, and what the recorder alone knew. The fields are the file's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedEvidence {
    format: String,
    gateway: String,
    fetched_at: u64,
    age_ms: u64,
    #[serde(serialize_with = "nonce_to_hex", deserialize_with = "nonce_from_hex")]
    nonce: Nonce,
    connection_spki_sha256: Sha256Digest,
    activation: Option<Activation>,
    #[serde(deserialize_with = "each_digest_once")]
    manifests: BTreeMap<Sha256Digest, Base64Bytes>,
    evidence: Base64Bytes,
}

/// That a credential was activated: the attestation key shares a TPM with this endorsement key. The recorder's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// The attestation key's Name.
    pub ak_name: Name,
    /// SHA-256 of the endorsement key's SubjectPublicKeyInfo.
    pub ek_spki_sha256: Sha256Digest,
}

impl Activation {
    fn of(key: &ActivatedKey) -> Option<Self> {
        let ak_name = HEXLOWER.encode(key.ak_name()).parse().ok()?;
        Some(Self { ak_name, ek_spki_sha256: key.ek_spki_sha256() })
    }

    fn as_recorded(&self) -> ActivatedKey {
        ActivatedKey::recorded(self.ak_name.as_bytes().to_vec(), self.ek_spki_sha256)
    }
}

/// A verdict about evidence of the past. It is no [`VerifiedPeer`]: nothing may be sent on the strength of it.
#[derive(Debug, Clone)]
pub struct PastVerdict(VerifiedPeer);

impl PastVerdict {
    /// What was verified then, to be told.
    pub(crate) const fn peer(&self) -> &VerifiedPeer {
        &self.0
    }
}

/// A file that is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBundle {
    /// Larger than any honest one.
    #[error("it has {0} bytes; at most {MAX_BUNDLE_BYTES} are read")]
    TooLarge(usize),
    /// No JSON of this form.
    #[error("it is no saved evidence: {0}")]
    Json(#[from] serde_json::Error),
    /// Another format or version.
    #[error("its format is {0:?}, and this program reads {FORMAT:?}")]
    Format(String),
    /// Not written as this program writes it.
    #[error("a key is missing, or an array stands for an object")]
    NotExact,
}

impl SavedEvidence {
    /// What was fetched from `gateway`, to be written down.
    #[must_use]
    pub fn new(gateway: &GatewayUrl, fetched: &FetchedEvidence) -> Self {
        Self {
            format: FORMAT.to_owned(),
            gateway: gateway.to_string(),
            fetched_at: fetched.fetched_at.0,
            age_ms: u64::try_from(fetched.age.as_millis()).unwrap_or(u64::MAX),
            nonce: fetched.nonce.clone(),
            connection_spki_sha256: fetched.connection_spki_sha256,
            activation: fetched.activated.as_ref().and_then(Activation::of),
            manifests: BTreeMap::new(),
            evidence: Base64Bytes(fetched.document.to_vec()),
        }
    }

    /// Adds the document behind a digest, as the gateway gave it.
    #[must_use]
    pub fn with_manifest(mut self, digest: Sha256Digest, manifest: Vec<u8>) -> Self {
        self.manifests.insert(digest, Base64Bytes(manifest));
        self
    }

    /// Reads a bundle, strictly.
    ///
    /// # Errors
    /// [`InvalidBundle`] says what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidBundle> {
        if bytes.len() > MAX_BUNDLE_BYTES {
            return Err(InvalidBundle::TooLarge(bytes.len()));
        }
        let saved: Self = serde_json::from_slice(bytes)?;
        if saved.format != FORMAT {
            return Err(InvalidBundle::Format(saved.format));
        }
        // Derived readers take an array for an object, and a missing key for null.
        let given: serde_json::Value = serde_json::from_slice(bytes)?;
        if given == serde_json::to_value(&saved)? { Ok(saved) } else { Err(InvalidBundle::NotExact) }
    }

    /// Writes the bundle.
    ///
    /// # Errors
    /// [`InvalidBundle::TooLarge`] if it could not be read again.
    pub fn to_bytes(&self) -> Result<Vec<u8>, InvalidBundle> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        if bytes.len() <= MAX_BUNDLE_BYTES { Ok(bytes) } else { Err(InvalidBundle::TooLarge(bytes.len())) }
    }

    /// Judges the evidence as it would have been judged when it was fetched: nonce, connection and age as recorded,
    /// certificates at that time.
    ///
    /// # Errors
    /// [`VerifyError`]: the first check that failed.
    pub fn verify(&self, policy: &Policy) -> Result<PastVerdict, VerifyError> {
        self.verify_with_report(policy).1
    }

    pub(crate) fn verify_with_report(&self, policy: &Policy) -> (Vec<PassedCheck>, Result<PastVerdict, VerifyError>) {
        let fetched = FetchedEvidence {
            document: self.evidence.0.clone().into(),
            nonce: self.nonce.clone(),
            connection_spki_sha256: self.connection_spki_sha256,
            age: Duration::from_millis(self.age_ms),
            fetched_at: UnixTime(self.fetched_at),
            activated: self.activation.as_ref().map(Activation::as_recorded),
        };
        let (passed, verdict) = fetched.verify_with_report(policy, None);
        (passed, verdict.map(PastVerdict))
    }

    /// The evidence document's bytes.
    #[must_use]
    pub fn document(&self) -> &[u8] {
        &self.evidence.0
    }

    /// The gateway's address, as recorded.
    #[must_use]
    pub fn gateway(&self) -> &str {
        &self.gateway
    }

    /// When it was fetched, as recorded.
    #[must_use]
    pub const fn fetched_at(&self) -> UnixTime {
        UnixTime(self.fetched_at)
    }

    /// Time from sending the nonce to the document's last byte, as recorded.
    #[must_use]
    pub const fn age(&self) -> Duration {
        Duration::from_millis(self.age_ms)
    }

    /// The nonce that was sent, as recorded.
    #[must_use]
    pub const fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// SHA-256 of the connection's TLS key, as recorded.
    #[must_use]
    pub const fn connection_spki_sha256(&self) -> Sha256Digest {
        self.connection_spki_sha256
    }

    /// The activation, as recorded.
    #[must_use]
    pub const fn activation(&self) -> Option<&Activation> {
        self.activation.as_ref()
    }

    /// The documents that were saved too. Whoever uses one has to check its hash.
    pub fn manifests(&self) -> impl Iterator<Item = (Sha256Digest, &[u8])> {
        self.manifests.iter().map(|(digest, bytes)| (*digest, bytes.0.as_slice()))
    }
}

fn nonce_to_hex<S: Serializer>(nonce: &Nonce, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&nonce.to_hex())
}

fn nonce_from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Nonce, D::Error> {
    Nonce::from_hex(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// A ready-made map would drop the first of two equal keys without a word.
fn each_digest_once<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Sha256Digest, Base64Bytes>, D::Error> {
    struct Manifests;

    impl<'de> Visitor<'de> for Manifests {
        type Value = BTreeMap<Sha256Digest, Base64Bytes>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of digest to base64")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut manifests = BTreeMap::new();
            while let Some((digest, bytes)) = map.next_entry()? {
                if manifests.insert(digest, bytes).is_some() {
                    return Err(A::Error::custom(format!("manifest {digest} is there twice")));
                }
            }
            Ok(manifests)
        }
    }

    deserializer.deserialize_map(Manifests)
}
