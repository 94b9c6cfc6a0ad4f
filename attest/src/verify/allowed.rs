//! Checks 13 and 14: the binding was measured, and the policy allows what was measured.

use super::{
    VerifyError,
    logs::Launched,
    pcrs::{Known, differing_pcrs},
    quote::Bound,
    report::Passed,
};
use crate::{
    application::{EarlierLaunch, Launch, Launches, Part},
    digest::Sha256Digest,
    hash::Digest,
    policy::{ApplicationMeasurements, Platform, Policy, Release, ReleaseStatus, Weakening},
};

/// Check 13 passed: the binding is what the last launch measured.
pub(super) struct Measured<'d, 'p>(Launched<'d, 'p>);

/// Check 14 passed: the policy allows platform and launches.
pub(super) struct Allowed<'d, 'p> {
    pub(super) bound: Bound<'d>,
    pub(super) platform: &'p Platform,
    pub(super) release: &'p Release,
}

/// A field of the binding that the last launch did not measure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the binding's {field} is {bound}, but the last launch measured {measured}: the gateway serves with something that \
     it did not measure"
)]
pub struct BindingNotMeasured {
    /// The field.
    pub field: &'static str,
    /// The binding's value.
    pub bound: String,
    /// The launch's value.
    pub measured: String,
}

/// The policy does not allow what was measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// A PCR differs from the nearest platform.
    #[error(
        "PCR {pcr} ({}) is {found}, but platform {platform:?}, the nearest in the policy, has {expected}: another firmware, \
         boot loader or system was started",
        expected.algorithm()
    )]
    Pcr {
        /// The nearest platform.
        platform: String,
        /// The first PCR that differs.
        pcr: u8,
        /// The platform's value.
        expected: Digest,
        /// The quoted value.
        found: Digest,
    },
    /// The platform's application measurements are only the gateway's own word.
    #[error(
        "on platform {platform:?} the gateway measures itself (self-reported), which proves nothing against whoever is \
         root there; to accept that, set allow_self_reported = true"
    )]
    SelfReported {
        /// The platform.
        platform: String,
    },
    /// A part of the last launch differs from the nearest release.
    #[error("the {part} is {found}, but release {release:?}, the nearest in the policy, has {expected}")]
    Part {
        /// The first part that differs.
        part: Part,
        /// The nearest serving release.
        release: String,
        /// The release's digest.
        expected: Sha256Digest,
        /// The measured digest.
        found: Sha256Digest,
    },
    /// The last launch is a release that may not serve.
    #[error(
        "the gateway runs release {release:?}, whose status in the policy is \"past\": it may have run earlier, but not serve now"
    )]
    NotServing {
        /// The release.
        release: String,
    },
    /// The policy has no serving release at all.
    #[error("the policy has no release with status = \"serving\", so no gateway can be accepted")]
    NothingServes,
    /// An earlier launch since boot is no release of the policy.
    #[error(
        "launch {number} since the server's boot (counted from 1) had the {part} {found}, which fits no release in the \
         policy; reboot the server, or add that release as \"past\""
    )]
    PastLaunch {
        /// Which launch, from 1.
        number: usize,
        /// A part that no release has together with the parts before it.
        part: Part,
        /// The measured digest.
        found: Sha256Digest,
    },
}

/// Check 13: the binding equals the identity and weights events of the last launch, byte for byte.
pub(super) fn check_binding<'d, 'p>(launched: Launched<'d, 'p>) -> Result<Passed<Measured<'d, 'p>>, VerifyError> {
    let binding = &launched.known.bound.evidence.document.binding;
    let last = &launched.launches.last;
    let weights = last.parts.model_weights;
    if binding.tls_spki_sha256 != last.tls_spki {
        return Err(not_measured("tls_spki_sha256", binding.tls_spki_sha256.to_hex(), last.tls_spki.to_hex()).into());
    }
    if binding.receipt_public_key != last.receipt_key {
        let (bound, measured) = (format!("{:?}", binding.receipt_public_key), format!("{:?}", last.receipt_key));
        return Err(not_measured("receipt_public_key", bound, measured).into());
    }
    if binding.model_sha256 != weights {
        return Err(not_measured("model_sha256", binding.model_sha256.to_hex(), weights.to_hex()).into());
    }
    let statement = format!("TLS key, receipt key and model of the binding are those that launch {:?} measured", last.id);
    Ok(Passed::new(13, "binding", statement, Measured(launched)))
}

