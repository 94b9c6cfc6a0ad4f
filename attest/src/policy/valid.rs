//! A policy that makes sense.

use std::time::Duration;

use super::{Authorities, Certifies, Platform, PolicyDocument, PolicyError, Release, TrustedAk, Weakening, rules};
use crate::tpm::Name;

/// A valid policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    document: PolicyDocument,
    attestation_key_authorities: Authorities,
    endorsement_key_authorities: Authorities,
}

impl Policy {
    /// Reads and checks a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] names the key, its value and what belongs there.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        PolicyDocument::parse(text)?.try_into()
    }

    /// The document that was found valid.
    #[must_use]
    pub const fn document(&self) -> &PolicyDocument {
        &self.document
    }

    /// The policy's own edition, from 1; `None` where it does not count its editions.
    #[must_use]
    pub const fn revision(&self) -> Option<u32> {
        self.document.revision
    }

    /// How long a verdict is used before the peer has to attest again.
    #[must_use]
    pub const fn reattest_after(&self) -> Duration {
        Duration::from_secs(self.document.reattest_after_seconds as u64)
    }

    /// The oldest evidence accepted, from sending the nonce to the verdict.
    #[must_use]
    pub const fn max_evidence_age(&self) -> Duration {
        Duration::from_secs(self.document.max_evidence_age_seconds as u64)
    }

    /// The weakenings that are switched on; every output has to name them.
    #[must_use]
    pub fn weakenings(&self) -> Vec<Weakening> {
        Weakening::ALL.into_iter().filter(|weakening| self.allows(*weakening)).collect()
    }

    /// Whether `weakening` is switched on.
    #[must_use]
    pub const fn allows(&self, weakening: Weakening) -> bool {
        self.document.weakening.get(weakening)
    }

    /// The pinned key of that name.
    #[must_use]
    pub fn trusted_ak(&self, name: Name) -> Option<&TrustedAk> {
        self.document.trusted_ak.iter().find(|ak| ak.name == name)
    }

    /// The trusted authorities for such keys. One without machines stands for any machine, and only where
    /// [`Weakening::AnyMachine`] is on.
    #[must_use]
    pub const fn authorities(&self, certifies: Certifies) -> &Authorities {
        match certifies {
            Certifies::AttestationKey => &self.attestation_key_authorities,
            Certifies::EndorsementKey => &self.endorsement_key_authorities,
        }
    }

    /// The allowed platforms; at least one.
    #[must_use]
    pub fn platforms(&self) -> &[Platform] {
        &self.document.platform
    }

    /// The allowed releases; at least one.
    #[must_use]
    pub fn releases(&self) -> &[Release] {
        &self.document.release
    }
}

impl TryFrom<PolicyDocument> for Policy {
    type Error = PolicyError;

    fn try_from(document: PolicyDocument) -> Result<Self, PolicyError> {
        rules::check(&document)?;
        let authorities = |certifies| Authorities::new(&document.trusted_root, certifies);
        let attestation_key_authorities = authorities(Certifies::AttestationKey)?;
        let endorsement_key_authorities = authorities(Certifies::EndorsementKey)?;
        Ok(Self { document, attestation_key_authorities, endorsement_key_authorities })
    }
}
