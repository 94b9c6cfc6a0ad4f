//! Boot states that are allowed.

use serde::{Deserialize, Serialize};

use crate::{
    application::{APPLICATION_PCR, IDENTITY_PCR, LaunchPcr, LaunchPcrs},
    digest::Sha256Digest,
    hash::HashAlgorithm,
    pcr_banks::PcrBanks,
};

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
    /// Its value before the first launch, where the boot loader extends it too; zero where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_pcr_start: Option<Sha256Digest>,
    /// The PCR that holds the identity of the current launch.
    #[serde(default = "identity_pcr")]
    pub identity_pcr: u8,
    /// Its value before the first launch; zero where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_pcr_start: Option<Sha256Digest>,
    /// PCRs that the firmware log has to explain; with none, evidence must not carry a firmware log.
    #[serde(default)]
    pub firmware_log_pcrs: Vec<u8>,
    /// The bank in which it has to explain them; SHA-256 where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware_log_bank: Option<BankName>,
    /// The values: in the SHA-256 bank PCRs 0 to 7 at least. A SHA-1 bank is accepted only where it is listed here.
    pub pcrs: PcrBanks,
}

/// A bank's name in a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BankName(pub HashAlgorithm);

impl Serialize for BankName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de> Deserialize<'de> for BankName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let bank = HashAlgorithm::from_name(&name);
        bank.map(Self).ok_or_else(|| serde::de::Error::custom("a bank is sha1, sha256, sha384 or sha512"))
    }
}

impl Platform {
    /// The PCRs that hold launches, with the values at which the application log begins.
    #[must_use]
    pub fn launch_pcrs(&self) -> LaunchPcrs {
        let at = |pcr, start: Option<Sha256Digest>| LaunchPcr { pcr, start: start.unwrap_or(Sha256Digest::ZERO) };
        LaunchPcrs {
            application: at(self.application_pcr, self.application_pcr_start),
            identity: at(self.identity_pcr, self.identity_pcr_start),
        }
    }

    /// The bank in which the firmware log has to explain PCRs.
    #[must_use]
    pub fn firmware_log_bank(&self) -> HashAlgorithm {
        self.firmware_log_bank.map_or(HashAlgorithm::Sha256, |BankName(bank)| bank)
    }
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
