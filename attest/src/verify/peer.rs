//! The verdict.

use super::{Established, PassedCheck, TrustGround, UnixTime, allowed::Allowed, session::Live};
use crate::{
    binding::{Binding, BindingDigest},
    policy::{ApplicationMeasurements, Policy, TpmKind, Weakening},
    tpm::{Name, TpmClock},
};

/// A peer that passed every check. Only [`verify`](super::verify) makes one.
#[derive(Debug, Clone)]
pub struct VerifiedPeer {
    binding: Binding,
    binding_digest: BindingDigest,
    ak_name: Name,
    machine: String,
    tpm_kind: TpmKind,
    trust_ground: TrustGround,
    platform: String,
    application_measurements: ApplicationMeasurements,
    release: String,
    weakenings: Vec<Weakening>,
    clock: TpmClock,
    verified_at: UnixTime,
    checks: Vec<PassedCheck>,
}

impl VerifiedPeer {
    pub(super) fn new(live: Live<'_, '_>, checks: Vec<PassedCheck>, policy: &Policy, now: UnixTime) -> Self {
        let Live(Allowed { bound, platform, release }) = live;
        Self {
            binding: bound.evidence.document.binding.clone(),
            binding_digest: bound.binding_digest,
            ak_name: bound.key.name(),
            machine: bound.trust.machine,
            tpm_kind: bound.trust.kind,
            trust_ground: bound.trust.ground,
            platform: platform.name.clone(),
            application_measurements: platform.application_measurements,
            release: release.name.clone(),
            weakenings: policy.weakenings(),
            clock: bound.quote.clock,
            verified_at: now,
            checks,
        }
    }

    /// The keys and the model that the quote vouches for.
    #[must_use]
    pub const fn binding(&self) -> &Binding {
        &self.binding
    }

    /// The binding's digest, as responses name it.
    #[must_use]
    pub const fn binding_digest(&self) -> BindingDigest {
        self.binding_digest
    }

    /// The Name of the attestation key.
    #[must_use]
    pub const fn ak_name(&self) -> Name {
        self.ak_name
    }

    /// The machine, as the policy names it.
    #[must_use]
    pub fn machine(&self) -> &str {
        &self.machine
    }

    /// What kind of TPM attested.
    #[must_use]
    pub const fn tpm_kind(&self) -> TpmKind {
        self.tpm_kind
    }

    /// What the trust in the attestation key rests on.
    #[must_use]
    pub const fn trust_ground(&self) -> &TrustGround {
        &self.trust_ground
    }

    /// The platform, as the policy names it.
    #[must_use]
    pub fn platform(&self) -> &str {
        &self.platform
    }

    /// Who vouches for the application's measurements.
    #[must_use]
    pub const fn application_measurements(&self) -> ApplicationMeasurements {
        self.application_measurements
    }

    /// The release, as the policy names it.
    #[must_use]
    pub fn release(&self) -> &str {
        &self.release
    }

    /// What the policy weakens; every output has to name it.
    #[must_use]
    pub fn weakenings(&self) -> &[Weakening] {
        &self.weakenings
    }

    /// What to hold a renewed verdict to.
    #[must_use]
    pub const fn established(&self) -> Established {
        Established { ak_name: self.ak_name, clock: self.clock }
    }

    /// When the verdict was given.
    #[must_use]
    pub const fn verified_at(&self) -> UnixTime {
        self.verified_at
    }

    /// All checks, in order, with what each established.
    #[must_use]
    pub fn checks(&self) -> &[PassedCheck] {
        &self.checks
    }
}
