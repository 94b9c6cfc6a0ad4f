//! Reads the policy that a gateway is judged by.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use blindllama_attest::policy::{Policy, PolicyError, PolicyKey, PolicySignature, SignatureFileError, SignedPolicy};

use super::history::{History, HistoryError};

/// No honest policy is longer, in bytes.
const MAX_POLICY_BYTES: u64 = 1 << 20;
/// A signature file is one line of less than 200 bytes.
const MAX_SIGNATURE_BYTES: u64 = 1024;

/// The policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[source] io::Error),
    /// The file holds something else.
    #[error("it is no UTF-8 text")]
    NotText,
    /// The file is no valid policy.
    #[error(transparent)]
    Invalid(#[from] PolicyError),
    /// A policy key is given, and there is no signature.
    #[error("its signature {} cannot be read: {error}", path.display())]
    NoSignature {
        /// Where it should be.
        path: PathBuf,
        /// Why it cannot be read.
        error: io::Error,
    },
    /// The signature does not make the policy trustworthy.
    #[error(transparent)]
    Signature(#[from] SignatureFileError),
    /// The policy is older than one seen before, or nobody can tell.
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl PolicyFileError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) | Self::NotText => "policy_unreadable",
            Self::Invalid(_) => "policy_invalid",
            Self::NoSignature { .. } => "policy_signature_missing",
            Self::Signature(_) => "policy_signature_invalid",
            Self::History(error) => error.code(),
        }
    }
}

/// Reads a policy that the user wrote or accepted: nothing but its content is checked.
///
/// # Errors
/// [`PolicyFileError`].
pub fn read(path: &Path) -> Result<Policy, PolicyFileError> {
    let text = String::from_utf8(read_bytes(path)?).map_err(|_| PolicyFileError::NotText)?;
    Ok(Policy::parse(&text)?)
}

/// Reads a policy that `key` has to have signed.
///
/// # Errors
/// [`PolicyFileError`].
pub fn read_signed(path: &Path, key: &PolicyKey) -> Result<SignedPolicy, PolicyFileError> {
    let policy = read_bytes(path)?;
    let signature_path = signature_path(path);
    let signature = read_at_most(&signature_path, MAX_SIGNATURE_BYTES)
        .map_err(|error| PolicyFileError::NoSignature { path: signature_path, error })?;
    Ok(PolicySignature::parse(&signature)?.verify(&policy, key)?)
}

/// Reads a policy that `key` has to have signed, and that must not be older than what `history` has seen of that key.
///
/// # Errors
/// [`PolicyFileError`].
pub fn read_current(path: &Path, key: &PolicyKey, history: &History) -> Result<Policy, PolicyFileError> {
    let signed = read_signed(path, key)?;
    history.admit(&signed)?;
    Ok(signed.into_policy())
}

/// The policy file's bytes.
///
/// # Errors
/// [`PolicyFileError::Unreadable`], also for a file of more than 1 MiB.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, PolicyFileError> {
    read_at_most(path, MAX_POLICY_BYTES).map_err(PolicyFileError::Unreadable)
}

/// Where the signature of the policy at `path` lies: beside it, with `.sig` after its name.
#[must_use]
pub fn signature_path(path: &Path) -> PathBuf {
    beside(path, ".sig")
}

/// The path with `suffix` after its name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

pub(super) fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= limit { Ok(bytes) } else { Err(io::Error::other(format!("it has more than {limit} bytes"))) }
}
