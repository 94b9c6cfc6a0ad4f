//! Says what was verified, for people.

use std::io::{Write as _, stderr, stdout};

use blindllama_attest::{
    policy::{Policy, Weakening},
    verify::VerifiedPeer,
};

use super::{
    Outcome,
    style::{self, Style},
    text::printable,
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

/// Prints an error that is not about the gateway. It may quote a file from elsewhere, over several lines.
pub(super) fn failure(what: &str, error: &dyn std::error::Error, outcome: Outcome) -> Outcome {
    let told: Vec<String> = error.to_string().lines().map(printable).collect();
    let _ = writeln!(stderr().lock(), "{} {what}: {}", style::for_stderr().bad("error:"), told.join("\n"));
    outcome
}

/// Prints something that did not stop the command.
pub(super) fn warn(what: &str) {
    let _ = writeln!(stderr().lock(), "{} {what}", style::for_stderr().warning("warning:"));
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

pub(super) fn weakened(weakenings: &[Weakening], style: Style) -> impl Iterator<Item = String> {
    weakenings.iter().map(move |weakening| format!("{} {}", style.warning("Weakened by your policy:"), weakening.explanation()))
}
