//! Signing keys of every supported kind, and the TPM structures around them, written byte by byte from the specification.

use std::{convert::Infallible, sync::LazyLock};

use blindllama_attest::hash::HashAlgorithm;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use rsa::{
    Pkcs1v15Sign, Pss, RsaPrivateKey,
    rand_core::{TryCryptoRng, TryRng},
    traits::PublicKeyParts as _,
};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

pub(crate) use HashAlgorithm::{Sha1 as SHA1, Sha256 as SHA256, Sha384 as SHA384, Sha512 as SHA512};

pub(crate) const RSA: u16 = 0x0001;
pub(crate) const ECC: u16 = 0x0023;
pub(crate) const NULL: u16 = 0x0010;
pub(crate) const RSASSA: u16 = 0x0014;
pub(crate) const RSAPSS: u16 = 0x0016;
pub(crate) const ECDSA: u16 = 0x0018;
pub(crate) const P256: u16 = 0x0003;
pub(crate) const P384: u16 = 0x0004;

/// fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.
pub(crate) const AK_ATTRIBUTES: u32 = 1 << 1 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 16 | 1 << 18;

pub(crate) static RSA_2048: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048, 1));
pub(crate) static RSA_2048_OTHER: LazyLock<Key> = LazyLock::new(|| Key::rsa(2048, 2));
pub(crate) static RSA_3072: LazyLock<Key> = LazyLock::new(|| Key::rsa(3072, 3));
pub(crate) static EC_256: LazyLock<Key> = LazyLock::new(|| Key::P256(p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap()));
pub(crate) static EC_384: LazyLock<Key> = LazyLock::new(|| Key::P384(p384::ecdsa::SigningKey::from_slice(&[7; 48]).unwrap()));

/// One key of each kind.
pub(crate) fn keys() -> [&'static Key; 4] {
    [&RSA_2048, &RSA_3072, &EC_256, &EC_384]
}

/// A signing key.
pub(crate) enum Key {
    Rsa(Box<RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
}

/// How to sign: TPM_ALG_ID and, for RSAPSS, the salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Rsassa,
    RsapssHashSalt,
    RsapssMaxSalt,
    Ecdsa,
}

impl Scheme {
    pub(crate) const fn tpm_id(self) -> u16 {
        match self {
            Self::Rsassa => RSASSA,
            Self::RsapssHashSalt | Self::RsapssMaxSalt => RSAPSS,
            Self::Ecdsa => ECDSA,
        }
    }
}

impl Key {
    pub(crate) fn rsa(bits: usize, seed: u32) -> Self {
        Self::Rsa(Box::new(RsaPrivateKey::new(&mut TestRng::new(seed), bits).unwrap()))
    }

    /// What the key can sign with.
    pub(crate) fn schemes(&self) -> &'static [Scheme] {
        match self {
            Self::Rsa(_) => &[Scheme::Rsassa, Scheme::RsapssHashSalt, Scheme::RsapssMaxSalt],
            Self::P256(_) | Self::P384(_) => &[Scheme::Ecdsa],
        }
    }

    /// The key's name in a scheme's text.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Rsa(key) => format!("RSA-{}", key.size() * 8),
            Self::P256(_) => "P-256".to_owned(),
            Self::P384(_) => "P-384".to_owned(),
        }
    }

    /// A public area of a restricted signing key.
    pub(crate) fn area(&self, scheme: Scheme, hash: HashAlgorithm) -> PublicArea {
        let (key_type, unique) = match self {
            Self::Rsa(key) => {
                let bits = u16::try_from(key.size() * 8).unwrap();
                (RSA, Unique::Rsa { bits, exponent: 0, modulus: key.n_bytes().to_vec() })
            }
            Self::P256(key) => (ECC, Unique::point(P256, key.verifying_key().to_sec1_point(false).as_bytes())),
            Self::P384(key) => (ECC, Unique::point(P384, key.verifying_key().to_sec1_point(false).as_bytes())),
        };
        PublicArea {
            key_type,
            name_alg: 0x000b,
            attributes: AK_ATTRIBUTES,
            auth_policy: Vec::new(),
            symmetric: NULL,
            scheme: scheme.tpm_id(),
            scheme_hash: hash.tpm_id(),
            unique,
        }
    }

    /// TPMT_SIGNATURE over `message`.
    pub(crate) fn sign(&self, scheme: Scheme, hash: HashAlgorithm, message: &[u8]) -> Vec<u8> {
        let digest = hash.digest(&[message]);
        let header = [scheme.tpm_id().to_be_bytes(), hash.tpm_id().to_be_bytes()].concat();
        let value = match self {
            Self::Rsa(key) => tpm2b(&sign_rsa(key, scheme, hash, digest.as_bytes())),
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(digest.as_bytes()).unwrap();
                numbers(&signature.to_bytes())
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(digest.as_bytes()).unwrap();
                numbers(&signature.to_bytes())
            }
        };
        [header, value].concat()
    }
}

