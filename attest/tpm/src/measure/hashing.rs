//! Hashing many files on all cores.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZero,
    panic,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use blindllama_attest::application::{ManifestEntry, MeasuredFile};

use super::{
    MeasureError, Progress,
    file::{Buffer, FoundFile, Node},
};

/// Hashes files, each once however many names it has, and gives an entry for each name.
pub(super) fn measure_all(named: Vec<(String, &FoundFile)>, progress: &Progress<'_>) -> Result<Vec<ManifestEntry>, MeasureError> {
    let distinct = distinct(named.iter().map(|(_, file)| *file));
    let hashes = hash(&distinct, progress)?;
    let entry = |(path, file): (String, &FoundFile)| {
        let measured = hashes.get(&file.identity.node());
        let MeasuredFile { sha256, bytes } = *measured.ok_or_else(|| MeasureError::Changing { path: file.path.clone() })?;
        Ok(ManifestEntry { path, sha256, bytes })
    };
    named.into_iter().map(entry).collect()
}

/// The bytes of all files, each file counted once.
pub(super) fn distinct_bytes<'a>(files: impl Iterator<Item = &'a FoundFile>) -> u64 {
    distinct(files).iter().map(|file| file.identity.size()).sum()
}

/// One name for each file; the largest first, so that no thread is left alone with one at the end.
fn distinct<'a>(files: impl Iterator<Item = &'a FoundFile>) -> Vec<&'a FoundFile> {
    let by_node: BTreeMap<Node, &FoundFile> = files.map(|file| (file.identity.node(), file)).collect();
    let mut files: Vec<_> = by_node.into_values().collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.identity.size()));
    files
}

type Hashes = HashMap<Node, MeasuredFile>;

/// Each thread takes the next file that nobody has taken, until one fails.
fn hash(files: &[&FoundFile], progress: &Progress<'_>) -> Result<Hashes, MeasureError> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<Hashes, MeasureError> {
        let (mut done, mut buffer) = (Hashes::new(), Buffer::new());
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let measured = file.measure(&mut buffer, progress).inspect_err(|_| {
                next.fetch_max(files.len(), Ordering::Relaxed);
            })?;
            done.insert(file.identity.node(), measured);
        }
        Ok(done)
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(files.len());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Hashes::with_capacity(files.len());
        for worker in workers {
            all.extend(worker.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))?);
        }
        Ok(all)
    })
}
