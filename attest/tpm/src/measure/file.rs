//! One file.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use blindllama_attest::{application::MeasuredFile, digest::Sha256Digest};
use sha2::{Digest as _, Sha256};

use super::MeasureError;

/// Bytes read at a time.
const BUFFER: usize = 1 << 20;

/// What the file system says of a file's content without reading it. Whoever can write the file but is not root cannot
/// change the content and keep all five: `ctime` cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// Seconds and nanoseconds.
    changed: (i64, i64),
}

impl From<&Metadata> for FileIdentity {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Hashes a file's content.
///
/// # Errors
/// [`MeasureError`] if it cannot be read or changes meanwhile.
pub fn measure_file(path: &Path) -> Result<MeasuredFile, MeasureError> {
    measure_identified(path).map(|(measured, _)| measured)
}

/// Hashes the program that this process runs, even if its file was replaced since.
///
/// # Errors
/// As for [`measure_file`].
pub fn measure_own_binary() -> Result<MeasuredFile, MeasureError> {
    measure_file(Path::new("/proc/self/exe"))
}

/// Hashes a document that is in memory, such as the effective configuration.
#[must_use]
pub fn measure_document(document: &[u8]) -> MeasuredFile {
    MeasuredFile { sha256: Sha256Digest::of(&[document]), bytes: document.len() as u64 }
}

/// Hashes a file's content and says which file, in which state, it was.
pub(super) fn measure_identified(path: &Path) -> Result<(MeasuredFile, FileIdentity), MeasureError> {
    let read = || -> io::Result<(FileIdentity, MeasuredFile, FileIdentity)> {
        let mut file = File::open(path)?;
        let before = FileIdentity::from(&file.metadata()?);
        let measured = hash(&mut file)?;
        Ok((before, measured, FileIdentity::from(&file.metadata()?)))
    };
    let (before, measured, after) = read().map_err(MeasureError::unreadable(path))?;
    if before != after || measured.bytes != after.size {
        return Err(MeasureError::Changing { path: path.to_owned() });
    }
    Ok((measured, after))
}

fn hash(file: &mut File) -> io::Result<MeasuredFile> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    let mut bytes = 0;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => return Ok(MeasuredFile { sha256: Sha256Digest::from_bytes(hash.finalize().into()), bytes }),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(buffer.get(..count).unwrap_or_default());
        bytes += count as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use blindllama_attest::digest::Sha256Digest;

    use super::{BUFFER, measure_document, measure_file, measure_own_binary};

    #[test]
    fn a_file_longer_than_the_buffer_is_hashed_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..BUFFER * 2 + 77).map(|index| (index % 251) as u8).collect();
        fs::write(&path, &content).expect("writes");
        let measured = measure_file(&path).expect("is readable");
        assert_eq!(measured, measure_document(&content));
        assert_eq!(measured.sha256, Sha256Digest::of(&[&content]));
    }

    #[test]
    fn the_own_binary_is_the_running_one() {
        let by_path = measure_file(&std::env::current_exe().expect("is known")).expect("is readable");
        assert_eq!(measure_own_binary().expect("is readable"), by_path);
    }
}
