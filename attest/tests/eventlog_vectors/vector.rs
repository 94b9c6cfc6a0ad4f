//! A vector: the files of one folder.

use std::{collections::BTreeMap, path::PathBuf};

use blindllama_attest::hash::{Digest, HashAlgorithm};
use serde_json::Value;

/// PCR values by bank and index, as `pcrs.json` has them.
pub(crate) type Pcrs = BTreeMap<HashAlgorithm, BTreeMap<u8, Digest>>;

/// The files of a vector by their names.
#[derive(Clone)]
pub(crate) struct Vector {
    pub(crate) folder: PathBuf,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Vector {
    /// Reads a folder under `tests/vectors`.
    pub(crate) fn read(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
        let file = |path: PathBuf| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap());
        let files = entries.map(|entry| file(entry.unwrap().path())).collect();
        Self { folder, files }
    }

    pub(crate) fn log(&self) -> &[u8] {
        &self.files["eventlog.bin"]
    }

    pub(crate) fn description(&self) -> Value {
        serde_json::from_slice(&self.files["vector.json"]).unwrap()
    }

    pub(crate) fn pcrs(&self) -> Pcrs {
        pcrs(&serde_json::from_slice(&self.files["pcrs.json"]).unwrap())
    }
}

/// Reads {bank: {index: hex}}.
pub(crate) fn pcrs(json: &Value) -> Pcrs {
    let value =
        |bank, (index, hex): (&String, &Value)| (index.parse().unwrap(), Digest::from_hex(bank, hex.as_str().unwrap()).unwrap());
    let values = |(name, values): (&String, &Value)| {
        let bank = HashAlgorithm::from_name(name).unwrap();
        (bank, values.as_object().unwrap().iter().map(|entry| value(bank, entry)).collect())
    };
    json.as_object().unwrap().iter().map(values).collect()
}

/// Where the digests of measured events stand in a crypto-agile log that has the SHA-256 bank alone.
pub(crate) fn sha256_offsets(log: &[u8]) -> Vec<usize> {
    let u32_at = |offset: usize| u32::from_le_bytes(log[offset..offset + 4].try_into().unwrap());
    let mut offsets = Vec::new();
    let mut at = 32 + u32_at(28) as usize;
    while at < log.len() {
        if u32_at(at + 4) != 3 {
            offsets.push(at + 14);
        }
        at += 50 + u32_at(at + 46) as usize;
    }
    offsets
}
