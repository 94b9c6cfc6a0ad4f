//! Lets this crate's tests find the shared libpython they are linked against.

fn main() {
    pyo3_build_config::add_libpython_rpath_link_args();
}
