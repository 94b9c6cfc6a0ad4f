//! The Name of a TPM object: what a policy pins.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::digest::Sha256Digest;

/// The Name of an object whose nameAlg is SHA-256: `000b ‖ SHA-256(TPMT_PUBLIC)` (TPM 2.0 Library, Part 1, section 16).
///
/// It covers the key and its attributes, so pinning it pins both. As text it is 68 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Sha256Digest);

/// The text was not a Name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a TPM Name is 000b and 64 lower-case hexadecimal digits")]
pub struct InvalidName;

impl Name {
    /// The Name of the object with this TPMT_PUBLIC.
    #[must_use]
    pub(super) fn of_public_area(tpmt_public: &[u8]) -> Self {
        Self(Sha256Digest::of(&[tpmt_public]))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "000b{}", self.0)
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
        let digest = text.strip_prefix("000b").ok_or(InvalidName)?;
        Sha256Digest::from_hex(digest).map(Self).map_err(|_| InvalidName)
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
        let digits = "ab".repeat(32);
        let name: Name = format!("000b{digits}").parse().unwrap();
        assert_eq!(name.to_string(), format!("000b{digits}"));
        for wrong in [digits.clone(), format!("000c{digits}"), format!("000B{digits}"), format!("000b{}", digits.to_uppercase())]
        {
            assert_eq!(wrong.parse::<Name>(), Err(InvalidName), "{wrong}");
        }
    }
}
