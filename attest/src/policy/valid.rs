//! A policy that makes sense.

use std::time::Duration;

use super::{Platform, PolicyDocument, PolicyError, Release, TrustedAk, TrustedRoot, Weakening, rules};
use crate::tpm::Name;

/// A valid policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(PolicyDocument);

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
        &self.0
    }

    /// The policy's own edition, from 1; `None` where it does not count its editions.
    #[must_use]
    pub const fn revision(&self) -> Option<u32> {
        self.0.revision
    }

    /// How long a verdict is used before the peer has to attest again.
    #[must_use]
    pub const fn reattest_after(&self) -> Duration {
        Duration::from_secs(self.0.reattest_after_seconds as u64)
    }

    /// The oldest evidence accepted, from sending the nonce to the verdict.
    #[must_use]
    pub const fn max_evidence_age(&self) -> Duration {
        Duration::from_secs(self.0.max_evidence_age_seconds as u64)
    }

    /// The weakenings that are switched on; every output has to name them.
    #[must_use]
    pub fn weakenings(&self) -> Vec<Weakening> {
        Weakening::ALL.into_iter().filter(|weakening| self.allows(*weakening)).collect()
    }

    /// Whether `weakening` is switched on.
    #[must_use]
    pub const fn allows(&self, weakening: Weakening) -> bool {
        self.0.weakening.get(weakening)
    }

    /// The pinned key of that name.
    #[must_use]
    pub fn trusted_ak(&self, name: Name) -> Option<&TrustedAk> {
        self.0.trusted_ak.iter().find(|ak| ak.name == name)
    }

    /// The trusted authorities. One without machines stands for any machine, and only where [`Weakening::AnyMachine`] is on.
    #[must_use]
    pub fn trusted_roots(&self) -> &[TrustedRoot] {
        &self.0.trusted_root
    }

    /// The allowed platforms; at least one.
    #[must_use]
    pub fn platforms(&self) -> &[Platform] {
        &self.0.platform
    }

    /// The allowed releases; at least one.
    #[must_use]
    pub fn releases(&self) -> &[Release] {
        &self.0.release
    }
}

impl TryFrom<PolicyDocument> for Policy {
    type Error = PolicyError;

    fn try_from(document: PolicyDocument) -> Result<Self, PolicyError> {
        rules::check(&document)?;
        Ok(Self(document))
    }
}
