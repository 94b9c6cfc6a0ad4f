//! `blindllama policy`: policies as files that people review, compare and sign.

mod diff;
mod learn;
mod show;
mod sign;
mod verify_signature;

use std::path::Path;

use blindllama_attest::policy::{Policy, PolicyKey};
use clap::{Args, Subcommand};

use super::{EXIT_STATUS, Outcome, report};
use crate::policy::{
    file::{self, PolicyFileError},
    history::History,
    key_file,
};

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Write a policy for a gateway that you trust now, for review.
    #[command(after_help = EXIT_STATUS)]
    Learn(learn::Options),
    /// Say what a policy allows, and what it weakens.
    #[command(after_help = EXIT_STATUS)]
    Show(show::Options),
    /// Say what changed from one policy to another; exit status 1 where they differ.
    #[command(after_help = EXIT_STATUS)]
    Diff(diff::Options),
    /// Sign a policy: writes FILE.sig.
    #[command(after_help = EXIT_STATUS)]
    Sign(sign::Options),
    /// Check the signature of a policy, FILE.sig.
    #[command(after_help = EXIT_STATUS)]
    VerifySignature(verify_signature::Options),
}

pub(super) async fn run(action: Action) -> Outcome {
    let done = match action {
        Action::Learn(options) => return learn::run(options).await,
        Action::Show(options) => show::run(&options),
        Action::Diff(options) => diff::run(&options),
        Action::Sign(options) => sign::run(&options),
        Action::VerifySignature(options) => verify_signature::run(&options),
    };
    done.unwrap_or_else(|outcome| outcome)
}

/// How a policy's own signature is checked.
#[derive(Debug, Args)]
pub(super) struct Signer {
    /// Accept the policy only with a signature by this key (FILE.sig), and never an older revision than one seen before.
    #[arg(long, value_name = "FILE|BASE64", env = "BLINDLLAMA_POLICY_KEY")]
    policy_key: Option<String>,
}

/// The policy that the gateway is judged by, or why there is none.
pub(super) fn trusted(path: &Path, signer: &Signer) -> Result<Policy, Outcome> {
    let policy = match &signer.policy_key {
        None => {
            warn_of_unused_signature(path);
            file::read(path)
        }
        Some(key) => {
            let key = public_key(key)?;
            History::of_user().map_err(PolicyFileError::from).and_then(|history| file::read_current(path, &key, &history))
        }
    };
    policy.map_err(|error| unusable(path, &error))
}

/// A signature that nobody checks protects nobody: the key may have been lost with the environment.
fn warn_of_unused_signature(path: &Path) {
    let signature = file::signature_path(path);
    if signature.exists() {
        tracing::warn!("{} is not checked: no --policy-key (BLINDLLAMA_POLICY_KEY) is given", signature.display());
    }
}

fn read(path: &Path) -> Result<Policy, Outcome> {
    file::read(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &PolicyFileError) -> Outcome {
    let outcome = match error {
        PolicyFileError::History(error) if error.is_local() => Outcome::Local,
        _ => Outcome::BadPolicy,
    };
    report::failure(&format!("the policy {} cannot be used ({})", path.display(), error.code()), error, outcome)
}

fn public_key(given: &str) -> Result<PolicyKey, Outcome> {
    key_file::public_key(given)
        .map_err(|error| report::failure(&format!("the policy key {given:?} cannot be used"), &error, Outcome::Local))
}
