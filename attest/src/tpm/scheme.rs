//! Signature schemes: TPMT_SIG_SCHEME (TPM 2.0 Library, Part 2, section 11.2.1.5).

use std::fmt;

use super::algorithm;
use crate::{
    bytes::{Malformed, Reader},
    hash::HashAlgorithm,
};

/// A signature algorithm of TPMI_ALG_SIG_SCHEME that a quote can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 (RFC 8017, section 8.2).
    Rsassa,
    /// RSASSA-PSS (RFC 8017, section 8.1), MGF1 with the same hash.
    Rsapss,
    /// ECDSA (FIPS 186-5, section 6).
    Ecdsa,
}

impl SignatureAlgorithm {
    const ALL: [Self; 3] = [Self::Rsassa, Self::Rsapss, Self::Ecdsa];

    /// The TPM_ALG_ID (TCG Algorithm Registry).
    #[must_use]
    pub const fn tpm_id(self) -> u16 {
        match self {
            Self::Rsassa => algorithm::RSASSA,
            Self::Rsapss => algorithm::RSAPSS,
            Self::Ecdsa => algorithm::ECDSA,
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsassa => "RSASSA",
            Self::Rsapss => "RSAPSS",
            Self::Ecdsa => "ECDSA",
        })
    }
}

/// A signature algorithm with its hash: SHA-1, SHA-256 or SHA-384. As text `RSASSA SHA-256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureScheme {
    algorithm: SignatureAlgorithm,
    hash: HashAlgorithm,
}

impl SignatureScheme {
    pub(super) const fn new(algorithm: SignatureAlgorithm, hash: HashAlgorithm) -> Self {
        Self { algorithm, hash }
    }

    /// The signature algorithm.
    #[must_use]
    pub const fn algorithm(self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The hash of the signed message, and of a quote's PCR digest.
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        self.hash
    }

    /// Reads the algorithm and its hash; `fields` are their names in the structure that has them.
    pub(super) fn read<E: From<Malformed>>(
        reader: &mut Reader<'_>,
        fields: [&'static str; 2],
        unsupported: fn(&'static str, u16) -> E,
    ) -> Result<Self, E> {
        let [algorithm_field, hash_field] = fields;
        let id = reader.u16_be()?;
        let algorithm = SignatureAlgorithm::ALL.into_iter().find(|algorithm| algorithm.tpm_id() == id);
        let algorithm = algorithm.ok_or_else(|| unsupported(algorithm_field, id))?;
        let id = reader.u16_be()?;
        let hash = HashAlgorithm::from_tpm_id(id).filter(|hash| *hash != HashAlgorithm::Sha512);
        Ok(Self { algorithm, hash: hash.ok_or_else(|| unsupported(hash_field, id))? })
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, standard_name(self.hash))
    }
}

/// What kind of key a public key is. As text `RSA-2048`, `P-256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyType {
    /// RSA with a modulus of so many bits.
    Rsa {
        /// The modulus's size in bits.
        bits: usize,
    },
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
        }
    }
}

/// How a key signs. As text `RSASSA RSA-2048 SHA-256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigningScheme {
    /// The key's kind.
    pub key: KeyType,
    /// The signature's scheme.
    pub signature: SignatureScheme,
}

impl SigningScheme {
    /// The hash of the signed message, and of a quote's PCR digest.
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        self.signature.hash
    }
}

impl fmt::Display for SigningScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.signature.algorithm, self.key, standard_name(self.signature.hash))
    }
}

/// The name in FIPS 180-4.
const fn standard_name(hash: HashAlgorithm) -> &'static str {
    match hash {
        HashAlgorithm::Sha1 => "SHA-1",
        HashAlgorithm::Sha256 => "SHA-256",
        HashAlgorithm::Sha384 => "SHA-384",
        HashAlgorithm::Sha512 => "SHA-512",
    }
}
