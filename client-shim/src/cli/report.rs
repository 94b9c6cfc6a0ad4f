//! Says what was verified: for people, and as JSON.

use std::io::{Write as _, stderr, stdout};

use blindllama_attest::{
    policy::{Policy, Weakening},
    verify::{PassedCheck, VerifiedPeer},
};
use serde_json::{Value, json};

use super::{
    Outcome,
    style::{self, Style},
};
use crate::refusal::Refusal;

impl From<&Refusal> for Outcome {
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Local(_) => Self::Local,
            refusal if refusal.is_unreachable() => Self::Unreachable,
            _ => Self::Refused,
        }
    }
}

/// Prints to standard output. Where nobody reads it any more, the exit status still tells.
pub(super) fn say(text: &str) {
    let _ = writeln!(stdout().lock(), "{text}");
}

/// Prints an error that is not about the gateway.
pub(super) fn failure(what: &str, error: &dyn std::error::Error, outcome: Outcome) -> Outcome {
    let _ = writeln!(stderr().lock(), "{} {what}: {error}", style::for_stderr().bad("error:"));
    outcome
}

/// Each check that passed, then [`summary`].
pub(super) fn checks(peer: &VerifiedPeer, style: Style) -> String {
    let lines = peer.checks().iter().map(|check| {
        let mark = style.good("✓");
        format!("{mark} {:>2}  {}  {}\n", check.number(), printable(check.statement()), style.faint(check.code()))
    });
    lines.collect::<String>() + &summary(peer, style)
}

/// Who passed, and what the policy let pass that proves nothing.
pub(super) fn summary(peer: &VerifiedPeer, style: Style) -> String {
    let mut lines = vec![
        style.good("Verified."),
        format!("  release   {}", peer.release()),
        format!("  platform  {}", peer.platform()),
        format!("  machine   {}", peer.machine()),
        format!("  TPM       {}", peer.tpm_kind()),
        format!("  binding   sha256:{}", peer.binding_digest().digest()),
    ];
    lines.extend(weakened(peer.weakenings(), style));
    lines.join("\n")
}

/// The verdict on a gateway that did not pass.
pub(super) fn refusal(refusal: &Refusal, policy: &Policy, style: Style) -> String {
    let mut lines = vec![
        format!("{} {} ({})", style.bad("Not verified:"), printable(&refusal.to_string()), refusal.code()),
        "Nothing was sent.".to_owned(),
    ];
    lines.extend(weakened(&policy.weakenings(), style));
    lines.join("\n")
}

fn weakened(weakenings: &[Weakening], style: Style) -> impl Iterator<Item = String> {
    weakenings.iter().map(move |weakening| format!("{} {}", style.warning("Weakened by your policy:"), weakening.explanation()))
}

/// An unverified gateway may have chosen parts of `text`: it must not steer the terminal.
pub(super) fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(escaped).collect()
}

/// The verdict as one object.
pub(super) fn as_json(verdict: &Result<VerifiedPeer, Refusal>, policy: &Policy) -> Value {
    let weakened: Vec<Value> = policy.weakenings().into_iter().map(weakening_as_json).collect();
    match verdict {
        Ok(peer) => json!({
            "verified": true,
            "code": "verified",
            "checks": peer.checks().iter().map(check_as_json).collect::<Vec<_>>(),
            "weakened": weakened,
            "binding": peer.binding(),
            "binding_digest": peer.binding_digest().digest(),
            "release": peer.release().to_string(),
            "platform": peer.platform().to_string(),
            "machine": peer.machine().to_string(),
            "tpm_kind": peer.tpm_kind().to_string(),
            "ak_name": peer.ak_name().to_string(),
        }),
        Err(refusal) => json!({
            "verified": false,
            "code": refusal.code(),
            "message": refusal.to_string(),
            "failed_check": match refusal { Refusal::Evidence(error) => Some(error.check()), _ => None },
            "weakened": weakened,
        }),
    }
}

fn check_as_json(check: &PassedCheck) -> Value {
    json!({"number": check.number(), "code": check.code(), "sentence": check.statement()})
}

fn weakening_as_json(weakening: Weakening) -> Value {
    json!({"code": weakening.code(), "explanation": weakening.explanation()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_cannot_steer_the_terminal() {
        assert_eq!(printable("unknown field `\u{1b}[2Jfine\r`, “no”"), "unknown field `\\u{1b}[2Jfine\\r`, “no”");
    }
}
