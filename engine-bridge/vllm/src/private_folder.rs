//! A folder that only this launch writes to and reads from.

use std::{fs::Permissions, io, os::unix::fs::PermissionsExt as _, path::Path};

use tempfile::TempDir;

/// Fresh, empty, readable by nobody else, and removed when dropped: where vLLM and the libraries below it keep whatever
/// they cache. What an earlier process left behind, or another user planted, is never loaded.
#[derive(Debug)]
pub(crate) struct PrivateFolder(TempDir);

impl PrivateFolder {
    /// Made in `TMPDIR`, or `/tmp`.
    pub(crate) fn new() -> io::Result<Self> {
        // Links above are resolved, since the kernel reports mapped files without links.
        let parent = std::env::temp_dir().canonicalize()?;
        let closed = Permissions::from_mode(0o700);
        tempfile::Builder::new().prefix("blindllama-").permissions(closed).tempdir_in(parent).map(Self)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::PrivateFolder;

    #[test]
    fn it_is_empty_closed_to_others_and_removed() {
        let folder = PrivateFolder::new().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(path.read_dir().unwrap().count(), 0);
        drop(folder);
        assert!(!path.exists());
    }
}
