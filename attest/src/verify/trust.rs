//! Check 5: the attestation key is trusted, in one of three ways.
//!
//! The policy pins the key by name; or a certificate chain from a pinned authority certifies it; or such a chain certifies
//! the TPM's endorsement key, and credential activation has proved that the two keys live in one TPM. For the latter two
//! the policy also says which machines are meant: a maker certifies every TPM that it sells.

use super::{UnixTime, VerifyError, attestation_key::Fit, document::Fresh, report::Passed};
use crate::{
    certificate::{Certificate, ChainError, InvalidCertificate, Role, VerifiedChain, verify_chain},
    credential::ActivatedKey,
    digest::Sha256Digest,
    evidence::{TpmEvidence, encoding::Base64Bytes},
    policy::{Authorities, Certifies, MachineIdentity, Policy, TpmKind, TrustedRoot, Weakening},
    tpm::{AttestationKey, Name},
};

/// Check 5 passed: a key that the policy trusts.
pub(super) struct Trusted<'d> {
    pub(super) evidence: &'d Fresh<'d>,
    pub(super) key: AttestationKey,
    pub(super) trust: Trust,
}

/// Why a key is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trust {
    /// The machine, as the policy names it.
    pub(super) machine: String,
    /// What kind of TPM holds the key.
    pub(super) kind: TpmKind,
    /// What says so.
    pub(super) ground: TrustGround,
}

/// What the trust in an attestation key rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustGround {
    /// The policy pins the key by name.
    Pinned,
    /// An authority certified the key.
    AkCertificate {
        /// The authority, as the policy names it.
        authority: String,
    },
    /// An authority certified the endorsement key of the same TPM.
    EkCertificate {
        /// The authority, as the policy names it.
        authority: String,
        /// Whether the activation is only somebody's record.
        recorded: bool,
    },
}

impl std::fmt::Display for TrustGround {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pinned => f.write_str("pinned by name"),
            Self::AkCertificate { authority } => write!(f, "certified by {authority:?}"),
            Self::EkCertificate { authority, recorded: false } => {
                write!(f, "proved by credential activation to be in the TPM that {authority:?} certified")
            }
            Self::EkCertificate { authority, recorded: true } => {
                write!(f, "recorded (not checked here) to have been activated in the TPM that {authority:?} certified")
            }
        }
    }
}

/// The attestation key is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// A certificate in the evidence cannot be read.
    #[error("{list}[{index}] of the evidence is no certificate: {reason}")]
    Malformed {
        /// `ak_certificates` or `ek_certificates`.
        list: &'static str,
        /// Position in the list.
        index: usize,
        /// What is wrong with it.
        reason: InvalidCertificate,
    },
    /// The chain does not lead to an authority of the policy.
    #[error("the {list} do not prove the key: {reason}")]
    Chain {
        /// `ak_certificates` or `ek_certificates`.
        list: &'static str,
        /// What is wrong with it.
        reason: ChainError,
    },
    /// The certificate is about another key.
    #[error("the attestation key's certificate is about another key (SHA-256 {certified}) than ak_public ({found})")]
    CertificateOfAnotherKey {
        /// SHA-256 of the certificate's key.
        certified: Sha256Digest,
        /// SHA-256 of the key in `ak_public`.
        found: Sha256Digest,
    },
    /// The endorsement key is certified, and nothing ties the attestation key to it.
    #[error(
        "the endorsement key is certified, but no credential activation has proved that the attestation key {name} is in the \
         same TPM; ask the gateway at /attestation/activate"
    )]
    NotActivated {
        /// The attestation key's Name.
        name: Name,
    },
    /// The activation was about other keys.
    #[error("the credential activation was about another pair of keys than {name} and the certified endorsement key")]
    ActivatedAnother {
        /// The attestation key's Name.
        name: Name,
    },
    /// The authority is trusted, and the machine is not among those that are meant.
    #[error(
        "{authority:?} certifies this TPM, but the policy does not list it among that authority's machines (attestation key \
         {name}, certificate {certificate}, key {key})"
    )]
    MachineNotListed {
        /// The authority, as the policy names it.
        authority: String,
        /// The attestation key's Name.
        name: Name,
        /// SHA-256 of the certificate.
        certificate: Sha256Digest,
        /// SHA-256 of the certified key.
        key: Sha256Digest,
    },
    /// Nothing in the policy is about this key.
    #[error(
        "the attestation key {name} is none of the policy's; if you trust that machine, add a [[trusted_ak]] with this name, \
         and if you do not know it, somebody else answered"
    )]
    NotTrusted {
        /// The key's Name.
        name: Name,
    },
    /// It is a software TPM's, and the policy does not allow those.
    #[error(
        "the attestation key {name} of {machine:?} belongs to a software TPM, which proves nothing about hardware; for \
         development, set allow_software_tpm = true"
    )]
    SoftwareTpmNotAllowed {
        /// The key's Name.
        name: Name,
        /// The machine, as the policy names it.
        machine: String,
    },
}

