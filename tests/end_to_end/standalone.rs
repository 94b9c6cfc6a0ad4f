//! The shim alone on a machine that has neither libtss2 nor Python.

use std::process::Command;

use blindllama_tests::project;

/// The libraries that every Debian has; the shim may need no other.
const ALLOWED: [&str; 6] =
    ["linux-vdso.so.1", "libc.so.6", "libgcc_s.so.1", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];

pub fn the_shim_needs_no_tpm_library_and_no_python() {
    let program = project::program("blindllama");
    let output = Command::new("ldd").arg(&program).output().expect("ldd");
    assert!(output.status.success(), "ldd: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let libraries: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().next()?.rsplit('/').next()).collect();
    assert!(libraries.contains(&"libc.so.6"), "ldd printed something else: {text}");
    for library in libraries {
        assert!(ALLOWED.contains(&library), "the shim needs {library}");
    }
    runs_in_an_empty_root(&program);
}

/// Copies the program and the C library into an otherwise empty root and runs it there, without a PATH. Needs root, as
/// tests in CI have; elsewhere the list above has to do, and that is said.
fn runs_in_an_empty_root(program: &std::path::Path) {
    let root = tempfile::tempdir().expect("a temporary folder");
    let copy = |from: &std::path::Path, to: &str| {
        let to = root.path().join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().expect("a parent")).expect("a folder");
        std::fs::copy(from, to).expect("a copied file");
    };
    copy(program, "/blindllama");
    let libraries = Command::new("ldd").arg(program).output().expect("ldd");
    for word in String::from_utf8(libraries.stdout).expect("text").split_whitespace().filter(|word| word.starts_with('/')) {
        copy(std::path::Path::new(word), word);
    }
    let output = Command::new("/usr/sbin/chroot").arg(root.path()).args(["/blindllama", "--version"]).env_clear().output();
    match output {
        Ok(output) if output.status.code() == Some(125) => {
            eprintln!(
                "skipped: running the shim in an empty root needs root ({})",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => eprintln!("skipped: running the shim in an empty root: {error}"),
    }
}
