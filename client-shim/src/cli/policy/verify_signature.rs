//! `blindllama policy verify-signature`.

use std::path::PathBuf;

use clap::Args;

use super::{public_key, unusable};
use crate::{
    cli::{Outcome, report},
    policy::file,
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The policy; its signature lies beside it.
    file: PathBuf,
    /// The Ed25519 public key to trust: a PEM file, or the key itself in base64.
    #[arg(long, value_name = "FILE|BASE64")]
    key: String,
}

pub(super) fn run(options: &Options) -> Result<Outcome, Outcome> {
    let key = public_key(&options.key)?;
    let signed = file::read_signed(&options.file, &key).map_err(|error| unusable(&options.file, &error))?;
    let (revision, sha256) = (signed.revision(), signed.sha256());
    report::say(&format!("The signature is good: revision {revision}, sha256 {sha256}, by the key {key}"));
    Ok(Outcome::Verified)
}
