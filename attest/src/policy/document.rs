//! The policy file, as written.

use serde::{Deserialize, Serialize};

use super::{Platform, PolicyError, Release, TrustedAk, TrustedRoot, Weakening};

/// The policy file. [`Policy::try_from`](super::Policy) turns it into a valid policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyDocument {
    /// The format's version, always 1.
    pub version: u32,
    /// Counts the policy's own editions, from 1; a signed policy needs one, and never gives way to a lower one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The oldest evidence accepted: seconds from sending the nonce to the verdict, 1 to 600.
    pub max_evidence_age_seconds: u32,
    /// How long a verdict is used before the peer has to attest again: seconds, 1 to 86,400.
    pub reattest_after_seconds: u32,
    /// What the user chose to weaken.
    #[serde(default)]
    pub weakening: WeakeningSwitches,
    /// The attestation keys that are trusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_ak: Vec<TrustedAk>,
    /// The authorities that are trusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted_root: Vec<TrustedRoot>,
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
    /// Accept any machine that a `trusted_root` without machines certifies.
    pub any_machine: bool,
}

impl WeakeningSwitches {
    /// Whether `weakening` is switched on.
    #[must_use]
    pub const fn get(&self, weakening: Weakening) -> bool {
        match weakening {
            Weakening::SoftwareTpm => self.allow_software_tpm,
            Weakening::SelfReported => self.allow_self_reported,
            Weakening::AnyMachine => self.any_machine,
        }
    }
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
