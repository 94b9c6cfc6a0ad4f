//! Checks 15 and 16: this connection, now.

use std::time::Duration;

use super::{Established, Expected, VerifyError, allowed::Allowed, report::Passed};
use crate::{
    digest::Sha256Digest,
    policy::Policy,
    tpm::{Name, TpmClock},
};

/// Check 15 passed: the peer of this connection is the one that was attested.
pub(super) struct Connected<'d, 'p>(Allowed<'d, 'p>);

/// Check 16 passed: it is so now. All checks are passed.
pub(super) struct Live<'d, 'p>(pub(super) Allowed<'d, 'p>);

/// The evidence is not about this connection, or not about now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// Somebody else terminates this TLS connection.
    #[error(
        "this connection's TLS key is {connection}, but the attested one is {attested}: something between you and the \
         gateway terminates TLS"
    )]
    TlsKeyMismatch {
        /// SHA-256 of the connection's key.
        connection: Sha256Digest,
        /// SHA-256 of the attested key.
        attested: Sha256Digest,
    },
    /// It took too long.
    #[error(
        "the evidence is {} s old, and the policy accepts {} s (max_evidence_age_seconds); ask again",
        age.as_secs_f64(), limit.as_secs()
    )]
    TooOld {
        /// Time since the nonce was sent.
        age: Duration,
        /// The policy's limit.
        limit: Duration,
    },
    /// Another TPM answers for the same TLS key.
    #[error(
        "the attestation key changed under an established session: {before} before, {now} now; a TLS key does not move between \
         machines, so connect anew"
    )]
    AttestationKeyChanged {
        /// The key of the established session.
        before: Name,
        /// The key that signed this quote.
        now: Name,
    },
    /// The machine was rebooted or resumed.
    #[error(
        "the TPM was reset under an established session: {} resets and {} restarts before, {} and {} now; connect anew",
        before.reset_count, before.restart_count, now.reset_count, now.restart_count
    )]
    TpmWasReset {
        /// The clock of the established session.
        before: TpmClock,
        /// The clock in this quote.
        now: TpmClock,
    },
    /// The TPM's clock decreased.
    #[error(
        "the TPM's clock went back under an established session: {} ms before, {} ms now; this is old evidence or another TPM",
        before.clock, now.clock
    )]
    TpmClockWentBack {
        /// The clock of the established session.
        before: TpmClock,
        /// The clock in this quote.
        now: TpmClock,
    },
}

/// Check 15: the TLS key of this connection is the one in the binding.
pub(super) fn check_tls_key<'d, 'p>(
    allowed: Allowed<'d, 'p>,
    expected: &Expected<'_>,
) -> Result<Passed<Connected<'d, 'p>>, VerifyError> {
    let (connection, attested) = (expected.connection_spki_sha256, allowed.bound.evidence.document.binding.tls_spki_sha256);
    if connection != attested {
        return Err(SessionError::TlsKeyMismatch { connection, attested }.into());
    }
    let statement = format!("this connection ends at the attested TLS key {attested}");
    Ok(Passed::new(15, "tls_key", statement, Connected(allowed)))
}

/// Check 16: the evidence is fresh, and the TPM ran on since the session was established.
pub(super) fn check_freshness<'d, 'p>(
    connected: Connected<'d, 'p>,
    policy: &Policy,
    expected: &Expected<'_>,
) -> Result<Passed<Live<'d, 'p>>, VerifyError> {
    let Connected(allowed) = connected;
    let (age, limit) = (expected.age, policy.max_evidence_age());
    if age > limit {
        return Err(SessionError::TooOld { age, limit }.into());
    }
    let now = Established { ak_name: allowed.bound.key.name(), clock: allowed.bound.quote.clock };
    if let Some(before) = expected.established {
        check_same_tpm(*before, now)?;
        check_clock(before.clock, now.clock)?;
    }
    let now = now.clock;
    let safe = if now.safe { "safe" } else { "not safe" };
    let renewed = if expected.established.is_some() { ", which ran on without a reset" } else { "" };
    let statement = format!("the evidence is {} ms old; the TPM's clock{renewed} is {} ms ({safe})", age.as_millis(), now.clock);
    Ok(Passed::new(16, "freshness", statement, Live(allowed)))
}

fn check_same_tpm(before: Established, now: Established) -> Result<(), SessionError> {
    if now.ak_name == before.ak_name {
        return Ok(());
    }
    Err(SessionError::AttestationKeyChanged { before: before.ak_name, now: now.ak_name })
}

fn check_clock(before: TpmClock, now: TpmClock) -> Result<(), SessionError> {
    if (now.reset_count, now.restart_count) != (before.reset_count, before.restart_count) {
        return Err(SessionError::TpmWasReset { before, now });
    }
    if now.clock < before.clock {
        return Err(SessionError::TpmClockWentBack { before, now });
    }
    Ok(())
}
