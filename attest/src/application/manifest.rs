//! Manifests: one digest for many files.

use serde::{Deserialize, Serialize};

use super::event::MeasuredManifest;
use crate::{
    canonical_json::{NotCanonical, to_canonical_json},
    digest::Sha256Digest,
};

/// A list of files with their digests, sorted by path; served as canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    files: Vec<ManifestEntry>,
}

/// One file of a [`Manifest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestEntry {
    /// Path relative to the measured folder, `/` between its parts.
    pub path: String,
    /// SHA-256 of the file's bytes.
    pub sha256: Sha256Digest,
    /// The file's size.
    pub bytes: u64,
}

impl Manifest {
    /// Sorts `files` by path, so that one folder has one manifest.
    #[must_use]
    pub fn new(mut files: Vec<ManifestEntry>) -> Self {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// The files, sorted by path.
    #[must_use]
    pub fn files(&self) -> &[ManifestEntry] {
        &self.files
    }

    /// The manifest's bytes, as hashed and as served.
    ///
    /// # Errors
    /// A file beyond 2^53 bytes has no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, NotCanonical> {
        to_canonical_json(self)
    }

    /// What the application log says of this manifest.
    ///
    /// # Errors
    /// As for [`Manifest::to_bytes`].
    pub fn measured(&self) -> Result<MeasuredManifest, NotCanonical> {
        Ok(self.document()?.0)
    }

    /// What [`Manifest::measured`] gives, and the bytes of [`Manifest::to_bytes`], which are written once: a list of all packages' files is
    /// long.
    ///
    /// # Errors
    /// As for [`Manifest::to_bytes`].
    pub fn document(&self) -> Result<(MeasuredManifest, Vec<u8>), NotCanonical> {
        let document = self.to_bytes()?;
        let measured = MeasuredManifest {
            manifest_sha256: Sha256Digest::of(&[&document]),
            files: self.files.len() as u64,
            bytes: self.files.iter().map(|file| file.bytes).sum(),
        };
        Ok((measured, document))
    }
}
