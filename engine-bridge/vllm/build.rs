//! Lets this crate's tests find the shared libpython that they are linked against, and tells dependents where it is:
//! link arguments hold for one package only, so a binary has to pass them on (see `gateway/server/build.rs`). And tells the
//! crate which version that is, since folders are named after it.

fn main() {
    pyo3_build_config::add_libpython_rpath_link_args();
    println!("cargo::rustc-env=BLINDLLAMA_PYTHON=python{}", pyo3_build_config::get().version());
    if let Some(folder) = pyo3_build_config::get().lib_dir() {
        println!("cargo::metadata=libpython_folder={folder}");
    }
}
