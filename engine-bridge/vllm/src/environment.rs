//! A Python environment, as files: all that the interpreter may load from, known before it runs.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// `python3.X`: the version of the libpython that this crate is linked against, as folders are named after it.
const PYTHON: &str = env!("BLINDLLAMA_PYTHON");

/// The path given leads to no environment that the engine could run in.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// There is no interpreter at the path given.
    #[error("there is no Python interpreter at {}; make the environment with `make setup`, or correct the path", path.display())]
    NoPython {
        /// The path.
        path: PathBuf,
    },
    /// The environment's configuration or one of its folders cannot be read.
    #[error("the Python environment needs {}: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// `pyvenv.cfg` does not say where Python itself is.
    #[error("{} names no `home`: it is not the configuration of a virtual environment", path.display())]
    NoHome {
        /// The file.
        path: PathBuf,
    },
    /// The environment would load what is installed outside.
    #[error("{} includes the system's site-packages: make the environment without them", path.display())]
    SystemSitePackages {
        /// The file.
        path: PathBuf,
    },
    /// The standard library is not where the environment's Python should have it.
    #[error("there is no standard library of {PYTHON} below {}; the environment has to be made with {PYTHON}", base.display())]
    NoStandardLibrary {
        /// Python's own prefix.
        base: PathBuf,
    },
}

/// One entry of the module search path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchPathEntry {
    /// What it is called on every host: `stdlib.zip`, `stdlib`, `stdlib/lib-dynload` or `site-packages`.
    pub name: &'static str,
    /// Where it is on this host, without links.
    pub path: PathBuf,
    /// What lies directly in it and is none of it: nothing is loaded from there.
    pub without: &'static [&'static str],
}

/// Where a Python keeps what was installed for it, inside the standard library's folder. The environment is closed: it has its own.
pub(crate) const INSTALLED_FOR_ALL: [&str; 2] = ["site-packages", "dist-packages"];

/// A virtual environment with an explicit module search path. The interpreter gets exactly this one, and looks for no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonEnvironment {
    executable: PathBuf,
    prefix: PathBuf,
    base_prefix: PathBuf,
    search_path: Vec<SearchPathEntry>,
}

impl PythonEnvironment {
    /// Reads what `python`, an environment's `bin/python`, belongs to. Nothing is executed.
    ///
    /// # Errors
    /// [`EnvironmentError`] says what is missing.
    pub fn find(python: &Path) -> Result<Self, EnvironmentError> {
        let executable = without_links_above(python).ok_or_else(|| EnvironmentError::NoPython { path: python.to_owned() })?;
        let prefix = executable.ancestors().nth(2).unwrap_or(Path::new("/")).to_owned();
        let base_prefix = base_prefix(&prefix.join("pyvenv.cfg"))?;
        let search_path = search_path(&prefix, &base_prefix)?;
        Ok(Self { executable, prefix, base_prefix, search_path })
    }

    /// The environment's interpreter: `bin/python`, usually a link.
    #[must_use]
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// The environment's folder: `sys.prefix`.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// The folder of the Python that the environment was made with: `sys.base_prefix`.
    #[must_use]
    pub fn base_prefix(&self) -> &Path {
        &self.base_prefix
    }

    /// The module search path, in order.
    #[must_use]
    pub fn search_path(&self) -> &[SearchPathEntry] {
        &self.search_path
    }

    /// Whether `path` is an entry of the search path, or below one. A path that goes up again is not looked at.
    pub(crate) fn covers(&self, path: &Path) -> bool {
        let goes_up = path.components().any(|part| part == Component::ParentDir);
        let left_out = |entry: &SearchPathEntry| entry.without.iter().any(|name| path.starts_with(entry.path.join(name)));
        let mut entries = self.search_path.iter();
        !goes_up && entries.any(|entry| path.starts_with(&entry.path) && !left_out(entry))
    }
}

/// The link `bin/python` stays one: the environment is found beside the link, not beside its target.
fn without_links_above(python: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(python).ok()?.parent()?.canonicalize().ok()?;
    Some(folder.join(python.file_name()?)).filter(|python| python.is_file())
}

/// Reads `home`, the folder of Python's own executable (PEP 405).
fn base_prefix(config: &Path) -> Result<PathBuf, EnvironmentError> {
    let text = fs::read_to_string(config).map_err(unreadable(config))?;
    let value = |wanted: &str| {
        let mut settings = text.lines().filter_map(|line| line.split_once('='));
        settings.find(|(key, _)| key.trim().eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim())
    };
    if value("include-system-site-packages").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(EnvironmentError::SystemSitePackages { path: config.to_owned() });
    }
    let home = value("home").ok_or_else(|| EnvironmentError::NoHome { path: config.to_owned() })?;
    let home = Path::new(home).canonicalize().map_err(unreadable(Path::new(home)))?;
    home.parent().map(Path::to_owned).ok_or_else(|| EnvironmentError::NoHome { path: config.to_owned() })
}

