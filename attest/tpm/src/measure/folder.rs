//! Every file of a folder.

use std::{
    collections::BTreeMap,
    fs,
    num::NonZero,
    os::unix::fs::MetadataExt as _,
    panic,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use blindllama_attest::application::{Manifest, ManifestEntry, MeasuredFile};

use super::{
    MeasureError,
    file::{FileIdentity, measure_identified},
};

/// Hashes every file below `folder`, hidden ones included, on all cores. Links are resolved: what counts is the content
/// that a reader of the folder would see.
///
/// # Errors
/// [`MeasureError`] names the file or folder that cannot be measured; one failure fails all.
pub fn measure_folder(folder: &Path) -> Result<(Manifest, FolderSnapshot), MeasureError> {
    let Walk { files: found, ways } = walk(folder)?;
    let found: Vec<(String, FoundFile)> = found.into_iter().collect();
    let mut entries = Vec::with_capacity(found.len());
    let mut files = BTreeMap::new();
    for (name, measured, identity) in measure_all(&found)? {
        entries.push(ManifestEntry { path: name.clone(), sha256: measured.sha256, bytes: measured.bytes });
        files.insert(name, identity);
    }
    Ok((Manifest::new(entries), FolderSnapshot { folder: folder.to_owned(), files, ways }))
}

/// The state of a folder's files when they were hashed.
#[derive(Debug, Clone)]
pub struct FolderSnapshot {
    folder: PathBuf,
    files: BTreeMap<String, FileIdentity>,
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

impl FolderSnapshot {
    /// Compares files, folders and links with what was hashed, by device, inode, size, mtime and ctime: for the moments
    /// after loading and before the seal. It stops accidents, and swaps by anyone but root who may not write to the folders
    /// above this one.
    ///
    /// # Errors
    /// [`ChangedFile`] names the first file that was added, removed or changed.
    pub fn unchanged(&self) -> Result<(), ChangedFile> {
        let Walk { files: now, ways } = walk(&self.folder)?;
        for (path, measured) in &self.files {
            match now.get(path) {
                None => return Err(ChangedFile::Removed { path: path.clone() }),
                Some(found) if found.identity != *measured => return Err(ChangedFile::Altered { path: path.clone() }),
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

struct FoundFile {
    path: PathBuf,
    identity: FileIdentity,
}

/// What is below a folder.
#[derive(Default)]
struct Walk {
    files: BTreeMap<String, FoundFile>,
    ways: Ways,
}

/// A folder on the way from the root to where the walk is, by device and inode.
type Ancestor = (u64, u64);

/// Finds every file below `folder`; the keys are paths within it, with `/` between their parts.
fn walk(folder: &Path) -> Result<Walk, MeasureError> {
    let mut found = Walk::default();
    visit(folder, "", &mut Vec::new(), &mut found)?;
    if found.files.is_empty() { Err(MeasureError::Empty { path: folder.to_owned() }) } else { Ok(found) }
}

fn visit(folder: &Path, prefix: &str, ancestors: &mut Vec<Ancestor>, found: &mut Walk) -> Result<(), MeasureError> {
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
        let name = format!("{prefix}{name}");
        let itself = fs::symlink_metadata(&path).map_err(MeasureError::unreadable(&path))?;
        if itself.is_symlink() {
            found.ways.insert(path.clone(), FileIdentity::from(&itself));
        }
        let metadata = fs::metadata(&path).map_err(MeasureError::unreadable(&path))?;
        if metadata.is_dir() {
            visit(&path, &format!("{name}/"), ancestors, found)?;
        } else if metadata.is_file() {
            found.files.insert(name, FoundFile { path, identity: FileIdentity::from(&metadata) });
        } else {
            return Err(MeasureError::SpecialFile { path });
        }
    }
    ancestors.pop();
    Ok(())
}

type Measured = (String, MeasuredFile, FileIdentity);

/// Hashes all files, each thread taking the next one that nobody has taken.
fn measure_all(files: &[(String, FoundFile)]) -> Result<Vec<Measured>, MeasureError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Vec<Measured>, MeasureError> {
        let mut done = Vec::new();
        while let Some((name, file)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (measured, identity) = measure_identified(&file.path)?;
            done.push((name.clone(), measured, identity));
        }
        Ok(done)
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(files.len());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::with_capacity(files.len());
        for worker in workers {
            all.append(&mut worker.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))?);
        }
        Ok(all)
    })
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
