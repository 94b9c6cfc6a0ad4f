//! The Name of a TPM object: what a policy pins.

use std::{fmt, str::FromStr};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::hash::{Digest, HashAlgorithm};

/// A TPM_ALG_ID and the longest digest, SHA-512.
const MAX_BYTES: usize = 2 + 64;

/// The Name of an object: `nameAlg ‖ H(TPMT_PUBLIC)`, where H is nameAlg (TPM 2.0 Library, Part 1, section 16).
///
/// It covers the key and its attributes, so pinning it pins both. nameAlg is SHA-256, SHA-384 or SHA-512; SHA-1 names
/// nothing. As text it is lower-case hexadecimal digits: `000b` and 64, `000c` and 96, or `000d` and 128 more.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    name_alg: HashAlgorithm,
    /// The algorithm, the digest, then zeros.
    padded: [u8; MAX_BYTES],
}

/// The text was not a Name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a TPM Name is 000b and 64, 000c and 96, or 000d and 128 lower-case hexadecimal digits")]
pub struct InvalidName;

impl Name {
    /// The Name of the object with this TPMT_PUBLIC, whose nameAlg is `name_alg`; `None` where that is SHA-1.
    #[must_use]
    pub fn of_public_area(name_alg: HashAlgorithm, tpmt_public: &[u8]) -> Option<Self> {
        Self::of_digest(&name_alg.digest(&[tpmt_public]))
    }

    /// `nameAlg ‖ digest`, as TPM structures carry it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.padded.get(..2 + self.name_alg.size()).unwrap_or(&self.padded)
    }

    /// The hash algorithm that the Name is made with.
    #[must_use]
    pub const fn name_alg(&self) -> HashAlgorithm {
        self.name_alg
    }

    fn of_digest(digest: &Digest) -> Option<Self> {
        let name_alg = digest.algorithm();
        if name_alg == HashAlgorithm::Sha1 {
            return None;
        }
        let id = name_alg.tpm_id().to_be_bytes();
        let mut padded = [0; MAX_BYTES];
        padded.iter_mut().zip(id.iter().chain(digest.as_bytes())).for_each(|(to, from)| *to = *from);
        Some(Self { name_alg, padded })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(self.as_bytes()))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "name:{self}")
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| InvalidName)?;
        let (id, digest) = bytes.split_first_chunk().ok_or(InvalidName)?;
        let name_alg = HashAlgorithm::from_tpm_id(u16::from_be_bytes(*id)).ok_or(InvalidName)?;
        Digest::new(name_alg, digest).as_ref().and_then(Self::of_digest).ok_or(InvalidName)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_is_a_name() {
        for (id, size) in [("000b", 32), ("000c", 48), ("000d", 64)] {
            let digits = "ab".repeat(size);
            let name: Name = format!("{id}{digits}").parse().unwrap();
            assert_eq!(name.to_string(), format!("{id}{digits}"));
            assert_eq!(name.as_bytes(), [HEXLOWER.decode(id.as_bytes()).unwrap(), vec![0xab; size]].concat());
            let [upper, short] = [digits.to_uppercase(), "ab".repeat(size - 1)].map(|digits| format!("{id}{digits}"));
            let wrong = [digits.clone(), upper, id.to_uppercase() + &digits, short, format!("{id}{digits}ab"), String::new()];
            for text in wrong {
                assert_eq!(text.parse::<Name>(), Err(InvalidName), "{text}");
            }
        }
    }

    #[test]
    fn sha1_and_unknown_algorithms_name_nothing() {
        for (id, size) in [("0004", 20), ("0012", 32), ("0027", 32)] {
            assert_eq!(format!("{id}{}", "ab".repeat(size)).parse::<Name>(), Err(InvalidName), "{id}");
        }
        assert_eq!(Name::of_public_area(HashAlgorithm::Sha1, b"area"), None);
    }

    #[test]
    fn names_of_different_algorithms_differ() {
        let name = |algorithm| Name::of_public_area(algorithm, b"area").unwrap();
        assert_eq!(name(HashAlgorithm::Sha256), name(HashAlgorithm::Sha256));
        assert_ne!(name(HashAlgorithm::Sha256), name(HashAlgorithm::Sha384));
        let sha512 = HashAlgorithm::Sha512.digest(&[b"area"]);
        assert_eq!(name(HashAlgorithm::Sha512).to_string(), format!("000d{sha512}"));
    }
}
