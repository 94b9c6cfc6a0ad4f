//! PCR values given apart from a quote: a JSON file `{bank: {index: hex}}`.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};

use crate::hash::{Digest, HashAlgorithm};

/// Four banks of 32 values take some 17 kB.
const MAX_BYTES: usize = 65_536;
/// A TPMS_PCR_SELECTION that we read has 32 PCRs.
const MAX_PCR: u8 = 31;
/// The longest excerpt of somebody else's text in an error message, in characters.
const MAX_EXCERPT: usize = 80;

/// The values of PCRs, by bank and index. Nothing is known of them before a quote's PCR digest agrees.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PcrValues(BTreeMap<HashAlgorithm, BTreeMap<u8, Digest>>);

/// The text does not say which PCR has which value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPcrValues {
    /// Longer than any honest file.
    #[error("the PCR values take {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// No JSON object of objects of texts.
    #[error("the PCR values are no JSON of the form {{\"sha256\": {{\"0\": \"hex\"}}}}: {0:?}")]
    Json(String),
    /// No bank that we compute.
    #[error("the PCR values are for a bank {0:?}; it has to be sha1, sha256, sha384 or sha512")]
    Bank(String),
    /// No number of a PCR.
    #[error("the PCR values of {bank} have an index {index:?}; it has to be a number from 0 to {MAX_PCR} without leading zeros")]
    Index {
        /// The bank.
        bank: HashAlgorithm,
        /// The index.
        index: String,
    },
    /// No value of that bank.
    #[error("the value of {bank} PCR {pcr} is not {} lower-case hexadecimal digits", .bank.size() * 2)]
    Value {
        /// The bank.
        bank: HashAlgorithm,
        /// The PCR.
        pcr: u8,
    },
    /// The same key again: which of the two counts?
    #[error("the PCR values have {0:?} twice")]
    Twice(String),
}

impl InvalidPcrValues {
    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "pcr_values_malformed"
    }
}

impl PcrValues {
    /// Reads `{bank: {index: hex}}`, strictly: known banks, canonical numbers, lower-case hex, no key twice.
    ///
    /// # Errors
    /// [`InvalidPcrValues`] says what is wrong where.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidPcrValues> {
        if json.len() > MAX_BYTES {
            return Err(InvalidPcrValues::TooLarge(json.len()));
        }
        let Entries::<Entries<String>>(banks) =
            serde_json::from_slice(json).map_err(|error| InvalidPcrValues::Json(excerpt(&error.to_string())))?;
        let mut values = Self::default();
        for (name, bank_values) in banks {
            let bank = HashAlgorithm::from_name(&name).ok_or_else(|| InvalidPcrValues::Bank(excerpt(&name)))?;
            if values.0.insert(bank, bank_from_entries(bank, bank_values)?).is_some() {
                return Err(InvalidPcrValues::Twice(excerpt(&name)));
            }
        }
        Ok(values)
    }

    /// The value of one PCR.
    #[must_use]
    pub fn get(&self, bank: HashAlgorithm, pcr: u8) -> Option<&Digest> {
        self.0.get(&bank)?.get(&pcr)
    }

    /// Every value with its bank and PCR, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (HashAlgorithm, u8, &Digest)> {
        self.0.iter().flat_map(|(bank, values)| values.iter().map(|(pcr, value)| (*bank, *pcr, value)))
    }

    /// The banks and their values.
    #[must_use]
    pub const fn banks(&self) -> &BTreeMap<HashAlgorithm, BTreeMap<u8, Digest>> {
        &self.0
    }
}

impl FromIterator<(u8, Digest)> for PcrValues {
    /// Each value's algorithm is its bank; of two values of one PCR the later counts.
    fn from_iter<I: IntoIterator<Item = (u8, Digest)>>(values: I) -> Self {
        let mut banks: BTreeMap<HashAlgorithm, BTreeMap<u8, Digest>> = BTreeMap::new();
        for (pcr, value) in values {
            banks.entry(value.algorithm()).or_default().insert(pcr, value);
        }
        Self(banks)
    }
}

fn bank_from_entries(bank: HashAlgorithm, entries: Entries<String>) -> Result<BTreeMap<u8, Digest>, InvalidPcrValues> {
    let mut values = BTreeMap::new();
    for (index, hex) in entries.0 {
        let pcr = index.parse().ok().filter(|pcr: &u8| *pcr <= MAX_PCR && pcr.to_string() == index);
        let pcr = pcr.ok_or_else(|| InvalidPcrValues::Index { bank, index: excerpt(&index) })?;
        let value = Digest::from_hex(bank, &hex).ok_or(InvalidPcrValues::Value { bank, pcr })?;
        if values.insert(pcr, value).is_some() {
            return Err(InvalidPcrValues::Twice(index));
        }
    }
    Ok(values)
}

/// Short enough to print; the messages escape it.
fn excerpt(text: &str) -> String {
    text.chars().take(MAX_EXCERPT).collect()
}

/// A JSON object's entries as written: ready-made maps would drop the first of two equal keys without a word.
struct Entries<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<V>(std::marker::PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor(std::marker::PhantomData))
    }
}
