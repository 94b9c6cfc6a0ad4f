use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use blindllama_attest::{application::Manifest, digest::Sha256Digest};

use super::{PackageSources, PackagesSnapshot, SearchedPlace};
use crate::measure::{ChangedFile, MeasureError};

/// A standard library with a native module, an environment's packages, and an interpreter behind a link.
struct Environment {
    root: tempfile::TempDir,
    libraries: Vec<PathBuf>,
}

impl Environment {
    fn new() -> Self {
        let environment = Self { root: tempfile::tempdir().expect("a folder"), libraries: Vec::new() };
        environment.write("stdlib/os.py", "os");
        environment.write("stdlib/lib-dynload/math.so", "math");
        environment.write("stdlib/site-packages/elsewhere.py", "installed for all");
        environment.write("site-packages/vllm/__init__.py", "vllm");
        environment.write("site-packages/distutils-precedence.pth", "import os");
        environment.write("python3.11", "python");
        symlink("python3.11", environment.at("python")).expect("links");
        environment
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().canonicalize().expect("is there").join(path)
    }

    fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("has one")).expect("creates");
        fs::write(&path, content).expect("writes");
        path
    }

    fn snapshot(&self) -> Result<PackagesSnapshot, MeasureError> {
        let folders = [("stdlib", "stdlib"), ("stdlib/lib-dynload", "stdlib/lib-dynload"), ("site-packages", "site-packages")]
            .map(|(name, path)| (name, self.at(path)));
        let search_path = folders.each_ref().map(|(name, path)| place(name, path));
        let interpreter = self.at("python");
        PackagesSnapshot::take(PackageSources {
            search_path: &search_path,
            interpreter: &interpreter,
            libraries: &self.libraries,
        })
    }

    fn manifest(&self) -> Manifest {
        self.snapshot().expect("is measurable").measure(&|_| ()).expect("is readable")
    }
}

fn place<'a>(name: &'a str, path: &'a Path) -> SearchedPlace<'a> {
    SearchedPlace { name, path, without: if name == "stdlib" { &["site-packages"] } else { &[] } }
}

/// Path and content's digest of everything but the libraries that this test itself is linked against.
fn found(manifest: &Manifest) -> Vec<(&str, Sha256Digest)> {
    let own = |path: &str| path.starts_with("lib/") && !path.starts_with("lib/libextra");
    manifest.files().iter().filter(|file| !own(&file.path)).map(|file| (file.path.as_str(), file.sha256)).collect()
}

fn content(text: &str) -> Sha256Digest {
    Sha256Digest::of(&[text.as_bytes()])
}

#[test]
fn everything_that_can_be_loaded_is_listed_under_names_that_all_hosts_share() {
    let environment = Environment::new();
    let manifest = environment.manifest();
    let expected = [
        ("interpreter", "python"),
        ("site-packages/distutils-precedence.pth", "import os"),
        ("site-packages/vllm/__init__.py", "vllm"),
        ("stdlib/lib-dynload/math.so", "math"),
        ("stdlib/os.py", "os"),
    ];
    assert_eq!(found(&manifest), expected.map(|(path, text)| (path, content(text))));
    let root = environment.root.path().to_str().expect("text");
    assert!(manifest.files().iter().all(|file| !file.path.contains(root)));
    for mapped in ["lib/libc.so.6", "lib/ld-linux"] {
        assert!(manifest.files().iter().any(|file| file.path.starts_with(mapped)), "{mapped} is missing");
    }
    assert!(manifest.files().windows(2).all(|pair| pair[0].path < pair[1].path), "paths are distinct");
    assert_eq!(Environment::new().manifest(), manifest, "another folder, the same manifest");
}

#[test]
fn a_planted_pyc_and_an_added_or_changed_file_make_another_manifest() {
    let environment = Environment::new();
    let honest = environment.manifest();
    for (path, text) in [
        ("site-packages/vllm/__pycache__/__init__.cpython-311.pyc", "planted"),
        ("site-packages/sitecustomize.py", "planted"),
        ("stdlib/os.py", "changed"),
        ("python3.11", "changed"),
    ] {
        let before = fs::read(environment.at(path)).ok();
        let path = environment.write(path, text);
        assert_ne!(environment.manifest(), honest, "{path:?}");
        before.map_or_else(|| fs::remove_file(&path), |before| fs::write(&path, before)).expect("puts it back");
    }
    assert_eq!(environment.manifest(), honest);
}

#[test]
fn what_is_installed_for_all_is_no_part_of_the_environment() {
    let environment = Environment::new();
    let snapshot = environment.snapshot().expect("is measurable");
    let honest = environment.manifest();
    let elsewhere = environment.write("stdlib/site-packages/another.py", "installed later");
    snapshot.unchanged().expect("nothing of the environment changed");
    assert_eq!(environment.manifest(), honest);
    let node = crate::measure::file::FoundFile::at(&elsewhere).expect("is there").identity.node();
    assert!(
        !environment.snapshot().expect("is measurable").nodes.contains(&node),
        "code that is mapped from there is unmeasured"
    );
    for inside in ["stdlib/json/site-packages/a.py", "site-packages/site-packages/a.py", "stdlib/site-packages.py"] {
        let path = environment.write(inside, "a module");
        assert_ne!(environment.manifest(), honest, "{inside}");
        fs::remove_file(path).expect("removes");
    }
}

