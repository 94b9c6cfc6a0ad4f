//! Digests of the hash algorithms that TPM banks and signatures use.
//!
//! Our own formats know SHA-256 alone ([`crate::digest::Sha256Digest`]); this is for what TPMs and firmware bring along.

use std::fmt;

use data_encoding::HEXLOWER;
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

use crate::digest::Sha256Digest;

/// A hash algorithm of a PCR bank or of a signature scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashAlgorithm {
    /// SHA-1: broken for signatures; old banks and logs have it.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// All of them, weakest first.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The TPM_ALG_ID (TCG Algorithm Registry).
    #[must_use]
    pub const fn tpm_id(self) -> u16 {
        match self {
            Self::Sha1 => 0x0004,
            Self::Sha256 => 0x000b,
            Self::Sha384 => 0x000c,
            Self::Sha512 => 0x000d,
        }
    }

    /// The algorithm of a TPM_ALG_ID; `None` for those that we do not compute (SM3, SHA-3).
    #[must_use]
    pub fn from_tpm_id(id: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.tpm_id() == id)
    }

    /// The name that banks have in tools and in JSON: `sha256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The digest's size in bytes.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Hashes `parts` as if they were one string of bytes.
    #[must_use]
    pub fn digest(self, parts: &[&[u8]]) -> Digest {
        match self {
            Self::Sha1 => hash::<Sha1>(self, parts),
            Self::Sha256 => hash::<Sha256>(self, parts),
            Self::Sha384 => hash::<Sha384>(self, parts),
            Self::Sha512 => hash::<Sha512>(self, parts),
        }
    }
}

impl fmt::Display for HashAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn hash<H: sha2::Digest>(algorithm: HashAlgorithm, parts: &[&[u8]]) -> Digest {
    let mut hash = H::new();
    for part in parts {
        hash.update(part);
    }
    Digest::padded(algorithm, &hash.finalize())
}

/// A digest together with its algorithm; digests of different algorithms are never equal.
///
/// As text it is lower-case hex, without the algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: HashAlgorithm,
    /// The digest, then zeros.
    padded: [u8; 64],
}

impl Digest {
    /// A digest computed elsewhere; `None` unless `bytes` has the algorithm's size.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == algorithm.size()).then(|| Self::padded(algorithm, bytes))
    }

    /// Parses lower-case hex; `None` for other characters or another size.
    #[must_use]
    pub fn from_hex(algorithm: HashAlgorithm, text: &str) -> Option<Self> {
        Self::new(algorithm, &HEXLOWER.decode(text.as_bytes()).ok()?)
    }

    /// The same byte throughout: zero and `ff` are the values that PCRs start with.
    #[must_use]
    pub fn filled(algorithm: HashAlgorithm, byte: u8) -> Self {
        let mut padded = [0; 64];
        padded.iter_mut().take(algorithm.size()).for_each(|to| *to = byte);
        Self { algorithm, padded }
    }

    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The raw bytes, as many as the algorithm has.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.padded.get(..self.algorithm.size()).unwrap_or(&self.padded)
    }

    /// The digest as our own formats write it, if it is of SHA-256.
    #[must_use]
    pub fn as_sha256(&self) -> Option<Sha256Digest> {
        let bytes = self.as_bytes().try_into().ok()?;
        (self.algorithm == HashAlgorithm::Sha256).then(|| Sha256Digest::from_bytes(bytes))
    }

    /// `H(self ‖ digest)`: what TPM2_PCR_Extend does to a PCR of this bank (TPM 2.0 Library, Part 3, section 22.2).
    #[must_use]
    pub fn extended_with(&self, digest: &[u8]) -> Self {
        self.algorithm.digest(&[self.as_bytes(), digest])
    }

    fn padded(algorithm: HashAlgorithm, bytes: &[u8]) -> Self {
        let mut padded = [0; 64];
        padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self { algorithm, padded }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(self.as_bytes()))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.algorithm)
    }
}

impl From<Sha256Digest> for Digest {
    fn from(digest: Sha256Digest) -> Self {
        Self::padded(HashAlgorithm::Sha256, digest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let abc = |algorithm: HashAlgorithm| algorithm.digest(&[b"a", b"bc"]).to_string();
        assert_eq!(abc(HashAlgorithm::Sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(abc(HashAlgorithm::Sha256), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(abc(HashAlgorithm::Sha384).starts_with("cb00753f45a35e8bb5a03d699ac65007"));
        assert!(abc(HashAlgorithm::Sha512).starts_with("ddaf35a193617abacc417349ae204131"));
    }

    #[test]
    fn a_digest_has_the_size_of_its_algorithm() {
        for algorithm in HashAlgorithm::ALL {
            let zero = Digest::filled(algorithm, 0);
            assert_eq!(zero.as_bytes(), vec![0; algorithm.size()]);
            assert_eq!(Digest::from_hex(algorithm, &zero.to_string()), Some(zero));
            assert_eq!(Digest::new(algorithm, &[0; 21]), None);
            assert_eq!(HashAlgorithm::from_tpm_id(algorithm.tpm_id()), Some(algorithm));
            assert_eq!(HashAlgorithm::from_name(algorithm.name()), Some(algorithm));
        }
    }
}
