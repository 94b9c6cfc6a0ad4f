use std::{
    fs,
    path::{Path, PathBuf},
};

use super::ModelSnapshot;
use crate::measure::{ChangedFile, FolderSnapshot, MeasureError};

/// A model, and two adapters in folders of other names.
struct Folders {
    root: tempfile::TempDir,
}

impl Folders {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a folder");
        for (path, content) in [
            ("model/config.json", "{}"),
            ("model/model.safetensors", "weights"),
            ("first/adapter_config.json", "{\"r\": 8}"),
            ("first/adapter_model.safetensors", "first"),
            ("second/adapter_config.json", "{\"r\": 8}"),
            ("second/adapter_model.safetensors", "second"),
            ("second/more/README.md", "read me"),
        ] {
            write(&root.path().join(path), content);
        }
        Self { root }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn take(&self, adapters: &[(&str, &str)]) -> Result<ModelSnapshot, MeasureError> {
        let adapters: Vec<_> = adapters.iter().map(|(name, folder)| (*name, self.path(folder))).collect();
        ModelSnapshot::take(&self.path("model"), adapters.iter().map(|(name, folder)| (*name, folder.as_path())))
    }

    fn both(&self) -> ModelSnapshot {
        self.take(&[("a", "first"), ("b", "second")]).expect("is measurable")
    }
}

fn write(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("creates");
    fs::write(path, content).expect("writes");
}

#[test]
fn adapters_are_in_the_manifest_by_their_names() {
    let folders = Folders::new();
    let snapshot = folders.both();
    let manifest = snapshot.measure(&|_| ()).expect("is readable");
    let paths: Vec<_> = manifest.files().iter().map(|file| file.path.as_str()).collect();
    let expected = [
        "adapters/a/adapter_config.json",
        "adapters/a/adapter_model.safetensors",
        "adapters/b/adapter_config.json",
        "adapters/b/adapter_model.safetensors",
        "adapters/b/more/README.md",
        "config.json",
        "model.safetensors",
    ];
    assert_eq!(paths, expected);
    assert_eq!(snapshot.bytes(), manifest.files().iter().map(|file| file.bytes).sum::<u64>());
    snapshot.unchanged().expect("nothing changed");

    let digest =
        |adapters| folders.take(adapters).and_then(|snapshot| snapshot.measure(&|_| ())).expect("is readable").measured();
    let measured = manifest.measured().expect("has a canonical form");
    for other in [&[("b", "first"), ("a", "second")][..], &[("a", "first")], &[("a", "first"), ("c", "second")]] {
        assert_ne!(digest(other).expect("has a canonical form").manifest_sha256, measured.manifest_sha256, "{other:?}");
    }
    assert_eq!(digest(&[("b", "second"), ("a", "first")]).expect("has a canonical form"), measured);
}

#[test]
fn without_adapters_the_manifest_is_that_of_the_folder() {
    let folders = Folders::new();
    let manifest = folders.take(&[]).and_then(|snapshot| snapshot.measure(&|_| ())).expect("is readable");
    let folder = FolderSnapshot::take(&folders.path("model")).and_then(|snapshot| snapshot.measure(&|_| ()));
    assert_eq!(manifest, folder.expect("is readable"));
}

#[test]
fn a_model_folder_has_nothing_where_adapters_are() {
    let folders = Folders::new();
    write(&folders.path("model/adapters/a/adapter_config.json"), "{}");
    for adapters in [&[][..], &[("a", "first")]] {
        let error = folders.take(adapters).expect_err("is refused");
        assert!(matches!(&error, MeasureError::AdaptersPlace { path } if path.ends_with("model/adapters/a/adapter_config.json")));
    }
}

#[test]
fn what_is_no_adapter_in_safetensors_is_refused() {
    let folders = Folders::new();
    for pickled in ["adapter_model.bin", "adapter_model.pt"] {
        let path = folders.path("first").join(pickled);
        write(&path, "pickled");
        let error = folders.take(&[("a", "first")]).expect_err("is refused");
        assert!(matches!(&error, MeasureError::Pickled { path } if path.ends_with(pickled)), "{error:?}");
        fs::remove_file(path).expect("removes");
    }
    for needed in ["adapter_config.json", "adapter_model.safetensors"] {
        let (path, aside) = (folders.path("first").join(needed), folders.path("aside"));
        fs::rename(&path, &aside).expect("moves");
        let error = folders.take(&[("a", "first")]).expect_err("is refused");
        assert!(matches!(&error, MeasureError::NoAdapter { missing, .. } if *missing == needed), "{error:?}");
        fs::rename(&aside, &path).expect("moves");
    }
    folders.take(&[("a", "first")]).expect("is an adapter again");
}

#[test]
fn a_changed_adapter_is_noticed_by_its_path_in_the_manifest() {
    let folders = Folders::new();
    let snapshot = folders.both();
    write(&folders.path("second/adapter_model.safetensors"), "SECOND");
    let error = snapshot.unchanged().expect_err("noticed");
    assert!(matches!(&error, ChangedFile::Altered { path } if path == "adapters/b/adapter_model.safetensors"), "{error:?}");
    assert!(matches!(snapshot.measure(&|_| ()), Err(MeasureError::Changing { .. })));

    let snapshot = folders.both();
    write(&folders.path("first/new"), "");
    assert!(matches!(snapshot.unchanged(), Err(ChangedFile::Added { path }) if path == "adapters/a/new"));
    write(&folders.path("model/config.json"), "{ }");
    assert!(matches!(snapshot.unchanged(), Err(ChangedFile::Altered { path }) if path == "config.json"));
}
