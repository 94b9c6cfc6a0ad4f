//! Where things are: the repository, what set-up made, and the programs that the build made.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the repository").to_owned()
}

/// Something that `make setup` or `make test` makes under `.state/`.
///
/// # Panics
/// Says what to run if it is not there.
pub fn state(path: &str) -> PathBuf {
    let path = root().join(".state").join(path);
    assert!(path.exists(), "{} is missing: run `make test`, which sets everything up", path.display());
    path
}

/// A program of this workspace, built in the tests' own profile, beside the running test.
///
/// # Panics
/// Says what to run if it is not there.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.ancestors().nth(2).expect("tests run from <target>/<profile>/deps");
    let program = folder.join(name);
    assert!(program.exists(), "{} is missing: run `cargo build --workspace` first", program.display());
    program
}

/// The default model's folder.
pub fn default_model() -> PathBuf {
    model("smollm2-135m-instruct")
}

/// The folder of the default model, or of one that `scripts/model.sh tiny` makes.
pub fn model(name: &str) -> PathBuf {
    state(&format!("models/{name}"))
}
