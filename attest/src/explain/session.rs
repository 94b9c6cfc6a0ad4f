//! Checks 15 and 16: this connection, now.

use super::{Allow, Explanation};
use crate::{tpm::TpmClock, verify::SessionError};

pub(super) fn session(error: &SessionError) -> Explanation {
    match error {
        SessionError::TlsKeyMismatch { connection, attested } => tls_key(attested, connection),
        SessionError::TooOld { age, limit } => too_old(age.as_secs_f64(), limit.as_secs()),
        SessionError::AttestationKeyChanged { before, now } => {
            let what = "another TPM answers for the same TLS key, and a TLS key does not move between machines";
            Explanation::new(what, "Connect anew; if it happens again, ask the operator. No policy can allow it.")
                .values(before, now)
        }
        SessionError::TpmWasReset { before, now } => {
            let what = "the machine was rebooted or resumed while a session was open";
            Explanation::new(what, "Connect anew: a fresh session is held to what runs now.").values(clock(before), clock(now))
        }
        SessionError::TpmClockWentBack { before, now } => {
            let what = "the TPM's clock went back: old evidence, a machine that was set back to a snapshot, or another TPM";
            let advice = "Ask the operator whether the machine was restored from a snapshot; no policy can allow it.";
            Explanation::new(what, advice).values(clock(before), clock(now))
        }
    }
}

fn tls_key(attested: impl ToString, connection: impl ToString) -> Explanation {
    let what = "the TPM vouches for another TLS key than the one that this connection ends at: a proxy, a load balancer or an \
         attacker between you and the gateway terminates TLS";
    let advice = "Reach the gateway without anything that terminates TLS in between. No policy can allow it.";
    Explanation::new(what, advice).values(attested, connection)
}

fn too_old(age: f64, limit: u64) -> Explanation {
    let seconds = age.ceil();
    let advice = "Ask again; if the server is always that slow, its TPM is overloaded. A larger limit lets an attacker hold evidence \
         back for longer.";
    let explanation = Explanation::new("the evidence took longer than the policy accepts", advice);
    let allow =
        (seconds <= 600.0).then(|| Allow::new("max_evidence_age_seconds", format!("max_evidence_age_seconds = {seconds:.0}")));
    explanation.values(format!("at most {limit} s"), format!("{age:.3} s")).allowed_by(allow)
}

fn clock(clock: &TpmClock) -> String {
    format!("{} resets, {} restarts, clock {} ms", clock.reset_count, clock.restart_count, clock.clock)
}
