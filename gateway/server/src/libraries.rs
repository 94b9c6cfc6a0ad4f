//! The native libraries that `[engine] libraries` lists.

use std::path::{Path, PathBuf};

/// The folders that the dynamic loader looks through by itself (`ld.so(8)`), Debian's multiarch ones first.
fn system_folders() -> [PathBuf; 6] {
    let multiarch = format!("{}-linux-gnu", std::env::consts::ARCH);
    [
        Path::new("/lib").join(&multiarch),
        Path::new("/usr/lib").join(&multiarch),
        "/lib64".into(),
        "/usr/lib64".into(),
        "/lib".into(),
        "/usr/lib".into(),
    ]
}

/// Paths of the libraries. A bare file name that no folder of the system has is left out: what is not there cannot be loaded,
/// and what is loaded from elsewhere is found before the seal.
pub(crate) fn resolve(listed: &[PathBuf]) -> Vec<PathBuf> {
    find(listed, &system_folders())
}

fn find(listed: &[PathBuf], folders: &[PathBuf]) -> Vec<PathBuf> {
    let path = |library: &PathBuf| {
        if library.components().count() != 1 || library.is_absolute() {
            return Some(library.clone());
        }
        let found = folders.iter().map(|folder| folder.join(library)).find(|path| path.exists());
        if found.is_none() {
            tracing::info!(library = %library.display(), "listed under engine.libraries, but not on this system");
        }
        found
    };
    listed.iter().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_and_paths_are_taken_as_they_are() {
        let system = tempfile::tempdir().unwrap();
        std::fs::write(system.path().join("libnuma.so.1"), "").unwrap();
        let listed = ["libnuma.so.1", "libmissing.so.1", "/opt/libmissing.so.1", "lib/relative.so"].map(PathBuf::from);
        let found = find(&listed, &[PathBuf::from("/nonexistent"), system.path().to_owned()]);
        assert_eq!(found, [system.path().join("libnuma.so.1"), "/opt/libmissing.so.1".into(), "lib/relative.so".into()]);
    }
}
