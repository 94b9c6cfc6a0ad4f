//! Signatures of certificates: RSA PKCS#1 v1.5, RSASSA-PSS and ECDSA, with SHA-256, SHA-384 and (RSA) SHA-512.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::{Pkcs1v15Sign, Pss, RsaPublicKey, pkcs1::RsaPssParams};
use sha2::{Sha256, Sha384, Sha512};
use x509_cert::{
    der::asn1::{Any, ObjectIdentifier},
    spki::AlgorithmIdentifierOwned,
};

use super::{
    Certificate,
    key::{PublicKey, UnsupportedKey},
};
use crate::hash::{Digest, HashAlgorithm};

const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const RSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const RSA_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2");
const SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3");

/// Why a certificate does not count as signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignatureFailure {
    /// The issuer's key did not sign this.
    Invalid,
    /// The algorithm or the key is not checked.
    Unsupported(String),
}

impl From<UnsupportedKey> for SignatureFailure {
    fn from(error: UnsupportedKey) -> Self {
        Self::Unsupported(format!("its issuer's key cannot be used: {error}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Padding {
    Pkcs1,
    Pss,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Rsa(Padding),
    Ecdsa,
}

/// Checks that `issuer`'s key signed `certificate`; names are not looked at.
pub(super) fn verify(certificate: &Certificate, issuer: &Certificate) -> Result<(), SignatureFailure> {
    let (scheme, hash) = algorithm(certificate.signature_algorithm())?;
    let digest = hash.digest(&[certificate.signed_part()]);
    let signature = certificate.signature();
    let valid = match (scheme, issuer.public_key()?) {
        (Scheme::Rsa(padding), PublicKey::Rsa(key)) => verify_rsa(&key, padding, &digest, signature),
        (Scheme::Ecdsa, PublicKey::P256(key)) => p256::ecdsa::Signature::from_der(signature)
            .and_then(|signature| p256::ecdsa::VerifyingKey::from(key).verify_prehash(digest.as_bytes(), &signature))
            .is_ok(),
        (Scheme::Ecdsa, PublicKey::P384(key)) => p384::ecdsa::Signature::from_der(signature)
            .and_then(|signature| p384::ecdsa::VerifyingKey::from(key).verify_prehash(digest.as_bytes(), &signature))
            .is_ok(),
        _ => false,
    };
    if valid { Ok(()) } else { Err(SignatureFailure::Invalid) }
}

fn verify_rsa(key: &RsaPublicKey, padding: Padding, digest: &Digest, signature: &[u8]) -> bool {
    let hashed = digest.as_bytes();
    let result = match (padding, digest.algorithm()) {
        (_, HashAlgorithm::Sha1) => return false,
        (Padding::Pkcs1, HashAlgorithm::Sha256) => key.verify(Pkcs1v15Sign::new::<Sha256>(), hashed, signature),
        (Padding::Pkcs1, HashAlgorithm::Sha384) => key.verify(Pkcs1v15Sign::new::<Sha384>(), hashed, signature),
        (Padding::Pkcs1, HashAlgorithm::Sha512) => key.verify(Pkcs1v15Sign::new::<Sha512>(), hashed, signature),
        (Padding::Pss, HashAlgorithm::Sha256) => key.verify(Pss::<Sha256>::new(), hashed, signature),
        (Padding::Pss, HashAlgorithm::Sha384) => key.verify(Pss::<Sha384>::new(), hashed, signature),
        (Padding::Pss, HashAlgorithm::Sha512) => key.verify(Pss::<Sha512>::new(), hashed, signature),
    };
    result.is_ok()
}

fn algorithm(identifier: &AlgorithmIdentifierOwned) -> Result<(Scheme, HashAlgorithm), SignatureFailure> {
    let parameters = identifier.parameters.as_ref();
    match identifier.oid {
        RSA_SHA256 => pkcs1(HashAlgorithm::Sha256, parameters),
        RSA_SHA384 => pkcs1(HashAlgorithm::Sha384, parameters),
        RSA_SHA512 => pkcs1(HashAlgorithm::Sha512, parameters),
        RSA_PSS => pss(parameters).ok_or_else(|| unsupported("RSASSA-PSS with parameters other than SHA-2 throughout")),
        ECDSA_SHA256 if parameters.is_none() => Ok((Scheme::Ecdsa, HashAlgorithm::Sha256)),
        ECDSA_SHA384 if parameters.is_none() => Ok((Scheme::Ecdsa, HashAlgorithm::Sha384)),
        other => Err(unsupported(&format!("algorithm {other}"))),
    }
}

/// RFC 4055, section 5: the parameters are NULL, and absent ones are accepted.
fn pkcs1(hash: HashAlgorithm, parameters: Option<&Any>) -> Result<(Scheme, HashAlgorithm), SignatureFailure> {
    if parameters.is_none_or(|parameters| *parameters == Any::null()) {
        Ok((Scheme::Rsa(Padding::Pkcs1), hash))
    } else {
        Err(unsupported("RSA PKCS#1 v1.5 with parameters"))
    }
}

/// RFC 4055, section 3.1: one SHA-2 hash for message and mask, and a salt of its size, as RFC 8017, section 9.1, has it.
fn pss(parameters: Option<&Any>) -> Option<(Scheme, HashAlgorithm)> {
    let parameters = parameters?.decode_as::<RsaPssParams<Any>>().ok()?;
    let hash = match parameters.hash.oid {
        SHA256 => HashAlgorithm::Sha256,
        SHA384 => HashAlgorithm::Sha384,
        SHA512 => HashAlgorithm::Sha512,
        _ => return None,
    };
    let same_mask = parameters.mask_gen.oid == MGF1 && parameters.mask_gen.parameters.as_ref() == Some(&parameters.hash);
    let usual = same_mask && usize::from(parameters.salt_len) == hash.size();
    usual.then_some((Scheme::Rsa(Padding::Pss), hash))
}

fn unsupported(what: &str) -> SignatureFailure {
    SignatureFailure::Unsupported(format!("it is signed with {what}"))
}
