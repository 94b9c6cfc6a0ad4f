//! Everything that the engine's interpreter can load: the manifest behind `engine.packages`.
//!
//! Paths in the manifest are the same on every host of one release:
//!
//! | path | what |
//! |---|---|
//! | `<entry>/…` | a file below an entry of the module search path, by the name that the engine gives the entry: `stdlib/…`, `site-packages/…` |
//! | `<entry>` | an entry that is a file itself, such as a zipped standard library |
//! | `interpreter` | the interpreter's executable, whose place says where all others are; the gateway runs it for nothing |
//! | `lib/<file name>` | a native library from elsewhere: mapped into this process when the snapshot was taken (the gateway's own libraries, libpython, the dynamic loader), or listed in the configuration. Another one with the same file name is `lib/<file name>#2`, and so on, in the order of their digests |

use std::{
    collections::{BTreeMap, HashSet},
    ffi::OsStr,
    path::{Path, PathBuf},
};

use blindllama_attest::application::{Manifest, ManifestEntry};

use super::{
    ChangedFile, FolderSnapshot, MeasureError, Progress,
    file::{FoundFile, Node},
    hashing::{distinct_bytes, measure_all},
    mapped::MappedCode,
};

/// Where the interpreter can load from.
#[derive(Debug, Clone, Copy)]
pub struct PackageSources<'a> {
    /// The module search path.
    pub search_path: &'a [SearchedPlace<'a>],
    /// The interpreter's executable.
    pub interpreter: &'a Path,
    /// Native libraries that are loaded later from outside the search path.
    pub libraries: &'a [PathBuf],
}

/// An entry of the module search path: a folder, or a file such as a zipped standard library.
#[derive(Debug, Clone, Copy)]
pub struct SearchedPlace<'a> {
    /// What it is called in the manifest.
    pub name: &'a str,
    /// Where it is.
    pub path: &'a Path,
    /// What lies directly in it and is none of it: the interpreter has to be kept from there.
    pub without: &'a [&'a str],
}

/// Those files as they were before the interpreter started.
#[derive(Debug)]
pub struct PackagesSnapshot {
    folders: Vec<(String, FolderSnapshot)>,
    files: Vec<(String, FoundFile)>,
    libraries: Vec<FoundFile>,
    nodes: HashSet<Node>,
}

impl PackagesSnapshot {
    /// Finds everything; nothing is read yet.
    ///
    /// # Errors
    /// [`MeasureError`] names the file or folder that cannot be measured.
    pub fn take(sources: PackageSources<'_>) -> Result<Self, MeasureError> {
        let mut snapshot = Self { folders: Vec::new(), files: Vec::new(), libraries: Vec::new(), nodes: HashSet::new() };
        for place in sources.search_path {
            snapshot.add_place(place)?;
        }
        snapshot.files.push(("interpreter".to_owned(), FoundFile::at(sources.interpreter)?));
        let nodes = snapshot.found().map(|file| file.identity.node()).collect();
        snapshot.nodes = nodes;
        for code in MappedCode::of_this_process()? {
            let found = FoundFile::at(&code.path)?;
            if code.node() != Some(found.identity.node()) {
                return Err(MeasureError::Changing { path: code.path });
            }
            snapshot.add_library(found);
        }
        for library in sources.libraries {
            snapshot.add_library(FoundFile::at(library)?);
        }
        Ok(snapshot)
    }

    /// Hashes every file on all cores, each once. A file that is not as it was found is an error.
    ///
    /// # Errors
    /// [`MeasureError`] names the file; one failure fails all.
    pub fn measure(&self, progress: &Progress<'_>) -> Result<Manifest, MeasureError> {
        let mut named = self.named();
        let elsewhere = named.len();
        for library in &self.libraries {
            named.push((file_name(&library.path)?.to_owned(), library));
        }
        let mut entries = measure_all(named, progress)?;
        let libraries = entries.split_off(elsewhere);
        entries.extend(distinguished(libraries));
        Ok(Manifest::new(entries))
    }