fn sign_rsa(key: &RsaPrivateKey, scheme: Scheme, hash: HashAlgorithm, digest: &[u8]) -> Vec<u8> {
    match hash {
        SHA1 => sign_rsa_with::<Sha1>(key, scheme, digest),
        SHA256 => sign_rsa_with::<Sha256>(key, scheme, digest),
        SHA384 => sign_rsa_with::<Sha384>(key, scheme, digest),
        SHA512 => sign_rsa_with::<Sha512>(key, scheme, digest),
    }
}

fn sign_rsa_with<H>(key: &RsaPrivateKey, scheme: Scheme, digest: &[u8]) -> Vec<u8>
where
    H: sha2::Digest + sha2::digest::FixedOutputReset + sha2::digest::const_oid::AssociatedOid,
{
    let salt = match scheme {
        Scheme::Rsassa => return key.sign(Pkcs1v15Sign::new::<H>(), digest).unwrap(),
        Scheme::RsapssHashSalt => digest.len(),
        Scheme::RsapssMaxSalt => key.size() - digest.len() - 2,
        Scheme::Ecdsa => panic!("RSA keys sign no ECDSA"),
    };
    key.sign_with_rng(&mut TestRng::new(0), Pss::<H>::new_with_salt(salt), digest).unwrap()
}

/// `r ‖ s` as two TPM2B_ECC_PARAMETERs.
fn numbers(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    [tpm2b(r), tpm2b(s)].concat()
}

/// TPMT_PUBLIC, field by field.
#[derive(Clone)]
pub(crate) struct PublicArea {
    pub(crate) key_type: u16,
    pub(crate) name_alg: u16,
    pub(crate) attributes: u32,
    pub(crate) auth_policy: Vec<u8>,
    pub(crate) symmetric: u16,
    pub(crate) scheme: u16,
    pub(crate) scheme_hash: u16,
    pub(crate) unique: Unique,
}

/// The parameters that depend on the type, and the key itself.
#[derive(Clone)]
pub(crate) enum Unique {
    Rsa { bits: u16, exponent: u32, modulus: Vec<u8> },
    Ecc { curve: u16, kdf: u16, x: Vec<u8>, y: Vec<u8> },
}

impl Unique {
    fn point(curve: u16, uncompressed: &[u8]) -> Self {
        let (x, y) = uncompressed[1..].split_at(uncompressed.len() / 2);
        Self::Ecc { curve, kdf: NULL, x: x.to_vec(), y: y.to_vec() }
    }
}

impl PublicArea {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let unique = match &self.unique {
            Unique::Rsa { bits, exponent, modulus } => {
                [&bits.to_be_bytes()[..], &exponent.to_be_bytes(), &tpm2b(modulus)].concat()
            }
            Unique::Ecc { curve, kdf, x, y } => [&curve.to_be_bytes()[..], &kdf.to_be_bytes(), &tpm2b(x), &tpm2b(y)].concat(),
        };
        [
            &self.key_type.to_be_bytes()[..],
            &self.name_alg.to_be_bytes(),
            &self.attributes.to_be_bytes(),
            &tpm2b(&self.auth_policy),
            &self.symmetric.to_be_bytes(),
            &self.scheme.to_be_bytes(),
            &self.scheme_hash.to_be_bytes(),
            &unique,
        ]
        .concat()
    }

    /// TPM2B_PUBLIC.
    pub(crate) fn sized(&self) -> Vec<u8> {
        tpm2b(&self.to_bytes())
    }
}

/// A size and that many bytes.
pub(crate) fn tpm2b(bytes: &[u8]) -> Vec<u8> {
    [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// Bytes that are the same in every run: SHA-256 of a counter, which starts at a seed.
struct TestRng {
    counter: u64,
    rest: Vec<u8>,
}

impl TestRng {
    const fn new(seed: u32) -> Self {
        Self { counter: (seed as u64) << 32, rest: Vec::new() }
    }
}

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for byte in bytes {
            if self.rest.is_empty() {
                self.counter += 1;
                self.rest = SHA256.digest(&[&self.counter.to_be_bytes()]).as_bytes().to_vec();
            }
            *byte = self.rest.pop().unwrap();
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}
