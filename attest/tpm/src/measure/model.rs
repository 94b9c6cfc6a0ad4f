//! A model and its LoRA adapters, as one manifest.

use std::path::Path;

use blindllama_attest::application::Manifest;

use super::{
    ChangedFile, FolderSnapshot, MeasureError, Progress,
    file::FoundFile,
    hashing::{distinct_bytes, measure_all},
};

/// Where adapters are in the manifest. Nothing of the model's own folder may be there.
const ADAPTERS: &str = "adapters/";
/// What an adapter is loaded from, in PEFT's form.
const NEEDED: [&str; 2] = ["adapter_config.json", "adapter_model.safetensors"];
/// What vLLM would load instead if those were missing: Python's pickles, which can do more than hold numbers.
const PICKLED: [&str; 2] = ["adapter_model.bin", "adapter_model.pt"];

/// The files of a model and of its adapters as they were at one moment, as [`FolderSnapshot`] has those of one folder.
#[derive(Debug, Clone)]
pub struct ModelSnapshot {
    model: FolderSnapshot,
    /// By what stands before their paths in the manifest.
    adapters: Vec<(String, FolderSnapshot)>,
}

impl ModelSnapshot {
    /// Finds every file of the model's folder, and of those of its adapters, which come with their names. A name is part of
    /// paths, so it has no `/` in it. Nothing is read yet.
    ///
    /// # Errors
    /// [`MeasureError`] names what cannot be measured, or is no adapter.
    pub fn take<'a>(model: &Path, adapters: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Result<Self, MeasureError> {
        let snapshot = FolderSnapshot::take(model)?;
        if let Some((path, _)) = snapshot.named("").into_iter().find(|(path, _)| path.starts_with(ADAPTERS)) {
            return Err(MeasureError::AdaptersPlace { path: model.join(path) });
        }
        let adapter = |(name, folder)| Ok((format!("{ADAPTERS}{name}/"), take_adapter(folder)?));
        Ok(Self { model: snapshot, adapters: adapters.into_iter().map(adapter).collect::<Result<_, MeasureError>>()? })
    }

    /// Hashes every file on all cores, each once however many names it has. A file that is not as it was found is an error.
    ///
    /// # Errors
    /// [`MeasureError`] names the file; one failure fails all.
    pub fn measure(&self, progress: &Progress<'_>) -> Result<Manifest, MeasureError> {
        Ok(Manifest::new(measure_all(self.named(), progress)?))
    }

    /// How many bytes [`ModelSnapshot::measure`] will hash.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        distinct_bytes(self.named().into_iter().map(|(_, file)| file))
    }

    /// Compares everything with what was hashed, as [`FolderSnapshot::unchanged`] does.
    ///
    /// # Errors
    /// [`ChangedFile`] names the first file that was added, removed or changed.
    pub fn unchanged(&self) -> Result<(), ChangedFile> {
        self.model.unchanged()?;
        self.adapters.iter().try_for_each(|(prefix, adapter)| adapter.unchanged().map_err(|changed| changed.below(prefix)))
    }

    fn named(&self) -> Vec<(String, &FoundFile)> {
        let adapters = self.adapters.iter().flat_map(|(prefix, adapter)| adapter.named(prefix));
        self.model.named("").into_iter().chain(adapters).collect()
    }
}

fn take_adapter(folder: &Path) -> Result<FolderSnapshot, MeasureError> {
    let snapshot = FolderSnapshot::take(folder)?;
    let has = |name: &&&str| snapshot.named("").iter().any(|(path, _)| path == **name);
    if let Some(&missing) = NEEDED.iter().find(|name| !has(name)) {
        return Err(MeasureError::NoAdapter { folder: folder.to_owned(), missing });
    }
    match PICKLED.iter().find(has) {
        Some(pickled) => Err(MeasureError::Pickled { path: folder.join(pickled) }),
        None => Ok(snapshot),
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
