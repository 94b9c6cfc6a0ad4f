//! The policy file, as written.

use serde::{Deserialize, Serialize};

use super::PolicyError;
use crate::{
    application::{APPLICATION_PCR, IDENTITY_PCR, Part},
    digest::Sha256Digest,
    evidence::PcrBanks,
    tpm::Name,
};

/// The policy file. [`Policy::try_from`](super::Policy) turns it into a valid policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// Always 1.
    pub version: u32,
    /// The oldest evidence accepted: seconds from sending the nonce to the verdict, 1 to 600.
    pub max_evidence_age_seconds: u32,
    /// How long a verdict is used before the peer has to attest again: seconds, 1 to 86,400.
    pub reattest_after_seconds: u32,
    /// What the user chose to weaken.
    #[serde(default)]
    pub weakening: WeakeningSwitches,
    /// The attestation keys that are trusted.
    #[serde(default)]
    pub trusted_ak: Vec<TrustedAk>,
    /// The platforms that are allowed.
    #[serde(default)]
    pub platform: Vec<Platform>,
    /// The releases that are allowed.
    #[serde(default)]
    pub release: Vec<Release>,
}

/// Switches that weaken a check, each off unless it is spelled out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WeakeningSwitches {
    /// Accept attestation keys of `kind = "software"`.
    pub allow_software_tpm: bool,
    /// Accept platforms with `application_measurements = "self-reported"`.
    pub allow_self_reported: bool,
}

/// An attestation key, pinned by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedAk {
    /// The key's TPM Name.
    pub name: Name,
    /// What the user calls the machine.
    pub machine: String,
    /// What kind of TPM holds the key.
    pub kind: TpmKind,
}

/// What a TPM is made of. There is no default: who pins a key has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TpmKind {
    /// A chip, or firmware in the processor.
    Hardware,
    /// A TPM that a cloud's hypervisor emulates.
    CloudVtpm,
    /// A program such as swtpm; proves nothing about hardware.
    Software,
}

impl std::fmt::Display for TpmKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hardware => "hardware",
            Self::CloudVtpm => "cloud-vtpm",
            Self::Software => "software",
        })
    }
}

/// A boot state that is allowed, as a complete set of PCR values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// What the user calls it.
    pub name: String,
    /// Whether the platform makes the application's measurements true.
    pub application_measurements: ApplicationMeasurements,
    /// The PCR that holds the application.
    #[serde(default = "application_pcr")]
    pub application_pcr: u8,
    /// The PCR that holds the identity of the current launch.
    #[serde(default = "identity_pcr")]
    pub identity_pcr: u8,
    /// PCRs that the firmware log has to explain; with none, evidence must not carry a firmware log.
    #[serde(default)]
    pub firmware_log_pcrs: Vec<u8>,
    /// The values, PCRs 0 to 7 at least.
    pub pcrs: PcrBanks,
}

const fn application_pcr() -> u8 {
    APPLICATION_PCR
}

const fn identity_pcr() -> u8 {
    IDENTITY_PCR
}

/// Who vouches for what the application PCRs say. There is no default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApplicationMeasurements {
    /// An immutable operating system measures the gateway before it runs it.
    Enforced,
    /// The gateway measures itself; whoever is root could make it claim anything.
    SelfReported,
}

impl std::fmt::Display for ApplicationMeasurements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Enforced => "enforced",
            Self::SelfReported => "self-reported",
        })
    }
}

/// A release of the gateway, as a complete tuple: parts of different releases never mix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// What the user calls it.
    pub name: String,
    /// Whether it may serve, or may only have run earlier since boot.
    pub status: ReleaseStatus,
    /// SHA-256 of the gateway's program file.
    pub gateway_binary: Sha256Digest,
    /// SHA-256 of the effective configuration.
    pub config: Sha256Digest,
    /// SHA-256 of the model's weights manifest.
    pub model_weights: Sha256Digest,
}

impl Release {
    /// The digest that a launch has to have for `part`.
    #[must_use]
    pub const fn digest(&self, part: Part) -> Sha256Digest {
        match part {
            Part::GatewayBinary => self.gateway_binary,
            Part::Config => self.config,
            Part::ModelWeights => self.model_weights,
        }
    }
}

/// What a release may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStatus {
    /// It may be the one that runs.
    Serving,
    /// It may have run before the current one, since the machine's boot.
    Past,
}

impl PolicyDocument {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError::Syntax`] names the key, the line and what belongs there.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let syntax = |path: String, error: &toml::de::Error| PolicyError::Syntax { path, reason: error.to_string() };
        let toml = toml::Deserializer::parse(text).map_err(|error| syntax(".".to_owned(), &error))?;
        let document: Self =
            serde_path_to_error::deserialize(toml).map_err(|error| syntax(error.path().to_string(), error.inner()))?;
        let given: toml::Table = text.parse().map_err(|error| syntax(".".to_owned(), &error))?;
        let understood = toml::Table::try_from(&document).map_err(|error| PolicyError::Unwritable(error.to_string()))?;
        check_understood(".", &given.into(), Some(&understood.into()))?;
        Ok(document)
    }

    /// Writes the policy file.
    ///
    /// # Errors
    /// [`PolicyError::Unwritable`] if TOML cannot express a value.
    pub fn to_toml(&self) -> Result<String, PolicyError> {
        toml::to_string_pretty(self).map_err(|error| PolicyError::Unwritable(error.to_string()))
    }
}

/// Everything that is given has to be understood as it stands.
///
/// Derived readers take an array for a table: `weakening = [true, true]` would weaken without naming what. Keys that are
/// understood but not given are defaults.
fn check_understood(path: &str, given: &toml::Value, understood: Option<&toml::Value>) -> Result<(), PolicyError> {
    use toml::Value::{Array, Table};
    match (given, understood) {
        (Table(given), Some(Table(understood))) => {
            given.iter().try_for_each(|(key, value)| check_understood(key, value, understood.get(key)))
        }
        (Array(given), Some(Array(understood))) => given
            .iter()
            .enumerate()
            .try_for_each(|(index, value)| check_understood(&format!("{path}[{index}]"), value, understood.get(index))),
        (given, Some(understood)) if given == understood => Ok(()),
        _ => Err(PolicyError::Syntax { path: path.to_owned(), reason: format!("no {} belongs here", given.type_str()) }),
    }
}
