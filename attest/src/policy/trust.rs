//! Whom to believe: attestation keys pinned by name, and authorities with the machines that they vouch for.

use serde::{Deserialize, Serialize};

use crate::{digest::Sha256Digest, tpm::Name};

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

/// An authority that certifies keys of TPMs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedRoot {
    /// What the user calls the authority.
    pub name: String,
    /// Which keys its certificates are about.
    pub certifies: Certifies,
    /// What kind of TPM it certifies.
    pub kind: TpmKind,
    /// Its own certificate, PEM.
    pub certificate: String,
    /// The machines that are meant. With none, `any_machine` has to be allowed: whoever owns a TPM of that maker could answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub machine: Vec<Machine>,
}

/// What an authority's certificates are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certifies {
    /// The attestation key itself.
    AttestationKey,
    /// The endorsement key; that it shares a TPM with the attestation key is proved by credential activation.
    EndorsementKey,
}

impl std::fmt::Display for Certifies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AttestationKey => "attestation-key",
            Self::EndorsementKey => "endorsement-key",
        })
    }
}

/// A machine under an authority, by exactly one of its identities.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// What the user calls the machine.
    pub name: String,
    /// The attestation key's TPM Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ak_name: Option<Name>,
    /// SHA-256 of the endorsement key's SubjectPublicKeyInfo (DER).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ek_sha256: Option<Sha256Digest>,
    /// SHA-256 of the key's certificate (DER).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_sha256: Option<Sha256Digest>,
}

/// The one thing by which a machine under an authority is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MachineIdentity {
    /// The attestation key's TPM Name.
    AkName(Name),
    /// SHA-256 of the endorsement key's SubjectPublicKeyInfo (DER).
    EkSha256(Sha256Digest),
    /// SHA-256 of the key's certificate (DER).
    Certificate(Sha256Digest),
}

impl MachineIdentity {
    /// The key of a machine in a policy.
    #[must_use]
    pub const fn policy_key(self) -> &'static str {
        match self {
            Self::AkName(_) => "ak_name",
            Self::EkSha256(_) => "ek_sha256",
            Self::Certificate(_) => "certificate_sha256",
        }
    }
}

impl std::fmt::Display for MachineIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AkName(name) => name.fmt(f),
            Self::EkSha256(digest) | Self::Certificate(digest) => digest.fmt(f),
        }
    }
}

impl Machine {
    /// By what the machine is recognised. A valid policy's machines all have this.
    #[must_use]
    pub fn identity(&self) -> Option<MachineIdentity> {
        let mut identities = self.identities();
        identities.next().filter(|_| identities.next().is_none())
    }

    /// Everything that is given as an identity, which a valid policy has once.
    pub(super) fn identities(&self) -> impl Iterator<Item = MachineIdentity> {
        let (ak_name, ek_sha256, certificate_sha256) = (self.ak_name, self.ek_sha256, self.certificate_sha256);
        let all = [
            ak_name.map(MachineIdentity::AkName),
            ek_sha256.map(MachineIdentity::EkSha256),
            certificate_sha256.map(MachineIdentity::Certificate),
        ];
        all.into_iter().flatten()
    }
}

/// What a TPM is made of. There is no default: who trusts one has to know.
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
