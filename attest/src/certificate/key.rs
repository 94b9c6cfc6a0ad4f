//! Public keys of certificates, of the kinds that are checked.

use rsa::{RsaPublicKey, traits::PublicKeyParts as _};
use x509_cert::{
    der::{asn1::ObjectIdentifier, referenced::OwnedToRef as _},
    spki::SubjectPublicKeyInfoOwned,
};

use super::name;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// RSA moduli that are accepted, in bits.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// The public key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// RSA of 2048 to 4096 bits.
    Rsa(RsaPublicKey),
    /// A point of P-256.
    P256(p256::PublicKey),
    /// A point of P-384.
    P384(p384::PublicKey),
}

/// A public key of another kind, or none at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}; RSA of 2048 to 4096 bits, P-256 and P-384 are supported")]
pub(crate) struct UnsupportedKey(pub(crate) String);

impl PublicKey {
    pub(super) fn parse(spki: &SubjectPublicKeyInfoOwned) -> Result<Self, UnsupportedKey> {
        let curve = || spki.algorithm.parameters.as_ref().and_then(|any| any.decode_as::<ObjectIdentifier>().ok());
        match (spki.algorithm.oid, curve()) {
            (RSA_ENCRYPTION, None) => rsa_key(spki),
            (EC_PUBLIC_KEY, Some(P256)) => {
                p256::PublicKey::from_sec1_bytes(uncompressed(spki, 65)?).map(Self::P256).map_err(|_| no_point())
            }
            (EC_PUBLIC_KEY, Some(P384)) => {
                p384::PublicKey::from_sec1_bytes(uncompressed(spki, 97)?).map(Self::P384).map_err(|_| no_point())
            }
            (algorithm, None) => Err(unsupported(format!("the key's algorithm is {algorithm}"))),
            (algorithm, Some(parameters)) => {
                Err(unsupported(format!("the key's algorithm is {algorithm} with parameters {parameters}")))
            }
        }
    }
}

fn rsa_key(spki: &SubjectPublicKeyInfoOwned) -> Result<PublicKey, UnsupportedKey> {
    let key =
        RsaPublicKey::try_from(spki.owned_to_ref()).map_err(|error| unsupported(format!("the RSA key is malformed: {error}")))?;
    let bits = key.n().bits_vartime();
    if !RSA_BITS.contains(&bits) {
        return Err(unsupported(format!("the RSA key has {bits} bits")));
    }
    Ok(PublicKey::Rsa(key))
}

/// The point's bytes, in the only form that RFC 5480, section 2.2, requires everyone to read.
fn uncompressed(spki: &SubjectPublicKeyInfoOwned, size: usize) -> Result<&[u8], UnsupportedKey> {
    let bytes = spki.subject_public_key.as_bytes().filter(|bytes| bytes.len() == size && bytes.first() == Some(&0x04));
    bytes.ok_or_else(|| unsupported(format!("the EC key is not an uncompressed point of {size} bytes")))
}

fn no_point() -> UnsupportedKey {
    unsupported("the EC key is no point of its curve".to_owned())
}

fn unsupported(reason: String) -> UnsupportedKey {
    UnsupportedKey(name::excerpt(&reason))
}
