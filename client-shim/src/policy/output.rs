//! Writes files whole or not at all.

use std::{
    fs::{File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use tempfile::Builder;

/// What happens to a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing fails.
    Keep,
    /// The new file takes its place.
    Replace,
}

/// Writes a file that others may read. A reader sees all of it or what was there before, even after a power cut.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where a file stays; whatever the file system says otherwise.
pub fn write(path: &Path, bytes: &[u8], existing: Existing) -> io::Result<()> {
    write_with_mode(path, bytes, existing, 0o644)
}

/// Writes a file that is its owner's alone.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with_mode(path, bytes, Existing::Replace, 0o600)
}

fn write_with_mode(path: &Path, bytes: &[u8], existing: Existing, mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    let mut file = builder.prefix(".blindllama-").permissions(Permissions::from_mode(mode)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match existing {
        Existing::Keep => file.persist_noclobber(path),
        Existing::Replace => file.persist(path),
    }?;
    File::open(folder)?.sync_all()
}
