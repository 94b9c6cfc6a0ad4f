//! The kinds of attestation keys.

use std::fmt;

use blindllama_attest::hash::HashAlgorithm;
use tss_esapi::{
    abstraction::AsymmetricAlgorithmSelection,
    interface_types::{
        algorithm::{HashingAlgorithm, SignatureSchemeAlgorithm},
        ecc::EccCurve,
        key_bits::RsaKeyBits,
    },
    structures::{EccScheme, HashScheme, Public, RsaScheme},
};

/// Key and signature scheme of an attestation key. Its hash is that of the scheme and of the key's Name (nameAlg).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AkKind {
    /// ECDSA over NIST P-256 with SHA-256.
    #[default]
    EcdsaP256,
    /// ECDSA over NIST P-384 with SHA-384.
    EcdsaP384,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits.
    Rsassa2048,
    /// RSASSA-PSS with SHA-256, 2048 bits.
    Rsapss2048,
}

impl AkKind {
    /// The hash of signatures, and so of the PCR digest in quotes (TPM 2.0 Library, Part 3, section 18.4).
    #[must_use]
    pub const fn hash(self) -> HashAlgorithm {
        match self {
            Self::EcdsaP384 => HashAlgorithm::Sha384,
            Self::EcdsaP256 | Self::Rsassa2048 | Self::Rsapss2048 => HashAlgorithm::Sha256,
        }
    }

    pub(super) const fn hashing_algorithm(self) -> HashingAlgorithm {
        match self {
            Self::EcdsaP384 => HashingAlgorithm::Sha384,
            Self::EcdsaP256 | Self::Rsassa2048 | Self::Rsapss2048 => HashingAlgorithm::Sha256,
        }
    }

    pub(super) const fn key(self) -> AsymmetricAlgorithmSelection {
        match self {
            Self::EcdsaP256 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP256),
            Self::EcdsaP384 => AsymmetricAlgorithmSelection::Ecc(EccCurve::NistP384),
            Self::Rsassa2048 | Self::Rsapss2048 => AsymmetricAlgorithmSelection::Rsa(RsaKeyBits::Rsa2048),
        }
    }

    pub(super) const fn scheme(self) -> SignatureSchemeAlgorithm {
        match self {
            Self::EcdsaP256 | Self::EcdsaP384 => SignatureSchemeAlgorithm::EcDsa,
            Self::Rsassa2048 => SignatureSchemeAlgorithm::RsaSsa,
            Self::Rsapss2048 => SignatureSchemeAlgorithm::RsaPss,
        }
    }

    /// The kind of a stored key; `None` for a key that we would never have made.
    pub(super) fn of(public: &Public) -> Option<Self> {
        const SHA256: HashScheme = HashScheme::new(HashingAlgorithm::Sha256);
        const SHA384: HashScheme = HashScheme::new(HashingAlgorithm::Sha384);
        let kind = match public {
            Public::Ecc { parameters, .. } => match (parameters.ecc_curve(), parameters.ecc_scheme()) {
                (EccCurve::NistP256, EccScheme::EcDsa(SHA256)) => Self::EcdsaP256,
                (EccCurve::NistP384, EccScheme::EcDsa(SHA384)) => Self::EcdsaP384,
                _ => return None,
            },
            Public::Rsa { parameters, .. } => match (parameters.key_bits(), parameters.rsa_scheme()) {
                (RsaKeyBits::Rsa2048, RsaScheme::RsaSsa(SHA256)) => Self::Rsassa2048,
                (RsaKeyBits::Rsa2048, RsaScheme::RsaPss(SHA256)) => Self::Rsapss2048,
                _ => return None,
            },
            _ => return None,
        };
        (public.name_hashing_algorithm() == kind.hashing_algorithm()).then_some(kind)
    }
}

impl fmt::Display for AkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsassa2048 => "rsassa-2048",
            Self::Rsapss2048 => "rsapss-2048",
        })
    }
}
