//! `[tpm]`: where evidence comes from.

use std::{collections::BTreeSet, num::NonZeroU32, path::PathBuf};

use blindllama_attest::nonce::MAX_LEAVES;
use serde::{Deserialize, Serialize};

/// `[tpm]`: where evidence comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawTpmConfig")]
pub struct TpmConfig {
    /// How the TPM is reached, as a TSS2 TCTI string: `device:/dev/tpmrm0`, `swtpm:host=127.0.0.1,port=2321`.
    pub tcti: String,
    /// Folder for the attestation key's blobs, which only this TPM can use.
    pub state_dir: PathBuf,
    /// PCRs that each quote covers, the two below among them.
    pub pcrs: BTreeSet<PcrIndex>,
    /// The PCR that holds the application.
    pub application_pcr: PcrIndex,
    /// The PCR that holds the identity of the current launch.
    pub identity_pcr: PcrIndex,
    /// The application log; it has to live exactly as long as the boot.
    pub application_log: PathBuf,
    /// The firmware's TCG log, where the platform has one.
    pub firmware_log: Option<PathBuf>,
    /// What the attestation key is, or will be where there is none yet.
    pub ak: AkKind,
    /// The attestation key's certificates, DER or PEM, leaf first.
    pub ak_certificates: Vec<PathBuf>,
    /// The endorsement key that credentials are made for.
    pub ek: EkKind,
    /// The endorsement key's certificates, DER or PEM, leaf first; read from the TPM's NVRAM where empty.
    pub ek_certificates: Vec<PathBuf>,
    /// Certificates between the endorsement key's and its maker's root.
    pub ek_intermediates: Vec<PathBuf>,
    /// How many nonces may wait for a quote, 1 to 65,536; whoever comes later is told to come back.
    pub max_waiting_nonces: NonZeroU32,
    /// Credential activations in a second, on the average; twice as many may come at once.
    pub activations_per_second: NonZeroU32,
}

/// What the attestation key signs with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum AkKind {
    /// ECDSA over NIST P-256 with SHA-256.
    #[default]
    #[serde(rename = "ecdsa-p256")]
    EcdsaP256,
    /// ECDSA over NIST P-384 with SHA-384.
    #[serde(rename = "ecdsa-p384")]
    EcdsaP384,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    #[serde(rename = "rsassa-2048")]
    Rsassa2048,
    /// RSASSA-PSS with SHA-256, 2048 bits.
    #[serde(rename = "rsapss-2048")]
    Rsapss2048,
}

/// A template of the TCG EK Credential Profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum EkKind {
    /// L-1.
    #[default]
    #[serde(rename = "rsa-2048")]
    Rsa2048,
    /// L-2.
    #[serde(rename = "ecc-p256")]
    EccP256,
    /// H-3.
    #[serde(rename = "ecc-p384")]
    EccP384,
}

/// The index of a PCR, 0 to 23 (TCG PC Client Platform TPM Profile, section 4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8")]
pub struct PcrIndex(u8);

impl PcrIndex {
    /// The index as a number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for PcrIndex {
    type Error = String;

    fn try_from(index: u8) -> Result<Self, String> {
        if index < 24 { Ok(Self(index)) } else { Err(format!("{index} is no PCR: a TPM has PCRs 0 to 23")) }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTpmConfig {
    tcti: String,
    state_dir: PathBuf,
    #[serde(default = "default_pcrs")]
    pcrs: Vec<PcrIndex>,
    #[serde(default = "default_application_pcr")]
    application_pcr: PcrIndex,
    #[serde(default = "default_identity_pcr")]
    identity_pcr: PcrIndex,
    #[serde(default = "default_application_log")]
    application_log: PathBuf,
    #[serde(default)]
    firmware_log: Option<PathBuf>,
    #[serde(default)]
    ak: AkKind,
    #[serde(default)]
    ak_certificates: Vec<PathBuf>,
    #[serde(default)]
    ek: EkKind,
    #[serde(default)]
    ek_certificates: Vec<PathBuf>,
    #[serde(default)]
    ek_intermediates: Vec<PathBuf>,
    #[serde(default = "default_max_waiting_nonces")]
    max_waiting_nonces: NonZeroU32,
    #[serde(default = "default_activations_per_second")]
    activations_per_second: NonZeroU32,
}

fn default_pcrs() -> Vec<PcrIndex> {
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15].map(PcrIndex).to_vec()
}

const fn default_application_pcr() -> PcrIndex {
    PcrIndex(blindllama_attest::application::APPLICATION_PCR)
}

const fn default_identity_pcr() -> PcrIndex {
    PcrIndex(blindllama_attest::application::IDENTITY_PCR)
}

fn default_application_log() -> PathBuf {
    PathBuf::from("/run/blindllama/application.log")
}

fn default_max_waiting_nonces() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(MAX_LEAVES - 1)
}

fn default_activations_per_second() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(9)
}

impl TryFrom<RawTpmConfig> for TpmConfig {
    type Error = String;

    fn try_from(raw: RawTpmConfig) -> Result<Self, String> {
        let (application, identity) = (raw.application_pcr, raw.identity_pcr);
        let pcrs: BTreeSet<_> = raw.pcrs.into_iter().collect();
        if application == identity {
            return Err(format!("application_pcr and identity_pcr have to differ, both are {}", application.get()));
        }
        if let Some(missing) = [application, identity].into_iter().find(|index| !pcrs.contains(index)) {
            return Err(format!("pcrs has to contain application_pcr and identity_pcr; {} is missing", missing.get()));
        }
        if raw.max_waiting_nonces.get() > MAX_LEAVES {
            return Err(format!("max_waiting_nonces is {}; a quote carries at most {MAX_LEAVES}", raw.max_waiting_nonces));
        }
        Ok(Self {
            tcti: raw.tcti,
            state_dir: raw.state_dir,
            pcrs,
            application_pcr: application,
            identity_pcr: identity,
            application_log: raw.application_log,
            firmware_log: raw.firmware_log,
            ak: raw.ak,
            ak_certificates: raw.ak_certificates,
            ek: raw.ek,
            ek_certificates: raw.ek_certificates,
            ek_intermediates: raw.ek_intermediates,
            max_waiting_nonces: raw.max_waiting_nonces,
            activations_per_second: raw.activations_per_second,
        })
    }
}
