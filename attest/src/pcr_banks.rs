//! PCR values, by bank: as evidence carries them, policies pin them and tools exchange them.
//!
//! As text it is a map of bank to PCR to value, `{"sha256": {"0": "hex"}}`. Reading is strict: banks that we compute,
//! indexes from 0 to 23 without leading zeros, each at most once, values of the bank's size in lower-case hex.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error as _, MapAccess, Visitor},
    ser::SerializeMap as _,
};

use crate::{
    digest::Sha256Digest,
    hash::{Digest, HashAlgorithm},
};

/// TPMs of the PC Client profile have 24 PCRs.
pub const PCR_COUNT: u8 = 24;

/// The values of one bank, by PCR.
pub type PcrBank = BTreeMap<u8, Digest>;

/// PCR values by bank. Every digest is of its bank's algorithm, every index below [`PCR_COUNT`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PcrBanks(BTreeMap<HashAlgorithm, PcrBank>);

impl PcrBanks {
    /// The SHA-256 bank alone.
    #[must_use]
    pub fn sha256(values: impl IntoIterator<Item = (u8, Sha256Digest)>) -> Self {
        let bank: PcrBank =
            values.into_iter().filter(|(pcr, _)| *pcr < PCR_COUNT).map(|(pcr, value)| (pcr, value.into())).collect();
        Self(BTreeMap::from([(HashAlgorithm::Sha256, bank)]))
    }

    /// The banks, weakest hash first.
    pub fn iter(&self) -> impl Iterator<Item = (HashAlgorithm, &PcrBank)> {
        self.0.iter().map(|(bank, values)| (*bank, values))
    }

    /// One bank.
    #[must_use]
    pub fn bank(&self, bank: HashAlgorithm) -> Option<&PcrBank> {
        self.0.get(&bank)
    }

    /// One value.
    #[must_use]
    pub fn get(&self, bank: HashAlgorithm, pcr: u8) -> Option<Digest> {
        self.bank(bank)?.get(&pcr).copied()
    }

    /// Adds or replaces a value in the bank of its algorithm. `false` for an index that no TPM has.
    pub fn insert(&mut self, pcr: u8, value: Digest) -> bool {
        let fits = pcr < PCR_COUNT;
        if fits {
            self.0.entry(value.algorithm()).or_default().insert(pcr, value);
        }
        fits
    }

    /// Takes a value out.
    pub fn remove(&mut self, bank: HashAlgorithm, pcr: u8) -> Option<Digest> {
        self.0.get_mut(&bank)?.remove(&pcr)
    }
}

/// The most bytes of a file of PCR values: four banks of 24 values take some 10 kB.
const MAX_JSON_BYTES: usize = 65_536;

/// The text does not say which PCR has which value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPcrBanks {
    /// Longer than any honest file.
    #[error("the PCR values take {0} bytes; at most {MAX_JSON_BYTES} are read")]
    TooLarge(usize),
    /// Not the expected form.
    #[error("the PCR values are no JSON of the form {{\"sha256\": {{\"0\": \"hex\"}}}}: {0}")]
    Malformed(String),
}

impl InvalidPcrBanks {
    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        "pcr_values_malformed"
    }
}

impl PcrBanks {
    /// Reads a JSON file of PCR values.
    ///
    /// # Errors
    /// [`InvalidPcrBanks`] says what is wrong where.
    pub fn from_json(json: &[u8]) -> Result<Self, InvalidPcrBanks> {
        if json.len() > MAX_JSON_BYTES {
            return Err(InvalidPcrBanks::TooLarge(json.len()));
        }
        serde_json::from_slice(json).map_err(|error| InvalidPcrBanks::Malformed(crate::excerpt::excerpt(&error.to_string())))
    }
}

impl FromIterator<(u8, Digest)> for PcrBanks {
    /// Each value's algorithm is its bank; of two values of one PCR the later counts.
    fn from_iter<I: IntoIterator<Item = (u8, Digest)>>(values: I) -> Self {
        let mut banks = Self::default();
        values.into_iter().for_each(|(pcr, value)| _ = banks.insert(pcr, value));
        banks
    }
}

impl Serialize for PcrBanks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (bank, values) in &self.0 {
            map.serialize_entry(bank.name(), &WrittenBank(values))?;
        }
        map.end()
    }
}

struct WrittenBank<'a>(&'a PcrBank);

impl Serialize for WrittenBank<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(pcr, value)| (pcr.to_string(), value.to_string())))
    }
}

impl<'de> Deserialize<'de> for PcrBanks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BanksVisitor)
    }
}

struct BanksVisitor;

impl<'de> Visitor<'de> for BanksVisitor {
    type Value = PcrBanks;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of bank (sha1, sha256, sha384, sha512) to PCR values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut banks = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let bank = HashAlgorithm::from_name(&name)
                .ok_or_else(|| A::Error::custom(format!("{name:?} is no bank (sha1, sha256, sha384, sha512)")))?;
            if banks.insert(bank, map.next_value_seed(BankReader(bank))?).is_some() {
                return Err(A::Error::custom(format!("bank {bank} is given twice")));
            }
        }
        Ok(PcrBanks(banks))
    }
}

struct BankReader(HashAlgorithm);

impl<'de> DeserializeSeed<'de> for BankReader {
    type Value = PcrBank;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<PcrBank, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BankReader {
    type Value = PcrBank;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map of PCR index (0 to 23) to {} value", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PcrBank, A::Error> {
        let mut values = PcrBank::new();
        while let Some(key) = map.next_key::<String>()? {
            let pcr = parse_index(&key).ok_or_else(|| A::Error::custom(format!("{key:?} is no PCR index (0 to 23)")))?;
            let text = map.next_value::<String>()?;
            let digits = self.0.size() * 2;
            let value = Digest::from_hex(self.0, &text)
                .ok_or_else(|| A::Error::custom(format!("PCR {pcr}: a {} value is {digits} lower-case hex digits", self.0)))?;
            if values.insert(pcr, value).is_some() {
                return Err(A::Error::custom(format!("PCR {pcr} is given twice")));
            }
        }
        Ok(values)
    }
}

fn parse_index(text: &str) -> Option<u8> {
    let index: u8 = text.parse().ok().filter(|index| *index < PCR_COUNT)?;
    (index.to_string() == text).then_some(index)
}
