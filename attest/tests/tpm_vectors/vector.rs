//! A recorded quote: the files of one folder of `tests/vectors/tpm`, and its description.

use std::{collections::BTreeMap, fs, path::PathBuf};

use blindllama_attest::{
    pcr_banks::PcrBanks,
    tpm::{CheckedQuote, QuoteKey, RawQuote, check_quote},
};
use data_encoding::HEXLOWER;
use serde_json::Value;

/// The recorded quotes.
pub(crate) const ALL: [&str; 4] = ["azure-snp-milan-v1", "gcp-windows-sha1", "keylime-simulator-3pcr", "libtpms-sha256-24pcr"];

/// The one whose bank and signature are SHA-1.
pub(crate) const SHA1: &str = "gcp-windows-sha1";

/// Files by name, with the vector's folder to copy others from.
#[derive(Clone)]
pub(crate) struct Vector {
    pub(crate) id: &'static str,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// The file that holds the attestation key.
    pub(crate) ak: &'static str,
}

/// The files that a raw quote consists of.
pub(crate) const QUOTE_FILES: [&str; 5] = ["attest.bin", "signature.bin", "nonce.hex", "pcrs.json", "ak_public.pem"];

impl Vector {
    pub(crate) fn load(id: &'static str) -> Self {
        let files = QUOTE_FILES.map(|name| (name.to_owned(), read(id, name))).into();
        Self { id, files, ak: "ak_public.pem" }
    }

    pub(crate) fn description(&self) -> Value {
        serde_json::from_slice(&read(self.id, "vector.json")).unwrap()
    }

    /// The verdict with SHA-1 allowed or not; a file that cannot be read is refused with its reader's code.
    pub(crate) fn check(&self, allow_sha1: bool) -> Result<CheckedQuote, &'static str> {
        let ak = QuoteKey::parse(&self.files[self.ak]).map_err(|error| error.code())?;
        let pcrs = PcrBanks::from_json(&self.files["pcrs.json"]).map_err(|error| error.code())?;
        let nonce = HEXLOWER.decode(self.files["nonce.hex"].trim_ascii_end()).unwrap();
        let raw = RawQuote {
            attest: &self.files["attest.bin"],
            signature: &self.files["signature.bin"],
            ak: &ak,
            nonce: Some(&nonce),
            pcrs: Some(&pcrs),
            allow_sha1,
        };
        check_quote(&raw).map_err(|error| error.code())
    }

    /// The verdict where the vector ought to hold.
    pub(crate) fn check_as_recorded(&self) -> Result<CheckedQuote, &'static str> {
        self.check(self.id == SHA1)
    }
}

/// A file of a vector; `name` is relative to its folder.
pub(crate) fn read(id: &str, name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tpm").join(id);
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{id}/{name}: {error}"))
}
