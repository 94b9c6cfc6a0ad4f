//! Which signed policies this user has seen, so that an older one never comes back.
//!
//! A signature stays valid for ever, so whoever can replace a policy file could bring back one that was withdrawn. The file
//! `policies.json` keeps the highest revision that was seen of each key, with the digest of that policy.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use blindllama_attest::{digest::Sha256Digest, policy::SignedPolicy};
use serde::{Deserialize, Serialize};

use super::{file::read_at_most, output::write_private};

const VERSION: u32 = 1;
/// Room for a thousand keys.
const MAX_HISTORY_BYTES: u64 = 1 << 18;

/// The user's memory of signed policies.
#[derive(Debug, Clone)]
pub struct History {
    folder: PathBuf,
}

/// A policy is older than one seen before, or nobody can tell.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A lower revision.
    #[error(
        "it is revision {given}, but revision {seen} of that key's policy was seen before: somebody brought back an old policy; \
         get the current one"
    )]
    RolledBack {
        /// The policy's revision.
        given: u32,
        /// The highest one seen.
        seen: u32,
    },
    /// Two different policies with the same revision.
    #[error(
        "another policy with the same revision {revision} was seen before (sha256 {seen}, this one has {given}): whoever issues \
         policies has to increase the revision with each change"
    )]
    RevisionReused {
        /// The revision of both.
        revision: u32,
        /// The digest of this one.
        given: Sha256Digest,
        /// The digest of the one seen.
        seen: Sha256Digest,
    },
    /// There is no place to remember anything.
    #[error("there is no folder to remember revisions in: set BLINDLLAMA_STATE_DIR, XDG_STATE_HOME or HOME")]
    NoFolder,
    /// The memory cannot be read or written.
    #[error("the revisions seen before, {}, cannot be used, so nobody can tell whether this policy is an old one: {reason}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

impl HistoryError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::RolledBack { .. } => "policy_rolled_back",
            Self::RevisionReused { .. } => "policy_revision_reused",
            Self::NoFolder | Self::Unusable { .. } => "policy_history_unusable",
        }
    }

    /// Whether this machine is at fault, rather than the policy.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::NoFolder | Self::Unusable { .. })
    }
}

/// The file's content: by public key in base64.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenPolicies {
    version: u32,
    policies: BTreeMap<String, Seen>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    revision: u32,
    sha256: Sha256Digest,
}

impl History {
    /// A memory in that folder, which is made when there is something to remember.
    #[must_use]
    pub const fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The memory of the user who runs this process: `$BLINDLLAMA_STATE_DIR`, or `blindllama` in `$XDG_STATE_HOME` or in
    /// `~/.local/state` (XDG Base Directory Specification).
    ///
    /// # Errors
    /// [`HistoryError::NoFolder`] if none of the variables is set.
    pub fn of_user() -> Result<Self, HistoryError> {
        let variable = |name: &str| env::var_os(name).filter(|value: &OsString| !value.is_empty()).map(PathBuf::from);
        let own = variable("BLINDLLAMA_STATE_DIR");
        let state = || variable("XDG_STATE_HOME").filter(|path| path.is_absolute()).map(|state| state.join("blindllama"));
        let home = || variable("HOME").map(|home| home.join(".local/state/blindllama"));
        own.or_else(state).or_else(home).map(Self::in_folder).ok_or(HistoryError::NoFolder)
    }

    /// Remembers the policy, unless it is older than what is remembered of its key.
    ///
    /// # Errors
    /// [`HistoryError`]: the policy must not be used.
    pub fn admit(&self, policy: &SignedPolicy) -> Result<(), HistoryError> {
        let _locked = self.lock().map_err(|error| unusable(&self.folder, error))?;
        let path = self.folder.join("policies.json");
        let mut seen = SeenPolicies::read(&path)?;
        if seen.admit(policy)? {
            let bytes = serde_json::to_vec_pretty(&seen).map_err(|error| unusable(&path, error))?;
            write_private(&path, &bytes).map_err(|error| unusable(&path, error))?;
        }
        Ok(())
    }

    /// Keeps other processes of this user out until the file is dropped.
    fn lock(&self) -> io::Result<File> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(self.folder.join("policies.lock"))?;
        file.lock()?;
        Ok(file)
    }
}

impl SeenPolicies {
    /// Nothing was seen only where there is no file; one that cannot be read is never taken for none.
    fn read(path: &Path) -> Result<Self, HistoryError> {
        let bytes = match read_at_most(path, MAX_HISTORY_BYTES) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self { version: VERSION, policies: BTreeMap::new() });
            }
            Err(error) => return Err(unusable(path, error)),
        };
        let seen: Self = serde_json::from_slice(&bytes).map_err(|error| unusable(path, error))?;
        if seen.version == VERSION { Ok(seen) } else { Err(unusable(path, format!("it has version {}", seen.version))) }
    }

    /// Whether there is something new to remember.
    fn admit(&mut self, policy: &SignedPolicy) -> Result<bool, HistoryError> {
        let (revision, given) = (policy.revision(), policy.sha256());
        if let Some(seen) = self.policies.get(&policy.key().to_string()) {
            if revision < seen.revision {
                return Err(HistoryError::RolledBack { given: revision, seen: seen.revision });
            }
            if revision == seen.revision {
                let same = given == seen.sha256;
                return if same { Ok(false) } else { Err(HistoryError::RevisionReused { revision, given, seen: seen.sha256 }) };
            }
        }
        self.policies.insert(policy.key().to_string(), Seen { revision, sha256: given });
        Ok(true)
    }
}

fn unusable(path: &Path, reason: impl std::fmt::Display) -> HistoryError {
    HistoryError::Unusable { path: path.to_owned(), reason: reason.to_string() }
}