const fn not_measured(field: &'static str, bound: String, measured: String) -> BindingNotMeasured {
    BindingNotMeasured { field, bound, measured }
}

/// Check 14: one whole platform, and for each launch one whole release.
pub(super) fn check_policy<'d, 'p>(
    measured: Measured<'d, 'p>,
    policy: &'p Policy,
) -> Result<Passed<Allowed<'d, 'p>>, VerifyError> {
    let Measured(Launched { known, launches: Launches { earlier, last } }) = measured;
    check_platform(&known, policy)?;
    let release = serving_release(&last, policy)?;
    for (index, launch) in earlier.iter().enumerate() {
        check_earlier_launch(index, launch, policy)?;
    }
    let Known { bound, platform } = known;
    let statement = format!(
        "the policy allows platform {:?} ({} application measurements) and release {:?}, and every earlier launch since boot",
        platform.name, platform.application_measurements, release.name
    );
    Ok(Passed::new(14, "policy", statement, Allowed { bound, platform, release }))
}

fn check_platform(known: &Known<'_, '_>, policy: &Policy) -> Result<(), NotAllowed> {
    let platform = known.platform;
    if let Some((pcr, expected)) = differing_pcrs(platform, known.values()).next() {
        let found = known.value(expected.algorithm(), pcr);
        return Err(NotAllowed::Pcr { platform: platform.name.clone(), pcr, expected, found });
    }
    let self_reported = platform.application_measurements == ApplicationMeasurements::SelfReported;
    if self_reported && !policy.allows(Weakening::SelfReported) {
        return Err(NotAllowed::SelfReported { platform: platform.name.clone() });
    }
    Ok(())
}

fn serving_release<'p>(launch: &Launch, policy: &'p Policy) -> Result<&'p Release, NotAllowed> {
    let serving = policy.releases().iter().filter(|release| release.status == ReleaseStatus::Serving);
    let nearest = serving.min_by_key(|release| differing_parts(release, launch).count()).ok_or(NotAllowed::NothingServes)?;
    let Some(part) = differing_parts(nearest, launch).next() else {
        return Ok(nearest);
    };
    if let Some(past) = policy.releases().iter().find(|release| differing_parts(release, launch).next().is_none()) {
        return Err(NotAllowed::NotServing { release: past.name.clone() });
    }
    let (expected, found) = (nearest.digest(part), launch.parts.get(part));
    Err(NotAllowed::Part { part, release: nearest.name.clone(), expected, found })
}

fn differing_parts<'a>(release: &'a Release, launch: &'a Launch) -> impl Iterator<Item = Part> + 'a {
    Part::ALL.into_iter().filter(|part| release.digest(*part) != launch.parts.get(*part))
}

/// An earlier launch has to be a prefix of a release; the first part that leaves no release over is the one to report.
fn check_earlier_launch(index: usize, launch: &EarlierLaunch, policy: &Policy) -> Result<(), NotAllowed> {
    let mut candidates: Vec<&Release> = policy.releases().iter().collect();
    for part in Part::ALL {
        let Some(found) = launch.parts.get(part) else { continue };
        candidates.retain(|release| release.digest(part) == found);
        if candidates.is_empty() {
            return Err(NotAllowed::PastLaunch { number: index.saturating_add(1), part, found });
        }
    }
    Ok(())
}