#[test]
fn an_environment_inside_its_standard_library_is_measured() {
    let environment = Environment::new();
    let (stdlib, packages, interpreter) =
        (environment.at("stdlib"), environment.at("stdlib/site-packages"), environment.at("python"));
    let search_path = [place("stdlib", &stdlib), place("site-packages", &packages)];
    let sources = PackageSources { search_path: &search_path, interpreter: &interpreter, libraries: &[] };
    let manifest = PackagesSnapshot::take(sources).expect("is measurable").measure(&|_| ()).expect("is readable");
    assert!(found(&manifest).contains(&("site-packages/elsewhere.py", content("installed for all"))), "{manifest:?}");
}

#[test]
fn libraries_of_one_name_do_not_hide_each_other() {
    let mut environment = Environment::new();
    let first = environment.write("a/libextra.so.1", "one");
    let second = environment.write("b/libextra.so.1", "two");
    let copy = environment.write("c/libextra.so.1", "one");
    symlink(&first, environment.at("libextra.so")).expect("links");
    environment.libraries = vec![first.clone(), second.clone(), copy, environment.at("libextra.so")];
    let manifest = environment.manifest();
    let mut expected = [content("one"), content("two")];
    expected.sort();
    let extras: Vec<_> = found(&manifest).into_iter().filter(|(path, _)| path.starts_with("lib/libextra")).collect();
    assert_eq!(extras, [("lib/libextra.so.1", expected[0]), ("lib/libextra.so.1#2", expected[1])]);
    environment.libraries = vec![second, first];
    assert_eq!(environment.manifest(), manifest, "whatever the order");
    environment.libraries = vec![PathBuf::from("/nonexistent/libextra.so")];
    assert!(matches!(environment.snapshot(), Err(MeasureError::Unreadable { path, .. }) if path.ends_with("libextra.so")));
}

#[test]
fn changes_after_the_snapshot_are_noticed() {
    let mut environment = Environment::new();
    environment.libraries = vec![environment.write("libextra.so", "one")];
    let change = |change: &dyn Fn(), expected: &dyn Fn(&ChangedFile) -> bool| {
        let snapshot = environment.snapshot().expect("is measurable");
        snapshot.unchanged().expect("nothing changed yet");
        change();
        let error = snapshot.unchanged().expect_err("noticed");
        assert!(expected(&error), "{error:?}");
    };
    let pyc = "site-packages/vllm/__pycache__/__init__.cpython-311.pyc";
    change(
        &|| drop(environment.write(pyc, "planted")),
        &|error| matches!(error, ChangedFile::Added { path } if path.ends_with("pyc")),
    );
    change(
        &|| drop(environment.write("stdlib/os.py", "changed")),
        &|error| matches!(error, ChangedFile::Altered { path } if path == "os.py"),
    );
    change(
        &|| drop(environment.write("libextra.so", "changed")),
        &|error| matches!(error, ChangedFile::Altered { path } if path.ends_with("libextra.so")),
    );
    change(
        &|| drop(environment.write("python3.11", "changed")),
        &|error| matches!(error, ChangedFile::Altered { path } if path.ends_with("python3.11")),
    );
}

#[test]
fn code_that_is_mapped_later_is_found_unless_it_was_listed() {
    let code = |snapshot: &PackagesSnapshot| snapshot.unmeasured_code().expect("is readable");
    let mut environment = Environment::new();
    let snapshot = environment.snapshot().expect("is measurable");
    assert_eq!(code(&snapshot), Vec::<PathBuf>::new());
    // A snapshot that does not know the C library stands for a library that was mapped after it was taken.
    let mut before = environment.snapshot().expect("is measurable");
    let library =
        before.libraries.iter().find(|file| file.path.to_string_lossy().contains("libc.so")).expect("is mapped").clone();
    before.nodes.remove(&library.identity.node());
    assert_eq!(code(&before), std::slice::from_ref(&library.path));
    environment.libraries = vec![library.path];
    assert_eq!(code(&environment.snapshot().expect("is measurable")), Vec::<PathBuf>::new());
}

#[test]
fn code_of_another_process_is_measured_by_what_it_says_of_itself() {
    let environment = Environment::new();
    let snapshot = environment.snapshot().expect("is measurable");
    let own = std::fs::read("/proc/self/maps").expect("is readable");
    assert_eq!(snapshot.unmeasured_code_of(&own).expect("is understood"), Vec::<PathBuf>::new());
    let planted = environment.write("planted.so", "code");
    let line = format!("\n7f00-7f01 r-xp 00000000 fe:00 7 {}\n", planted.display());
    let with_planted = [own, line.into_bytes()].concat();
    assert_eq!(snapshot.unmeasured_code_of(&with_planted).expect("is understood"), [planted]);
    assert!(matches!(snapshot.unmeasured_code_of(b"x\n"), Err(MeasureError::UnknownMaps { line: 1 })));
}

#[test]
fn an_entry_may_be_a_file_and_must_be_there() {
    let environment = Environment::new();
    let archive = environment.write("python311.zip", "archive");
    let interpreter = environment.at("python");
    let take = |path: &Path| {
        PackagesSnapshot::take(PackageSources {
            search_path: &[place("stdlib.zip", path)],
            interpreter: &interpreter,
            libraries: &[],
        })
    };
    let manifest = take(&archive).expect("is measurable").measure(&|_| ()).expect("is readable");
    assert!(found(&manifest).contains(&("stdlib.zip", content("archive"))));
    assert!(matches!(take(Path::new("/nonexistent")), Err(MeasureError::Unreadable { .. })));
}
