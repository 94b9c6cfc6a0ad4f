//! Public keys that verify signatures: RSA of 2048 to 4096 bits, P-256 and P-384.

use std::fmt;

use rsa::{
    BoxedUint, Pkcs1v15Sign, Pss, RsaPublicKey,
    pkcs1::{RsaPublicKeyRef, der::asn1::UintRef},
    traits::PublicKeyParts as _,
};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use x509_cert::{
    der::{
        self, Decode as _, Encode as _,
        asn1::{AnyRef, BitStringRef, Null, ObjectIdentifier},
    },
    spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef},
};

use super::{KeyType, padded};
use crate::hash::HashAlgorithm;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const SECP384R1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// The sizes of an RSA modulus that are strong enough and that a TPM or certificate can have, in bytes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=512;
/// 65537, the only public exponent that TPMs make.
const EXPONENT: [u8; 3] = [1, 0, 1];

/// The first byte of an uncompressed point (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA.
    Rsa(RsaKey),
    /// NIST P-256.
    P256(p256::ecdsa::VerifyingKey),
    /// NIST P-384.
    P384(p384::ecdsa::VerifyingKey),
}

/// An RSA public key with a modulus of 2048 to 4096 bits, in whole bytes, and the exponent 65537.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaKey(RsaPublicKey);

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaKey({})", data_encoding::HEXLOWER.encode(&self.0.n_bytes()))
    }
}

/// An RSA key that nothing should be signed with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRsaKey {
    /// Too small, too large, or not in whole bytes.
    #[error("the RSA key has {bits} bits; it has to have 2048 to 4096, in whole bytes")]
    Size {
        /// The modulus's size.
        bits: usize,
    },
    /// Another exponent than 65537.
    #[error("the RSA key's public exponent is {}; it has to be 65537", data_encoding::HEXLOWER.encode(.big_endian))]
    Exponent {
        /// The exponent's first bytes, at most eight.
        big_endian: Vec<u8>,
    },
    /// An even number.
    #[error("the RSA key's modulus is even, so it is no product of two large primes")]
    EvenModulus,
}