fn search_path(prefix: &Path, base_prefix: &Path) -> Result<Vec<SearchPathEntry>, EnvironmentError> {
    let libraries = ["lib", "lib64"].map(|name| base_prefix.join(name));
    let holds_stdlib = |folder: &&PathBuf| folder.join(PYTHON).join("os.py").is_file();
    let library = libraries.iter().find(holds_stdlib);
    let library = library.ok_or_else(|| EnvironmentError::NoStandardLibrary { base: base_prefix.to_owned() })?;
    let archive = library.join(format!("{}.zip", PYTHON.replace('.', "")));
    let stdlib = library.join(PYTHON);
    let site_packages = prefix.join("lib").join(PYTHON).join("site-packages");
    let mut entries = vec![
        ("stdlib", stdlib.clone(), &INSTALLED_FOR_ALL[..]),
        ("stdlib/lib-dynload", stdlib.join("lib-dynload"), &[]),
        ("site-packages", site_packages, &[]),
    ];
    if archive.exists() {
        entries.insert(0, ("stdlib.zip", archive, &[]));
    }
    let resolve = |(name, path, without): (_, PathBuf, _)| {
        let path = path.canonicalize().map_err(unreadable(&path))?;
        Ok(SearchPathEntry { name, path, without })
    };
    entries.into_iter().map(resolve).collect()
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> EnvironmentError {
    move |source| EnvironmentError::Unreadable { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A base Python and an environment of it.
    fn environment(config: &str) -> (tempfile::TempDir, PathBuf) {
        let root = tempfile::tempdir().unwrap();
        let (base, venv) = (root.path().join("base"), root.path().join("venv"));
        for folder in [base.join("bin"), base.join("lib").join(PYTHON).join("lib-dynload"), venv.join("bin")] {
            fs::create_dir_all(folder).unwrap();
        }
        fs::create_dir_all(venv.join("lib").join(PYTHON).join("site-packages")).unwrap();
        fs::write(base.join("lib").join(PYTHON).join("os.py"), "").unwrap();
        fs::write(base.join("bin/python3"), "").unwrap();
        std::os::unix::fs::symlink(base.join("bin/python3"), venv.join("bin/python")).unwrap();
        fs::write(venv.join("pyvenv.cfg"), config.replace("BASE", base.to_str().unwrap())).unwrap();
        (root, venv.join("bin/python"))
    }

    const CONFIG: &str = "home = BASE/bin\ninclude-system-site-packages = false\n";

    #[test]
    fn the_search_path_is_the_standard_library_and_the_environments_packages() {
        let (root, python) = environment(CONFIG);
        let found = PythonEnvironment::find(&python).unwrap();
        let root = root.path().canonicalize().unwrap();
        assert_eq!((found.prefix(), found.base_prefix()), (root.join("venv").as_path(), root.join("base").as_path()));
        assert_eq!(found.executable(), root.join("venv/bin/python"), "the link, not its target");
        let entries: Vec<_> = found.search_path().iter().map(|entry| (entry.name, entry.path.clone())).collect();
        let stdlib = root.join("base/lib").join(PYTHON);
        let expected = [
            ("stdlib", stdlib.clone()),
            ("stdlib/lib-dynload", stdlib.join("lib-dynload")),
            ("site-packages", root.join("venv/lib").join(PYTHON).join("site-packages")),
        ];
        assert_eq!(entries, expected);
        assert!(found.covers(&stdlib.join("json")) && !found.covers(&root.join("base/lib")));
        assert!(found.covers(&stdlib.join("json/site-packages")) && !found.covers(&stdlib.join("site-packages/json")));
        assert!(!found.covers(&stdlib.join("json/../site-packages")) && !found.covers(&stdlib.join("../../../tmp")));
    }

    #[test]
    fn a_zipped_standard_library_comes_first_where_there_is_one() {
        let (root, python) = environment(CONFIG);
        fs::write(root.path().join("base/lib").join(format!("{}.zip", PYTHON.replace('.', ""))), "").unwrap();
        assert_eq!(PythonEnvironment::find(&python).unwrap().search_path()[0].name, "stdlib.zip");
    }

    #[test]
    fn what_is_no_closed_environment_is_refused() {
        let find = |config: &str| {
            let (_root, python) = environment(config);
            PythonEnvironment::find(&python).unwrap_err()
        };
        assert!(matches!(find("version = 3.11"), EnvironmentError::NoHome { .. }));
        assert!(matches!(find("home = /nonexistent/bin"), EnvironmentError::Unreadable { .. }));
        assert!(matches!(find("home = BASE/../venv/bin"), EnvironmentError::NoStandardLibrary { .. }));
        let system =
            format!("{CONFIG}Include-System-Site-Packages = True\n").replacen("include-system-site-packages = false\n", "", 1);
        assert!(matches!(find(&system), EnvironmentError::SystemSitePackages { .. }));
        let missing = PythonEnvironment::find(Path::new("/nonexistent/python")).unwrap_err();
        assert!(missing.to_string().contains("/nonexistent/python"), "{missing}");
    }
}
