use std::{
    fs::{self, FileTimes},
    os::unix::fs::symlink,
    path::Path,
};

use blindllama_attest::digest::Sha256Digest;

use super::{ChangedFile, FolderSnapshot};
use crate::measure::MeasureError;

/// A folder with files, a hidden one, a sub-folder, and links to a file and a folder outside.
fn model() -> (tempfile::TempDir, std::path::PathBuf) {
    let root = tempfile::tempdir().expect("a folder");
    let (blobs, model) = (root.path().join("blobs"), root.path().join("model"));
    fs::create_dir_all(blobs.join("more")).expect("creates");
    fs::create_dir_all(model.join("sub")).expect("creates");
    write(&blobs.join("weights"), "weights");
    write(&blobs.join("more/tokens"), "tokens");
    write(&model.join("config.json"), "{}");
    write(&model.join(".hidden"), "hidden");
    write(&model.join("sub/file"), "file");
    symlink("../blobs/weights", model.join("model.safetensors")).expect("links");
    symlink(blobs.join("more"), model.join("linked")).expect("links");
    (root, model)
}

fn write(path: &Path, content: &str) {
    fs::write(path, content).expect("writes");
}

#[test]
fn every_file_is_in_the_manifest_with_the_content_a_reader_sees() {
    let (_root, model) = model();
    let snapshot = FolderSnapshot::take(&model).expect("is measurable");
    let manifest = snapshot.measure(&|_| ()).expect("is readable");
    let found: Vec<_> = manifest.files().iter().map(|file| (file.path.as_str(), file.sha256, file.bytes)).collect();
    let expected = [
        (".hidden", "hidden"),
        ("config.json", "{}"),
        ("linked/tokens", "tokens"),
        ("model.safetensors", "weights"),
        ("sub/file", "file"),
    ];
    assert_eq!(
        found,
        expected.map(|(path, content)| (path, Sha256Digest::of(&[content.as_bytes()]), content.len() as u64)).to_vec()
    );
    snapshot.unchanged().expect("nothing changed");
}

#[test]
fn a_file_with_two_names_is_hashed_once() {
    let (_root, model) = model();
    fs::hard_link(model.join("config.json"), model.join("sub/config.json")).expect("links");
    symlink("sub/config.json", model.join("config.link")).expect("links");
    let snapshot = FolderSnapshot::take(&model).expect("is measurable");
    let hashed = std::sync::Mutex::new(0);
    let manifest = snapshot.measure(&|bytes| *hashed.lock().expect("no panic") += bytes).expect("is readable");
    assert_eq!(manifest.files().len(), 7);
    let distinct = ["hidden", "{}", "tokens", "weights", "file"].map(str::len).iter().sum::<usize>() as u64;
    assert_eq!((snapshot.bytes(), hashed.into_inner().expect("no panic")), (distinct, distinct));
}

#[test]
fn a_change_between_snapshot_and_hash_is_refused() {
    let (root, model) = model();
    let snapshot = FolderSnapshot::take(&model).expect("is measurable");
    write(&root.path().join("blobs/weights"), "WEIGHTS");
    let error = snapshot.measure(&|_| ()).expect_err("is refused");
    assert!(matches!(&error, MeasureError::Changing { path } if path.ends_with("model.safetensors")), "{error:?}");
}

#[test]
fn changes_behind_a_link_are_noticed_even_with_size_and_mtime_kept() {
    let (root, model) = model();
    let snapshot = FolderSnapshot::take(&model).expect("is measurable");
    let weights = root.path().join("blobs/weights");
    let times = FileTimes::new().set_modified(fs::metadata(&weights).and_then(|metadata| metadata.modified()).expect("is known"));
    write(&weights, "WEIGHTS");
    fs::File::options().write(true).open(&weights).and_then(|file| file.set_times(times)).expect("sets times");
    let error = snapshot.unchanged().expect_err("noticed");
    assert!(matches!(&error, ChangedFile::Altered { path } if path == "model.safetensors"), "{error:?}");
}

#[test]
fn a_replaced_link_is_noticed() {
    let (root, model) = model();
    let snapshot = FolderSnapshot::take(&model).expect("is measurable");
    fs::copy(root.path().join("blobs/weights"), root.path().join("blobs/copy")).expect("copies");
    fs::remove_file(model.join("model.safetensors")).expect("removes");
    symlink("../blobs/copy", model.join("model.safetensors")).expect("links");
    assert!(matches!(snapshot.unchanged(), Err(ChangedFile::Altered { path }) if path == "model.safetensors"));
}

#[test]
fn a_link_or_folder_that_was_swapped_and_put_back_is_noticed() {
    let (_outside, model) = model();
    let snapshot = FolderSnapshot::take(&model).expect("measures");
    let link = model.join("model.safetensors");
    let aside = model.with_extension("aside");
    fs::rename(&link, &aside).expect("moves the link away");
    fs::rename(&aside, &link).expect("puts it back");
    assert!(matches!(snapshot.unchanged(), Err(ChangedFile::Moved { .. })));

    let snapshot = FolderSnapshot::take(&model).expect("measures");
    fs::rename(&model, &aside).expect("moves the whole folder away");
    fs::rename(&aside, &model).expect("puts it back");
    assert!(matches!(snapshot.unchanged(), Err(ChangedFile::Moved { .. })));
}

#[test]
fn added_and_removed_files_are_noticed() {
    let (_root, model) = model();
    let snapshot = FolderSnapshot::take(&model).expect("is measurable");
    write(&model.join("sub/new"), "");
    assert!(matches!(snapshot.unchanged(), Err(ChangedFile::Added { path }) if path == "sub/new"));
    fs::remove_file(model.join("sub/new")).expect("removes");
    assert!(matches!(snapshot.unchanged(), Err(ChangedFile::Moved { .. })), "a file that came and went leaves its trace");
    fs::remove_file(model.join("config.json")).expect("removes");
    assert!(matches!(snapshot.unchanged(), Err(ChangedFile::Removed { path }) if path == "config.json"));
}

#[test]
fn loops_special_files_dangling_links_and_empty_folders_are_refused() {
    let (_root, model) = model();
    symlink("..", model.join("sub/up")).expect("links");
    assert!(matches!(FolderSnapshot::take(&model), Err(MeasureError::Loop { path }) if path.ends_with("sub/up")));
    fs::remove_file(model.join("sub/up")).expect("removes");

    let socket = std::os::unix::net::UnixListener::bind(model.join("socket")).expect("binds");
    assert!(matches!(FolderSnapshot::take(&model), Err(MeasureError::SpecialFile { path }) if path.ends_with("socket")));
    drop(socket);
    fs::remove_file(model.join("socket")).expect("removes");

    symlink("nowhere", model.join("dangling")).expect("links");
    assert!(matches!(FolderSnapshot::take(&model), Err(MeasureError::Unreadable { path, .. }) if path.ends_with("dangling")));

    let empty = tempfile::tempdir().expect("a folder");
    assert!(matches!(FolderSnapshot::take(empty.path()), Err(MeasureError::Empty { .. })));
}
