//! PCR values in a file: `{"sha256": {"0": "<hex>", …}, …}`, as a TPM's PCRs are given to this program.

use std::{collections::BTreeMap, io, path::Path};

use blindllama_attest::hash::{Digest, HashAlgorithm};

/// The values by bank and PCR.
pub(super) type PcrValues = BTreeMap<HashAlgorithm, BTreeMap<u8, Digest>>;

/// A file that holds no PCR values.
#[derive(Debug, thiserror::Error)]
pub(super) enum PcrValuesError {
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    #[error("{0}; PCR values are written as {{\"sha256\": {{\"0\": \"<hex>\"}}}}")]
    NotJson(#[from] serde_json::Error),
    #[error("the bank {0:?} is not known; it may be sha1, sha256, sha384 or sha512")]
    UnknownBank(String),
    #[error("PCR {0:?} of bank {1} is not a number from 0 to 23, or is there twice")]
    BadIndex(String, HashAlgorithm),
    #[error("the value of PCR {pcr} is not the lower-case hexadecimal of a {bank} digest")]
    BadValue { bank: HashAlgorithm, pcr: u8 },
}

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<PcrValues, PcrValuesError> {
    parse(&std::fs::read(path)?)
}

fn parse(json: &[u8]) -> Result<PcrValues, PcrValuesError> {
    let banks: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_slice(json)?;
    let bank = |(name, values): (String, BTreeMap<String, String>)| {
        let bank = HashAlgorithm::from_name(&name).ok_or(PcrValuesError::UnknownBank(name))?;
        Ok((bank, bank_values(bank, values)?))
    };
    banks.into_iter().map(bank).collect()
}

fn bank_values(bank: HashAlgorithm, texts: BTreeMap<String, String>) -> Result<BTreeMap<u8, Digest>, PcrValuesError> {
    let mut values = BTreeMap::new();
    for (index, hex) in texts {
        let pcr = index.parse().ok().filter(|pcr| *pcr < 24 && !values.contains_key(pcr));
        let pcr = pcr.ok_or(PcrValuesError::BadIndex(index, bank))?;
        values.insert(pcr, Digest::from_hex(bank, &hex).ok_or(PcrValuesError::BadValue { bank, pcr })?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_strictly() {
        let zero = "0".repeat(40);
        let values = parse(format!(r#"{{"sha1": {{"23": "{zero}"}}, "sha256": {{}}}}"#).as_bytes()).unwrap();
        assert_eq!(values[&HashAlgorithm::Sha1], BTreeMap::from([(23, Digest::filled(HashAlgorithm::Sha1, 0))]));
        let refused = [
            ("[]".to_owned(), "PCR values are written as"),
            (r#"{"sm3": {}}"#.to_owned(), "bank \"sm3\""),
            (format!(r#"{{"sha1": {{"24": "{zero}"}}}}"#), "PCR \"24\""),
            (format!(r#"{{"sha1": {{"1": "{zero}", "01": "{zero}"}}}}"#), "PCR \"1\""),
            (format!(r#"{{"sha256": {{"0": "{zero}"}}}}"#), "PCR 0"),
            (format!(r#"{{"sha1": {{"0": "{}"}}}}"#, "A".repeat(40)), "PCR 0"),
        ];
        for (json, words) in refused {
            let told = parse(json.as_bytes()).unwrap_err().to_string();
            assert!(told.contains(words), "{told}");
        }
    }
}