/// Check 5: one of the three ways.
pub(super) fn check_trust<'d>(
    fit: Fit<'d>,
    policy: &Policy,
    activated: Option<&ActivatedKey>,
    now: UnixTime,
) -> Result<Passed<Trusted<'d>>, VerifyError> {
    let Fit { evidence, key } = fit;
    let certificates = Certificates::parse(&evidence.document.tpm)?;
    let mut trust = find_trust(&key, &certificates, policy, activated, now)?;
    if certificates.name_software_tpm() {
        trust.kind = TpmKind::Software;
    }
    if trust.kind == TpmKind::Software && !policy.allows(Weakening::SoftwareTpm) {
        return Err(TrustError::SoftwareTpmNotAllowed { name: key.name(), machine: trust.machine }.into());
    }
    let statement = format!("that key is {}: {:?}, a {} TPM", trust.ground, trust.machine, trust.kind);
    Ok(Passed::new(5, "trust", statement, Trusted { evidence, key, trust }))
}

/// The certificates of a document. All have to be readable, needed or not: nobody should find one there that was ignored.
pub(super) struct Certificates {
    ak: Vec<Certificate>,
    ek: Vec<Certificate>,
}

impl Certificates {
    pub(super) fn parse(tpm: &TpmEvidence) -> Result<Self, TrustError> {
        let list = |list, certificates: &[Base64Bytes]| {
            let parse = |(index, der): (usize, &Base64Bytes)| {
                Certificate::parse_der(&der.0).map_err(|reason| TrustError::Malformed { list, index, reason })
            };
            certificates.iter().enumerate().map(parse).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { ak: list("ak_certificates", &tpm.ak_certificates)?, ek: list("ek_certificates", &tpm.ek_certificates)? })
    }

    /// A certificate that says itself that it is a program's overrules what a policy claims.
    fn name_software_tpm(&self) -> bool {
        self.ak.iter().chain(&self.ek).any(Certificate::names_software_tpm)
    }

    /// The endorsement key's own certificate.
    pub(super) fn endorsement_key(&self) -> Option<&Certificate> {
        self.ek.first()
    }
}

/// Where several ways are open, one that leads there is enough; where none does, the first failure is told.
pub(super) fn find_trust(
    key: &AttestationKey,
    certificates: &Certificates,
    policy: &Policy,
    activated: Option<&ActivatedKey>,
    now: UnixTime,
) -> Result<Trust, TrustError> {
    let name = key.name();
    if let Some(ak) = policy.trusted_ak(name) {
        return Ok(Trust { machine: ak.machine.clone(), kind: ak.kind, ground: TrustGround::Pinned });
    }
    let open = |certificates: &[Certificate], certifies| !certificates.is_empty() && !policy.authorities(certifies).is_empty();
    let ak_certified = open(&certificates.ak, Certifies::AttestationKey)
        .then(|| by_ak_certificate(key, &certificates.ak, policy.authorities(Certifies::AttestationKey), now));
    let ek_certified = open(&certificates.ek, Certifies::EndorsementKey)
        .then(|| by_ek_certificate(name, &certificates.ek, policy.authorities(Certifies::EndorsementKey), activated, now));
    match (ak_certified, ek_certified) {
        (Some(Ok(trust)), _) | (_, Some(Ok(trust))) => Ok(trust),
        // What is missing can be had, whatever is wrong with the other way.
        (_, Some(Err(missing @ TrustError::NotActivated { .. }))) => Err(missing),
        (Some(Err(error)), _) | (None, Some(Err(error))) => Err(error),
        (None, None) => Err(TrustError::NotTrusted { name }),
    }
}

