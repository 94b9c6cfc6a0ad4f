//! Measuring what a launch consists of: SHA-256 over files, documents and folders.

mod file;
mod folder;

use std::{io, path::PathBuf};

pub use file::{measure_document, measure_file, measure_own_binary};
pub use folder::{ChangedFile, FolderSnapshot, measure_folder};

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
    #[error("{path:?} is neither a file nor a folder: a model folder must hold nothing that cannot be measured")]
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
