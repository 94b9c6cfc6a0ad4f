//! Every file of a folder.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use blindllama_attest::application::Manifest;

use super::{
    MeasureError, Progress,
    file::{FileIdentity, FoundFile, Node},
    hashing::{distinct_bytes, measure_all},
};

/// A folder's files as they were at one moment: taken before anything is loaded from it, then hashed, then compared again.
#[derive(Debug, Clone)]
pub struct FolderSnapshot {
    folder: PathBuf,
    without: Vec<String>,
    files: BTreeMap<String, FoundFile>,
    ways: Ways,
}

/// What leads to the files: each folder and each link, as they are themselves. Renaming or retargeting one and putting it
/// back leaves the files as they were, but not its own ctime.
type Ways = BTreeMap<PathBuf, FileIdentity>;

/// A measured folder is no longer as it was.
#[derive(Debug, thiserror::Error)]
pub enum ChangedFile {
    /// A file appeared.
    #[error("{path:?} was added to the folder after it was measured")]
    Added {
        /// Path within the folder.
        path: String,
    },
    /// A file is gone.
    #[error("{path:?} was removed from the folder after it was measured")]
    Removed {
        /// Path within the folder.
        path: String,
    },
    /// A file was written to, or replaced.
    #[error("{path:?} was changed after it was measured")]
    Altered {
        /// Path within the folder.
        path: String,
    },
    /// A folder or a link was replaced, renamed or written to, even if it was put back.
    #[error("{path:?}, which leads to measured files, was changed after they were measured")]
    Moved {
        /// The folder or link.
        path: PathBuf,
    },
    /// The folder can no longer be looked through.
    #[error("the folder cannot be compared with what was measured: {0}")]
    Unreadable(#[from] MeasureError),
}

impl ChangedFile {
    /// The same, of a folder that is part of a larger one: `prefix` stands before its paths.
    pub(super) fn below(self, prefix: &str) -> Self {
        let below = |path| format!("{prefix}{path}");
        match self {
            Self::Added { path } => Self::Added { path: below(path) },
            Self::Removed { path } => Self::Removed { path: below(path) },
            Self::Altered { path } => Self::Altered { path: below(path) },
            moved_or_unreadable => moved_or_unreadable,
        }
    }
}

impl FolderSnapshot {
    /// Finds every file below `folder`, hidden ones included. Links are resolved: what counts is the content that a reader of
    /// the folder would see. Nothing is read yet.
    ///
    /// # Errors
    /// [`MeasureError`] names the file or folder that cannot be measured.
    pub fn take(folder: &Path) -> Result<Self, MeasureError> {
        Self::take_without(folder, &[])
    }

    /// Every file below `folder` as [`FolderSnapshot::take`] finds it, without what lies directly in `folder` under one of `names`.
    ///
    /// # Errors
    /// As for [`FolderSnapshot::take`].
    pub fn take_without(folder: &Path, names: &[&str]) -> Result<Self, MeasureError> {
        let without: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let Walk { files, ways } = walk(folder, &without)?;
        Ok(Self { folder: folder.to_owned(), without, files, ways })
    }

    /// Hashes every file on all cores, each once however many names it has. A file that is not as it was found is an error.
    ///
    /// # Errors
    /// [`MeasureError`] names the file; one failure fails all.
    pub fn measure(&self, progress: &Progress<'_>) -> Result<Manifest, MeasureError> {
        Ok(Manifest::new(measure_all(self.named(""), progress)?))
    }

    /// How many bytes [`FolderSnapshot::measure`] will hash.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        distinct_bytes(self.found())
    }

    /// The files.
    pub(super) fn found(&self) -> impl Iterator<Item = &FoundFile> {
        self.files.values()
    }

    /// The files with their paths, each behind `prefix`.
    pub(super) fn named(&self, prefix: &str) -> Vec<(String, &FoundFile)> {
        self.files.iter().map(|(path, file)| (format!("{prefix}{path}"), file)).collect()
    }

    /// Whether `path`, which has no links in it, is in the folder and not left out.
    pub(super) fn reaches(&self, path: &Path) -> bool {
        path.starts_with(&self.folder) && !self.without.iter().any(|name| path.starts_with(self.folder.join(name)))
    }

    /// Compares files, folders and links with what was hashed, by device, inode, size, mtime and ctime: for the moments
    /// after loading and before the seal. It stops accidents, and swaps by anyone but root who may not write to the folders
    /// above this one.
    ///
    /// # Errors
    /// [`ChangedFile`] names the first file that was added, removed or changed.
    pub fn unchanged(&self) -> Result<(), ChangedFile> {
        let Walk { files: now, ways } = walk(&self.folder, &self.without)?;
        for (path, measured) in &self.files {
            match now.get(path) {
                None => return Err(ChangedFile::Removed { path: path.clone() }),
                Some(found) if found.identity != measured.identity => return Err(ChangedFile::Altered { path: path.clone() }),
                Some(_) => {}
            }
        }
        if let Some(path) = now.into_keys().find(|path| !self.files.contains_key(path)) {
            return Err(ChangedFile::Added { path });
        }
        match self.ways.iter().find(|(path, identity)| ways.get(*path) != Some(*identity)) {
            Some((path, _)) => Err(ChangedFile::Moved { path: path.clone() }),
            None => Ok(()),
        }
    }
}

/// What is below a folder.
#[derive(Default)]
struct Walk {
    files: BTreeMap<String, FoundFile>,
    ways: Ways,
}

/// Finds every file below `folder`, but for what is directly in it under a name in `without`; the keys are paths within it, with
/// `/` between their parts.
fn walk(folder: &Path, without: &[String]) -> Result<Walk, MeasureError> {
    let mut found = Walk::default();
    visit(folder, "", without, &mut Vec::new(), &mut found)?;
    if found.files.is_empty() { Err(MeasureError::Empty { path: folder.to_owned() }) } else { Ok(found) }
}

fn visit(
    folder: &Path,
    prefix: &str,
    without: &[String],
    ancestors: &mut Vec<Node>,
    found: &mut Walk,
) -> Result<(), MeasureError> {
    let metadata = fs::metadata(folder).map_err(MeasureError::unreadable(folder))?;
    let this = (metadata.dev(), metadata.ino());
    if ancestors.contains(&this) {
        return Err(MeasureError::Loop { path: folder.to_owned() });
    }
    ancestors.push(this);
    found.ways.insert(folder.join("."), FileIdentity::from(&metadata));
    for entry in fs::read_dir(folder).map_err(MeasureError::unreadable(folder))? {
        let path = entry.map_err(MeasureError::unreadable(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| MeasureError::NotUtf8 { path: path.clone() })?;
        if without.iter().any(|left_out| left_out == name) {
            continue;
        }
        let name = format!("{prefix}{name}");
        let mut metadata = fs::symlink_metadata(&path).map_err(MeasureError::unreadable(&path))?;
        if metadata.is_symlink() {
            found.ways.insert(path.clone(), FileIdentity::from(&metadata));
            metadata = fs::metadata(&path).map_err(MeasureError::unreadable(&path))?;
        }
        if metadata.is_dir() {
            visit(&path, &format!("{name}/"), &[], ancestors, found)?;
        } else if metadata.is_file() {
            found.files.insert(name, FoundFile { path, identity: FileIdentity::from(&metadata) });
        } else {
            return Err(MeasureError::SpecialFile { path });
        }
    }
    ancestors.pop();
    Ok(())
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
