//! Measuring what a launch consists of: SHA-256 over files, documents and folders.
//!
//! A snapshot says which files there are before anything is loaded from them. Hashing takes it as given, and before the seal
//! it is compared with what is there then: so what was hashed is what was loaded.

mod file;
mod folder;
mod hashing;
mod mapped;
mod model;
mod packages;

use std::{io, path::PathBuf};

pub use file::{measure_document, measure_own_binary};
pub use folder::{ChangedFile, FolderSnapshot};
pub use model::ModelSnapshot;
pub use packages::{PackageSources, PackagesSnapshot, SearchedPlace};

/// Told how many bytes were hashed since it was told before, by any thread.
pub type Progress<'a> = dyn Fn(u64) + Sync + 'a;

/// Something could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// A file or folder cannot be read.
    #[error("cannot measure {path:?}: {source}")]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file changed under the hash.
    #[error("{path:?} changed while it was measured")]
    Changing {
        /// The file.
        path: PathBuf,
    },
    /// A folder holds something that has no content to hash.
    #[error("{path:?} is neither a file nor a folder: where measured files are, nothing else may be")]
    SpecialFile {
        /// The device, socket or pipe.
        path: PathBuf,
    },
    /// A manifest is JSON, and so its paths are Unicode.
    #[error("the name of {path:?} is not UTF-8")]
    NotUtf8 {
        /// The file.
        path: PathBuf,
    },
    /// A link leads to a folder that it lies in.
    #[error("{path:?} leads back to a folder above it")]
    Loop {
        /// The link.
        path: PathBuf,
    },
    /// The kernel's list of mapped files has a line of an unknown form.
    #[error("line {line} of /proc/self/maps is of an unknown form, so it cannot be told which code is mapped")]
    UnknownMaps {
        /// Counted from 1.
        line: usize,
    },
    /// A model's folder has files where those of adapters are in the manifest.
    #[error("{path:?} is where the manifest has adapters: no file of the model may be below `adapters`")]
    AdaptersPlace {
        /// The file.
        path: PathBuf,
    },
    /// The folder holds no LoRA adapter.
    #[error("{folder:?} holds no LoRA adapter in PEFT's form: {missing} is missing")]
    NoAdapter {
        /// The folder.
        folder: PathBuf,
        /// The file that it has not.
        missing: &'static str,
    },
    /// An adapter's weights are there in a form that can do more than hold numbers.
    #[error(
        "{path:?} is refused: adapters are loaded from safetensors only, so save it as adapter_model.safetensors and remove it"
    )]
    Pickled {
        /// The file.
        path: PathBuf,
    },
    /// There is nothing to measure.
    #[error("{path:?} holds no files")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

impl MeasureError {
    fn unreadable(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Unreadable { path: path.to_owned(), source }
    }
}
