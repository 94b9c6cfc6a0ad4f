//! One file.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use blindllama_attest::{application::MeasuredFile, digest::Sha256Digest};
use sha2::{Digest as _, Sha256};

use super::{MeasureError, Progress};

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

impl FileIdentity {
    /// What the file is, whatever its content: two names with the same node are one file.
    pub(super) const fn node(&self) -> Node {
        (self.device, self.inode)
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }
}

/// Device and inode.
pub(super) type Node = (u64, u64);

/// A file as it was when it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FoundFile {
    pub(super) path: PathBuf,
    pub(super) identity: FileIdentity,
}

impl FoundFile {
    /// The file at `path`, its links resolved.
    pub(super) fn at(path: &Path) -> Result<Self, MeasureError> {
        let path = path.canonicalize().map_err(MeasureError::unreadable(path))?;
        let metadata = fs::metadata(&path).map_err(MeasureError::unreadable(&path))?;
        if !metadata.is_file() {
            return Err(MeasureError::SpecialFile { path });
        }
        Ok(Self { path, identity: FileIdentity::from(&metadata) })
    }

    /// Hashes the content, which must still be that of the file that was found.
    pub(super) fn measure(&self, buffer: &mut Buffer, progress: &Progress<'_>) -> Result<MeasuredFile, MeasureError> {
        let mut read = || -> io::Result<(FileIdentity, MeasuredFile, FileIdentity)> {
            let mut file = File::open(&self.path)?;
            let before = FileIdentity::from(&file.metadata()?);
            let measured = hash(&mut file, buffer, progress)?;
            Ok((before, measured, FileIdentity::from(&file.metadata()?)))
        };
        let (before, measured, after) = read().map_err(MeasureError::unreadable(&self.path))?;
        if before != self.identity || after != self.identity || measured.bytes != after.size {
            return Err(MeasureError::Changing { path: self.path.clone() });
        }
        Ok(measured)
    }
}

/// What a thread reads files into.
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    pub(super) fn new() -> Self {
        Self(vec![0; BUFFER])
    }
}

/// Hashes the program that this process runs, even if its file was replaced since.
///
/// # Errors
/// [`MeasureError`] if it cannot be read.
pub fn measure_own_binary() -> Result<MeasuredFile, MeasureError> {
    let path = Path::new("/proc/self/exe");
    let mut file = File::open(path).map_err(MeasureError::unreadable(path))?;
    hash(&mut file, &mut Buffer::new(), &|_| ()).map_err(MeasureError::unreadable(path))
}

/// Hashes a document that is in memory, such as the effective configuration.
#[must_use]
pub fn measure_document(document: &[u8]) -> MeasuredFile {
    MeasuredFile { sha256: Sha256Digest::of(&[document]), bytes: document.len() as u64 }
}

fn hash(file: &mut File, buffer: &mut Buffer, progress: &Progress<'_>) -> io::Result<MeasuredFile> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    loop {
        let count = match file.read(&mut buffer.0) {
            Ok(0) => return Ok(MeasuredFile { sha256: Sha256Digest::from_bytes(hash.finalize().into()), bytes }),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(buffer.0.get(..count).unwrap_or_default());
        bytes += count as u64;
        progress(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Mutex};

    use blindllama_attest::digest::Sha256Digest;

    use super::{BUFFER, Buffer, FoundFile, MeasureError, measure_document, measure_own_binary};

    #[test]
    fn a_file_longer_than_the_buffer_is_hashed_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..BUFFER * 2 + 77).map(|index| (index % 251) as u8).collect();
        fs::write(&path, &content).expect("writes");
        let seen = Mutex::new(0);
        let progress = |bytes| *seen.lock().expect("no panic") += bytes;
        let measured = FoundFile::at(&path).and_then(|file| file.measure(&mut Buffer::new(), &progress)).expect("is readable");
        assert_eq!(measured, measure_document(&content));
        assert_eq!(measured.sha256, Sha256Digest::of(&[&content]));
        assert_eq!(seen.into_inner().expect("no panic"), measured.bytes);
    }

    #[test]
    fn a_file_that_is_no_longer_the_one_that_was_found_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(&path, "a").expect("writes");
        let found = FoundFile::at(&path).expect("is there");
        fs::remove_file(&path).expect("removes");
        fs::write(&path, "a").expect("writes");
        let error = found.measure(&mut Buffer::new(), &|_| ()).expect_err("another file with the same content");
        assert!(matches!(error, MeasureError::Changing { .. }), "{error:?}");
    }

    #[test]
    fn the_own_binary_is_the_running_one() {
        let path = std::env::current_exe().expect("is known");
        let content = fs::read(Path::new(&path)).expect("is readable");
        assert_eq!(measure_own_binary().expect("is readable"), measure_document(&content));
    }
}