/// Way (a): the chain's leaf is the attestation key's own certificate.
fn by_ak_certificate(
    key: &AttestationKey,
    certificates: &[Certificate],
    authorities: &Authorities,
    now: UnixTime,
) -> Result<Trust, TrustError> {
    let chain = verified("ak_certificates", certificates, authorities, now, Role::AttestationKey)?;
    let found = key
        .public_key()
        .spki_der()
        .map(|der| Sha256Digest::of(&[&der]))
        .map_err(|_| TrustError::NotTrusted { name: key.name() })?;
    let certified = chain.leaf().spki_sha256();
    if certified != found {
        return Err(TrustError::CertificateOfAnotherKey { certified, found });
    }
    let certificate = chain.leaf().sha256();
    let listed = |identity| match identity {
        MachineIdentity::AkName(listed) => listed == key.name(),
        MachineIdentity::Certificate(listed) => listed == certificate,
        MachineIdentity::EkSha256(_) => false,
    };
    let (authority, machine) = find_machine(&chain, authorities, key.name(), listed)?;
    let ground = TrustGround::AkCertificate { authority: authority.name.clone() };
    Ok(Trust { machine, kind: authority.kind, ground })
}

/// Way (b): the chain's leaf is the endorsement key's certificate, and an activation ties the attestation key to that key.
fn by_ek_certificate(
    name: Name,
    certificates: &[Certificate],
    authorities: &Authorities,
    activated: Option<&ActivatedKey>,
    now: UnixTime,
) -> Result<Trust, TrustError> {
    let chain = verified("ek_certificates", certificates, authorities, now, Role::EndorsementKey)?;
    let key = chain.leaf().spki_sha256();
    let certificate = chain.leaf().sha256();
    let listed = |identity| match identity {
        MachineIdentity::EkSha256(listed) => listed == key,
        MachineIdentity::Certificate(listed) => listed == certificate,
        MachineIdentity::AkName(_) => false,
    };
    let (authority, machine) = find_machine(&chain, authorities, name, listed)?;
    let activated = activated.ok_or(TrustError::NotActivated { name })?;
    if activated.ak_name() != name.as_bytes() || activated.ek_spki_sha256() != key {
        return Err(TrustError::ActivatedAnother { name });
    }
    let ground = TrustGround::EkCertificate { authority: authority.name.clone(), recorded: activated.is_recorded() };
    Ok(Trust { machine, kind: authority.kind, ground })
}

fn verified<'c>(
    list: &'static str,
    certificates: &'c [Certificate],
    authorities: &'c Authorities,
    now: UnixTime,
    role: Role,
) -> Result<VerifiedChain<'c>, TrustError> {
    verify_chain(certificates, authorities.certificates(), now, role).map_err(|reason| TrustError::Chain { list, reason })
}

/// The machine among those that the chain's authority may vouch for. One certificate may stand in several entries.
fn find_machine<'p>(
    chain: &VerifiedChain<'_>,
    authorities: &'p Authorities,
    name: Name,
    listed: impl Fn(MachineIdentity) -> bool,
) -> Result<(&'p TrustedRoot, String), TrustError> {
    let mut not_listed = String::new();
    for authority in authorities.with_certificate(chain.root()) {
        if let Some(machine) = authority.machine.iter().find(|machine| machine.identity().is_some_and(&listed)) {
            return Ok((authority, machine.name.clone()));
        }
        // A policy without machines is valid only with any_machine.
        if authority.machine.is_empty() {
            return Ok((authority, format!("any machine of {}", authority.name)));
        }
        not_listed.clone_from(&authority.name);
    }
    let (certificate, key) = (chain.leaf().sha256(), chain.leaf().spki_sha256());
    Err(TrustError::MachineNotListed { authority: not_listed, name, certificate, key })
}
