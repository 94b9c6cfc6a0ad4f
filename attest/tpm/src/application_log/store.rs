//! The log's file: one JSON event a line.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use blindllama_attest::application::LoggedEvent;

use super::LogError;

/// The open and locked file.
pub(super) struct Store {
    path: PathBuf,
    file: File,
}

/// What the file held.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) entries: Vec<LoggedEvent>,
    /// Whether an unfinished line follows the entries.
    pub(super) torn: bool,
    /// Where each entry begins, and last, where the next would.
    offsets: Vec<u64>,
}

impl Store {
    /// Opens or creates the file and locks it until it is closed.
    pub(super) fn open(path: &Path) -> Result<Self, LogError> {
        let unusable = |source: io::Error| LogError::File { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(unusable)?;
        }
        let file = File::options().read(true).append(true).create(true).mode(0o600).open(path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), file }),
            Err(TryLockError::WouldBlock) => Err(LogError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the whole file; each event must have the digest that its line claims.
    pub(super) fn read(&mut self) -> Result<Stored, LogError> {
        let mut text = String::new();
        self.file.read_to_string(&mut text).map_err(|source| self.unusable(source))?;
        let mut stored = Stored { entries: Vec::new(), torn: false, offsets: vec![0] };
        let mut offset = 0;
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let Some(content) = line.strip_suffix('\n') else {
                stored.torn = true;
                break;
            };
            let malformed = |reason| LogError::Malformed { path: self.path.clone(), line: index + 1, reason };
            stored.entries.push(parse(content).map_err(malformed)?);
            offset += line.len() as u64;
            stored.offsets.push(offset);
        }
        Ok(stored)
    }

    /// Cuts the file after its first `entries` entries. Cutting at the end of a line leaves a valid log at every moment.
    pub(super) fn keep(&self, stored: &Stored, entries: usize) -> Result<(), LogError> {
        let end = stored.offsets.get(entries).copied().unwrap_or_default();
        self.file.set_len(end).and_then(|()| self.file.sync_all()).map_err(|source| self.unusable(source))
    }

    /// Writes an event and waits until it is on the disk.
    pub(super) fn append(&mut self, event: &LoggedEvent) -> Result<(), LogError> {
        let written = serde_json::to_string(event).map_err(io::Error::from).and_then(|line| {
            self.file.write_all(format!("{line}\n").as_bytes())?;
            self.file.sync_data()
        });
        written.map_err(|source| self.unusable(source))
    }

    fn unusable(&self, source: io::Error) -> LogError {
        LogError::File { path: self.path.clone(), source }
    }
}

fn parse(line: &str) -> Result<LoggedEvent, String> {
    let logged: LoggedEvent = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let digest = logged.event.digest().map_err(|error| error.to_string())?;
    if digest == logged.digest { Ok(logged) } else { Err("its digest is not that of its type and data".to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use blindllama_attest::{
        application::{Event, LoggedEvent},
        digest::Sha256Digest,
    };

    use super::{LogError, Store};

    fn event(number: u8) -> LoggedEvent {
        LoggedEvent::new(14, Event::TlsSpki(Sha256Digest::of(&[&[number]]))).expect("is canonical")
    }

    /// A log of three events.
    fn written() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("run/application.log");
        let mut store = Store::open(&path).expect("opens");
        for number in 0..3 {
            store.append(&event(number)).expect("appends");
        }
        (folder, path)
    }

    #[test]
    fn events_come_back_in_order() {
        let (_folder, path) = written();
        let stored = Store::open(&path).expect("opens").read().expect("reads");
        assert_eq!(stored.entries, [event(0), event(1), event(2)]);
        assert!(!stored.torn);
    }

    #[test]
    fn a_torn_line_is_seen_and_cut_off_and_the_log_goes_on() {
        let (_folder, path) = written();
        let whole = fs::read(&path).expect("reads");
        fs::write(&path, &whole[..whole.len() - 1]).expect("writes");
        let mut store = Store::open(&path).expect("opens");
        let stored = store.read().expect("reads");
        assert!(stored.torn);
        assert_eq!(stored.entries.len(), 2);
        store.keep(&stored, 2).expect("cuts");
        store.append(&event(2)).expect("appends");
        assert_eq!(fs::read(&path).expect("reads"), whole);
    }

    #[test]
    fn the_last_entry_can_be_cut_off() {
        let (_folder, path) = written();
        let mut store = Store::open(&path).expect("opens");
        let stored = store.read().expect("reads");
        store.keep(&stored, 2).expect("cuts");
        drop(store);
        assert_eq!(Store::open(&path).expect("opens").read().expect("reads").entries, [event(0), event(1)]);
    }

    #[test]
    fn relabelled_and_broken_lines_are_refused() {
        let (_folder, path) = written();
        let text = fs::read_to_string(&path).expect("reads");
        let first = Sha256Digest::of(&[&[0]]).to_hex();
        let second = Sha256Digest::of(&[&[1]]).to_hex();
        for tampered in [text.replace(&second, &first), text.replacen("\"data\"", "\"date\"", 2), text.replace("}\n{", "}\n\n{")]
        {
            fs::write(&path, tampered).expect("writes");
            let error = Store::open(&path).expect("opens").read().expect_err("refused");
            assert!(matches!(error, LogError::Malformed { line: 1 | 2, .. }), "{error:?}");
        }
    }

    #[test]
    fn the_lock_refuses_a_second_process() {
        let (_folder, path) = written();
        let held = Store::open(&path).expect("is free");
        assert!(matches!(Store::open(&path), Err(LogError::InUse { .. })));
        drop(held);
        Store::open(&path).expect("is free again");
    }
}