/// A SubjectPublicKeyInfo that is not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// The bytes are no SubjectPublicKeyInfo.
    #[error("the public key is no SubjectPublicKeyInfo in DER: {0}")]
    Malformed(#[from] der::Error),
    /// Another algorithm or curve.
    #[error("the public key has the algorithm or curve {oid}; it has to be RSA, P-256 or P-384")]
    Unsupported {
        /// The object identifier.
        oid: ObjectIdentifier,
    },
    /// A weak RSA key.
    #[error(transparent)]
    Rsa(#[from] InvalidRsaKey),
    /// The coordinates are no point of the curve.
    #[error("the public key is no uncompressed point of its curve")]
    NotOnCurve,
    /// The same key has another encoding, and that is the one that the specifications demand.
    #[error("the public key is not encoded as RFC 3279 and RFC 5480 demand (rsaEncryption with NULL, or a named curve)")]
    NotCanonical,
}

/// The key did not sign this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify under this key")]
pub struct InvalidSignature;

impl RsaKey {
    /// A key of a big-endian modulus without leading zeros and a big-endian exponent.
    ///
    /// # Errors
    /// [`InvalidRsaKey`] unless the modulus is odd and of an accepted size, and the exponent 65537.
    pub fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, InvalidRsaKey> {
        let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let size = InvalidRsaKey::Size { bits: (modulus.len() * 8).saturating_sub(unused) };
        if !MODULUS_BYTES.contains(&modulus.len()) || unused != 0 {
            return Err(size);
        }
        if modulus.last().is_none_or(|byte| byte % 2 == 0) {
            return Err(InvalidRsaKey::EvenModulus);
        }
        if exponent != EXPONENT {
            return Err(InvalidRsaKey::Exponent { big_endian: exponent.iter().copied().take(8).collect() });
        }
        let [n, e] = [modulus, exponent].map(BoxedUint::from_be_slice_vartime);
        RsaPublicKey::new(n, e).map(Self).map_err(|_| size)
    }

    fn verify_rsassa(&self, hash: HashAlgorithm, message: &[u8], signature: &[u8]) -> rsa::Result<()> {
        let scheme = match hash {
            HashAlgorithm::Sha1 => Pkcs1v15Sign::new::<Sha1>(),
            HashAlgorithm::Sha256 => Pkcs1v15Sign::new::<Sha256>(),
            HashAlgorithm::Sha384 => Pkcs1v15Sign::new::<Sha384>(),
            HashAlgorithm::Sha512 => Pkcs1v15Sign::new::<Sha512>(),
        };
        self.0.verify(scheme, hash.digest(&[message]).as_bytes(), signature)
    }

    fn verify_rsapss(&self, hash: HashAlgorithm, message: &[u8], signature: &[u8]) -> rsa::Result<()> {
        let digest = hash.digest(&[message]);
        match hash {
            HashAlgorithm::Sha1 => self.0.verify(any_salt::<Sha1>(), digest.as_bytes(), signature),
            HashAlgorithm::Sha256 => self.0.verify(any_salt::<Sha256>(), digest.as_bytes(), signature),
            HashAlgorithm::Sha384 => self.0.verify(any_salt::<Sha384>(), digest.as_bytes(), signature),
            HashAlgorithm::Sha512 => self.0.verify(any_salt::<Sha512>(), digest.as_bytes(), signature),
        }
    }
}

/// PSS with the salt's length read from the signature.
///
/// TPMs take the hash's length or the longest that fits (TPM 2.0 Library, Part 1, section B.7), depending on their
/// specification's revision and on FIPS mode. The length is no security parameter of the verifier.
fn any_salt<H: sha2::Digest>() -> Pss<H> {
    Pss { salt_len: None, ..Pss::new() }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo (RFC 5280, section 4.1) in its one canonical encoding.
    ///
    /// # Errors
    /// [`PublicKeyError`] for other bytes, algorithms and curves, and for weak keys.
    pub fn from_spki_der(spki: &[u8]) -> Result<Self, PublicKeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(spki)?;
        let key = info.subject_public_key.as_bytes().ok_or(PublicKeyError::NotCanonical)?;
        let key = match (info.algorithm.oid, info.algorithm.parameters) {
            (RSA_ENCRYPTION, _) => Self::from_pkcs1_der(key)?,
            (EC_PUBLIC_KEY, Some(curve)) => Self::from_point(curve.decode_as()?, key)?,
            (oid, _) => return Err(PublicKeyError::Unsupported { oid }),
        };
        if key.spki_der()? == spki { Ok(key) } else { Err(PublicKeyError::NotCanonical) }
    }

    /// A point of P-256 by its coordinates; `None` if there is none.
    pub(super) fn p256(x: &[u8], y: &[u8]) -> Option<Self> {
        let point = [&[UNCOMPRESSED][..], &padded::<32>(x)?, &padded::<32>(y)?].concat();
        p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Self::P256).ok()
    }

    /// A point of P-384 by its coordinates; `None` if there is none.
    pub(super) fn p384(x: &[u8], y: &[u8]) -> Option<Self> {
        let point = [&[UNCOMPRESSED][..], &padded::<48>(x)?, &padded::<48>(y)?].concat();
        p384::ecdsa::VerifyingKey::from_sec1_bytes(&point).map(Self::P384).ok()
    }

    fn from_pkcs1_der(key: &[u8]) -> Result<Self, PublicKeyError> {
        let RsaPublicKeyRef { modulus, public_exponent } = RsaPublicKeyRef::from_der(key)?;
        Ok(Self::Rsa(RsaKey::new(modulus.as_bytes(), public_exponent.as_bytes())?))
    }

    fn from_point(curve: ObjectIdentifier, point: &[u8]) -> Result<Self, PublicKeyError> {
        match curve {
            SECP256R1 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Self::P256),
            SECP384R1 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Self::P384),
            oid => return Err(PublicKeyError::Unsupported { oid }),
        }
        .map_err(|_| PublicKeyError::NotOnCurve)
    }

    /// The key as SubjectPublicKeyInfo in DER: what a certificate for it has, byte for byte (RFC 3279, section 2.3.1: RSA
    /// with NULL parameters; RFC 5480, section 2: a named curve and an uncompressed point).
    ///
    /// # Errors
    /// None for the sizes that keys of this type have; the encoder's signature demands a result.
    pub fn spki_der(&self) -> Result<Vec<u8>, der::Error> {
        match self {
            Self::Rsa(RsaKey(key)) => {
                let modulus = key.n_bytes();
                let key = RsaPublicKeyRef { modulus: UintRef::new(&modulus)?, public_exponent: UintRef::new(&EXPONENT)? };
                spki_der(RSA_ENCRYPTION, Null.into(), &key.to_der()?)
            }
            Self::P256(key) => spki_der(EC_PUBLIC_KEY, (&SECP256R1).into(), key.to_sec1_point(false).as_bytes()),
            Self::P384(key) => spki_der(EC_PUBLIC_KEY, (&SECP384R1).into(), key.to_sec1_point(false).as_bytes()),
        }
    }

    /// What kind of key it is.
    #[must_use]
    pub fn key_type(&self) -> KeyType {
        match self {
            Self::Rsa(RsaKey(key)) => KeyType::Rsa { bits: key.size() * 8 },
            Self::P256(_) => KeyType::P256,
            Self::P384(_) => KeyType::P384,
        }
    }

    /// Checks an RSASSA-PKCS1-v1_5 signature, which has exactly the modulus's size.
    ///
    /// # Errors
    /// [`InvalidSignature`] unless this is an RSA key that signed `message`.
    pub fn verify_rsassa(&self, hash: HashAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let Self::Rsa(key) = self else { return Err(InvalidSignature) };
        key.verify_rsassa(hash, message, signature).map_err(|_| InvalidSignature)
    }

    /// Checks an RSASSA-PSS signature, which has exactly the modulus's size; MGF1 has the same hash, the salt any length.
    ///
    /// # Errors
    /// [`InvalidSignature`] unless this is an RSA key that signed `message`.
    pub fn verify_rsapss(&self, hash: HashAlgorithm, message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let Self::Rsa(key) = self else { return Err(InvalidSignature) };
        key.verify_rsapss(hash, message, signature).map_err(|_| InvalidSignature)
    }

    /// Checks an ECDSA signature of two big-endian numbers, each at most as long as the curve's order.
    ///
    /// Both `s` and `n - s` verify (a TPM makes either), so a signature is never an identifier of what it signs.
    ///
    /// # Errors
    /// [`InvalidSignature`] unless this is an elliptic-curve key that signed `message`.
    pub fn verify_ecdsa(&self, hash: HashAlgorithm, message: &[u8], r: &[u8], s: &[u8]) -> Result<(), InvalidSignature> {
        let digest = hash.digest(&[message]);
        match self {
            Self::Rsa(_) => None,
            Self::P256(key) => verify_p256(key, digest.as_bytes(), r, s),
            Self::P384(key) => verify_p384(key, digest.as_bytes(), r, s),
        }
        .ok_or(InvalidSignature)
    }
}

fn verify_p256(key: &p256::ecdsa::VerifyingKey, digest: &[u8], r: &[u8], s: &[u8]) -> Option<()> {
    use p256::ecdsa::{Signature, signature::hazmat::PrehashVerifier as _};
    let signature = Signature::from_scalars(padded::<32>(r)?, padded::<32>(s)?).ok()?;
    key.verify_prehash(digest, &signature).ok()
}

fn verify_p384(key: &p384::ecdsa::VerifyingKey, digest: &[u8], r: &[u8], s: &[u8]) -> Option<()> {
    use p384::ecdsa::{Signature, signature::hazmat::PrehashVerifier as _};
    let signature = Signature::from_scalars(padded::<48>(r)?, padded::<48>(s)?).ok()?;
    key.verify_prehash(digest, &signature).ok()
}

fn spki_der(algorithm: ObjectIdentifier, parameters: AnyRef<'_>, key: &[u8]) -> Result<Vec<u8>, der::Error> {
    let algorithm = AlgorithmIdentifierRef { oid: algorithm, parameters: Some(parameters) };
    SubjectPublicKeyInfoRef { algorithm, subject_public_key: BitStringRef::from_bytes(key)? }.to_der()
}
