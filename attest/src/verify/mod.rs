//! The verdict: sixteen checks, in order, of which none can be skipped.
//!
//! Each check is a function that takes what the check before it established, as a type of its own, and returns the next
//! such type. The types have private fields and no other source, so leaving a check out, or changing the order, does not
//! compile; [`VerifiedPeer`] is the last of them. Each check also returns the sentence that the verdict later shows.
//!
//! Evidence that this version cannot check (systemd's log, memory-encryption reports) is refused: ignoring
//! it would let a reader believe that it had been checked.

mod activation;
mod allowed;
mod attestation_key;
mod document;
mod error;
mod logs;
mod pcrs;
mod peer;
mod quote;
mod report;
mod session;
mod trust;

use std::time::Duration;

pub use activation::{ActivationNeeded, activation_needed};
pub use allowed::{BindingNotMeasured, NotAllowed};
pub use error::VerifyError;
pub use logs::{ApplicationLogMismatch, BootLogError};
pub use pcrs::PcrError;
pub use peer::VerifiedPeer;
pub use report::PassedCheck;
pub use session::SessionError;
pub use trust::{TrustError, TrustGround};

use crate::{
    credential::ActivatedKey,
    digest::Sha256Digest,
    nonce::Nonce,
    policy::Policy,
    tpm::{Name, TpmClock},
};
use report::Report;

/// What the verifier itself knows of this exchange.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The nonce that the verifier made for this request.
    pub nonce: &'a Nonce,
    /// SHA-256 of the SubjectPublicKeyInfo of the TLS key of this very connection, whose CertificateVerify was checked.
    pub connection_spki_sha256: Sha256Digest,
    /// Time since the verifier sent the nonce, on its own monotonic clock.
    pub age: Duration,
    /// A completed credential activation, where the policy trusts the endorsement key ([`activation_needed`]).
    pub activated: Option<&'a ActivatedKey>,
    /// What the verdict that this one renews has established, if there is one.
    pub established: Option<&'a Established>,
}

/// What a later verdict about the same gateway is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Established {
    /// The Name of the attestation key.
    pub ak_name: Name,
    /// The TPM's clock in the quote.
    pub clock: TpmClock,
}

/// Seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

/// Checks an evidence document against a policy.
///
/// `now` dates the verdict, and is the time at which certificates have to be valid; freshness rests on the nonce and on
/// [`Expected::age`], never on wall-clock time.
///
/// # Errors
/// [`VerifyError`] names the first check that failed, by a stable code.
pub fn verify(document: &[u8], policy: &Policy, expected: &Expected<'_>, now: UnixTime) -> Result<VerifiedPeer, VerifyError> {
    verify_with_report(document, policy, expected, now).1
}

/// [`verify`], with the checks that were passed before the verdict: all sixteen, or those before the one that failed.
///
/// # Errors
/// As for [`verify`].
pub fn verify_with_report(
    document: &[u8],
    policy: &Policy,
    expected: &Expected<'_>,
    now: UnixTime,
) -> (Vec<PassedCheck>, Result<VerifiedPeer, VerifyError>) {
    let mut report = Report::default();
    let verdict = check_all(&mut report, document, policy, expected, now);
    (report.into_checks(), verdict)
}

fn check_all(
    report: &mut Report,
    document: &[u8],
    policy: &Policy,
    expected: &Expected<'_>,
    now: UnixTime,
) -> Result<VerifiedPeer, VerifyError> {
    let parsed = report.add(document::parse(document)?);
    let current = report.add(document::check_version(parsed)?);
    let fresh = report.add(document::check_nonce(current, expected.nonce)?);
    let key = report.add(attestation_key::parse(&fresh)?);
    let trusted = report.add(trust::check_trust(key, policy, expected.activated, now)?);
    let signed = report.add(quote::check_signature(trusted)?);
    let quoted = report.add(quote::parse(signed)?);
    let bound = report.add(quote::check_qualifying_data(quoted)?);
    let covered = report.add(pcrs::check_selection(bound, policy)?);
    let known = report.add(pcrs::check_digest(covered)?);
    let booted = report.add(logs::check_boot_logs(known)?);
    let launched = report.add(logs::check_application_log(booted)?);
    let measured = report.add(allowed::check_binding(launched)?);
    let allowed = report.add(allowed::check_policy(measured, policy)?);
    let connected = report.add(session::check_tls_key(allowed, expected)?);
    let live = report.add(session::check_freshness(connected, policy, expected)?);
    Ok(VerifiedPeer::new(live, report.checks(), policy, now))
}