    /// How many bytes [`PackagesSnapshot::measure`] will hash.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        distinct_bytes(self.found().chain(&self.libraries))
    }

    /// Compares everything with what was hashed, as [`FolderSnapshot::unchanged`] does.
    ///
    /// # Errors
    /// [`ChangedFile`] names the first file that was added, removed or changed.
    pub fn unchanged(&self) -> Result<(), ChangedFile> {
        self.folders.iter().try_for_each(|(_, folder)| folder.unchanged())?;
        for found in self.files.iter().map(|(_, file)| file).chain(&self.libraries) {
            if FoundFile::at(&found.path)? != *found {
                return Err(ChangedFile::Altered { path: found.path.to_string_lossy().into_owned() });
            }
        }
        Ok(())
    }

    /// The files that this process can execute now and that were not measured; its own program aside.
    ///
    /// # Errors
    /// [`MeasureError`] if the kernel's list cannot be read.
    pub fn unmeasured_code(&self) -> Result<Vec<PathBuf>, MeasureError> {
        Ok(self.unmeasured(MappedCode::of_this_process()?))
    }

    /// The same of another process that runs this program, by the kernel's list of what is mapped into it.
    ///
    /// # Errors
    /// [`MeasureError`] if the list has a line of an unknown form.
    pub fn unmeasured_code_of(&self, maps: &[u8]) -> Result<Vec<PathBuf>, MeasureError> {
        Ok(self.unmeasured(MappedCode::in_list(maps)?))
    }

    fn unmeasured(&self, mapped: Vec<MappedCode>) -> Vec<PathBuf> {
        let measured = |code: &MappedCode| code.node().is_some_and(|node| self.nodes.contains(&node));
        mapped.into_iter().filter(|code| !measured(code)).map(|code| code.path).collect()
    }

    /// An entry below an earlier one (`lib-dynload`, below the standard library) is in the manifest already, unless it is left out there.
    fn add_place(&mut self, SearchedPlace { name, path, without }: &SearchedPlace<'_>) -> Result<(), MeasureError> {
        if self.folders.iter().any(|(_, earlier)| earlier.reaches(path)) {
            return Ok(());
        }
        if path.is_file() {
            self.files.push(((*name).to_owned(), FoundFile::at(path)?));
        } else {
            self.folders.push((format!("{name}/"), FolderSnapshot::take_without(path, without)?));
        }
        Ok(())
    }

    fn add_library(&mut self, library: FoundFile) {
        if self.nodes.insert(library.identity.node()) {
            self.libraries.push(library);
        }
    }

    /// All files but the libraries.
    fn found(&self) -> impl Iterator<Item = &FoundFile> {
        self.folders.iter().flat_map(|(_, folder)| folder.found()).chain(self.files.iter().map(|(_, file)| file))
    }

    /// The same with their paths in the manifest; those of the libraries depend on their digests.
    fn named(&self) -> Vec<(String, &FoundFile)> {
        let files = self.files.iter().map(|(name, file)| (name.clone(), file));
        self.folders.iter().flat_map(|(prefix, folder)| folder.named(prefix)).chain(files).collect()
    }
}

fn file_name(path: &Path) -> Result<&str, MeasureError> {
    path.file_name().and_then(OsStr::to_str).ok_or_else(|| MeasureError::NotUtf8 { path: path.to_owned() })
}

/// Paths for libraries of which only the file name is the same on every host. Copies of one library are one.
fn distinguished(libraries: Vec<ManifestEntry>) -> Vec<ManifestEntry> {
    let mut by_name: BTreeMap<String, Vec<ManifestEntry>> = BTreeMap::new();
    for library in libraries {
        by_name.entry(library.path.clone()).or_default().push(library);
    }
    let number = |(name, mut namesakes): (String, Vec<ManifestEntry>)| {
        namesakes.sort_by_key(|library| library.sha256);
        namesakes.dedup();
        namesakes.into_iter().enumerate().map(move |(index, library)| {
            let path = if index == 0 { format!("lib/{name}") } else { format!("lib/{name}#{}", index + 1) };
            ManifestEntry { path, ..library }
        })
    };
    by_name.into_iter().flat_map(number).collect()
}

#[cfg(test)]
#[path = "packages_tests.rs"]
mod tests;
