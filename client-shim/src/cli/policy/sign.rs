//! `blindllama policy sign`.

use std::path::PathBuf;

use blindllama_attest::policy::PolicySignature;
use clap::Args;

use super::unusable;
use crate::{
    cli::{Outcome, report},
    policy::{
        file, key_file,
        output::{self, Existing},
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The policy; it needs a revision.
    file: PathBuf,
    /// The Ed25519 private key, as `openssl genpkey -algorithm ed25519` writes it; readable for you alone.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

pub(super) fn run(options: &Options) -> Result<Outcome, Outcome> {
    let Options { file, key } = options;
    let policy = file::read_bytes(file).map_err(|error| unusable(file, &error))?;
    let key = key_file::signing_key(key)
        .map_err(|error| report::failure(&format!("the key {} cannot be used", key.display()), &error, Outcome::Local))?;
    let signature = PolicySignature::sign(&policy, &key).map_err(|error| {
        report::failure(&format!("the policy {} cannot be signed", file.display()), &error, Outcome::BadPolicy)
    })?;
    let path = file::signature_path(file);
    output::write(&path, signature.to_string().as_bytes(), Existing::Replace)
        .map_err(|error| report::failure(&format!("{} cannot be written", path.display()), &error, Outcome::Local))?;
    report::say(&format!("Signed: {}, by the key {}", path.display(), key.public()));
    Ok(Outcome::Verified)
}
