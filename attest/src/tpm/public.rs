//! TPMT_PUBLIC of a key that signs quotes (TPM 2.0 Library, Part 2, section 12.2).

use super::{
    Name, PublicKey, Signature, SignatureAlgorithm, SignatureError, SignatureScheme, SigningScheme, algorithm,
    public_key::{InvalidRsaKey, RsaKey},
};
use crate::{
    bytes::{Malformed, Reader},
    hash::HashAlgorithm,
};

const CURVE_NIST_P256: u16 = 0x0003;
const CURVE_NIST_P384: u16 = 0x0004;

/// TPMA_OBJECT (Part 2, section 8.3): what has to be set on a key that only the TPM can make sign.
///
/// `restricted` is the heart of it: such a key never signs outside data that starts with TPM_GENERATED_VALUE, so a signature
/// over a quote can only come from TPM2_Quote.
const REQUIRED_ATTRIBUTES: [(u32, &str); 5] =
    [(1 << 1, "fixedTPM"), (1 << 4, "fixedParent"), (1 << 5, "sensitiveDataOrigin"), (1 << 16, "restricted"), (1 << 18, "sign")];
const DECRYPT: u32 = 1 << 17;

/// The public part of a restricted signing key of a TPM, with the one scheme that it signs with.
///
/// The scheme's hash may be SHA-1 here; for evidence there is [`AttestationKey`], which never signs with that.
#[derive(Debug, Clone)]
pub struct RestrictedSigningKey {
    name: Name,
    key: PublicKey,
    scheme: SignatureScheme,
}

/// A restricted signing key that signs with SHA-256 or SHA-384: one whose quotes evidence may consist of.
#[derive(Debug, Clone)]
pub struct AttestationKey(RestrictedSigningKey);

/// A TPM2B_PUBLIC that is no acceptable attestation key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AkError {
    /// The bytes are no TPM2B_PUBLIC.
    #[error("the attestation key's TPM2B_PUBLIC is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// A key type, curve, hash or scheme that this version does not check.
    #[error(
        "the attestation key has {field} {found:#06x}, which this version does not support; create a key of RSA-2048 to 4096, \
         P-256 or P-384 that signs with RSASSA, RSAPSS or ECDSA and SHA-256 or SHA-384, with one of SHA-2 as its nameAlg"
    )]
    Unsupported {
        /// The field's name in the specification.
        field: &'static str,
        /// The algorithm that it names (TCG Algorithm Registry).
        found: u16,
    },
    /// An attribute that makes the key unfit: it could sign, or be used, outside TPM2_Quote.
    #[error(
        "the attestation key is not a restricted signing key of its TPM: {attribute} is {}; \
         create it with restricted, sign, fixedTPM, fixedParent and sensitiveDataOrigin set and decrypt clear",
        if *.set { "set" } else { "clear" }
    )]
    Attribute {
        /// The attribute's name in TPMA_OBJECT.
        attribute: &'static str,
        /// How the key has it.
        set: bool,
    },
    /// A weak RSA key.
    #[error("the attestation key is no strong RSA key: {0}")]
    RsaKey(#[from] InvalidRsaKey),
    /// The coordinates are no point of the curve.
    #[error("the attestation key's coordinates are no point of its curve")]
    NotOnCurve,
}

impl AkError {
    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "ak_malformed",
            Self::Unsupported { .. } => "ak_unsupported",
            Self::Attribute { .. } => "ak_not_restricted_signing",
            Self::RsaKey(_) => "ak_weak_rsa_key",
            Self::NotOnCurve => "ak_not_on_curve",
        }
    }
}

impl AttestationKey {
    /// Reads a TPM2B_PUBLIC and accepts it only as a restricted signing key of a supported kind.
    ///
    /// # Errors
    /// [`AkError`] says what is wrong with the key.
    pub fn parse(tpm2b_public: &[u8]) -> Result<Self, AkError> {
        RestrictedSigningKey::parse(tpm2b_public)?.try_into()
    }

    /// Reads a TPMT_PUBLIC, which is a TPM2B_PUBLIC without its size.
    ///
    /// # Errors
    /// As [`AttestationKey::parse`].
    pub fn parse_public_area(tpmt_public: &[u8]) -> Result<Self, AkError> {
        RestrictedSigningKey::parse_public_area(tpmt_public)?.try_into()
    }

    /// The key's Name, computed from its public area.
    #[must_use]
    pub const fn name(&self) -> Name {
        self.0.name
    }

    /// The one scheme that the key signs with.
    #[must_use]
    pub fn scheme(&self) -> SigningScheme {
        self.0.scheme()
    }

    /// The bare key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.0.key
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// [`SignatureError::SchemeMismatch`] for a signature of another scheme than the key's, [`SignatureError::Invalid`] unless
    /// this key made it over exactly these bytes.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        self.0.verify(message, signature)
    }
}

impl TryFrom<RestrictedSigningKey> for AttestationKey {
    type Error = AkError;

    fn try_from(key: RestrictedSigningKey) -> Result<Self, AkError> {
        match key.scheme.hash() {
            HashAlgorithm::Sha1 => Err(unsupported("scheme.hashAlg", HashAlgorithm::Sha1.tpm_id())),
            _ => Ok(Self(key)),
        }
    }
}

impl RestrictedSigningKey {
    /// Reads a TPM2B_PUBLIC.
    ///
    /// # Errors
    /// [`AkError`] says what is wrong with the key.
    pub fn parse(tpm2b_public: &[u8]) -> Result<Self, AkError> {
        let mut reader = Reader::new(tpm2b_public);
        let public_area = reader.tpm2b()?;
        reader.finish()?;
        Self::parse_public_area(public_area)
    }

    /// Reads a TPMT_PUBLIC.
    ///
    /// # Errors
    /// As [`RestrictedSigningKey::parse`].
    pub fn parse_public_area(tpmt_public: &[u8]) -> Result<Self, AkError> {
        let mut reader = Reader::new(tpmt_public);
        let key_type = reader.u16_be()?;
        let name = name(&mut reader, tpmt_public)?;
        check_attributes(reader.u32_be()?)?;
        check_auth_policy(reader.tpm2b()?, name.name_alg())?;
        supported("symmetric", reader.u16_be()?, algorithm::NULL)?;
        let scheme = SignatureScheme::read(&mut reader, ["scheme", "scheme.hashAlg"], unsupported)?;
        let key = match (key_type, scheme.algorithm()) {
            (algorithm::RSA, SignatureAlgorithm::Rsassa | SignatureAlgorithm::Rsapss) => rsa_key(&mut reader)?,
            (algorithm::ECC, SignatureAlgorithm::Ecdsa) => ecc_key(&mut reader)?,
            (algorithm::RSA | algorithm::ECC, other) => return Err(unsupported("scheme", other.tpm_id())),
            (other, _) => return Err(unsupported("type", other)),
        };
        reader.finish()?;
        Ok(Self { name, key, scheme })
    }

    /// The key's Name, computed from its public area.
    #[must_use]
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The one scheme that the key signs with.
    #[must_use]
    pub fn scheme(&self) -> SigningScheme {
        SigningScheme { key: self.key.key_type(), signature: self.scheme }
    }

    /// The bare key.
    #[must_use]
    pub const fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// Checks a signature over `message`.
    ///
    /// # Errors
    /// [`SignatureError::SchemeMismatch`] for a signature of another scheme than the key's, [`SignatureError::Invalid`] unless
    /// this key made it over exactly these bytes.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), SignatureError> {
        if signature.scheme() != self.scheme {
            return Err(SignatureError::SchemeMismatch { key: self.scheme(), signature: signature.scheme() });
        }
        Ok(self.key.verify(message, signature)?)
    }
}

const fn unsupported(field: &'static str, found: u16) -> AkError {
    AkError::Unsupported { field, found }
}

fn supported(field: &'static str, found: u16, supported: u16) -> Result<(), AkError> {
    if found == supported { Ok(()) } else { Err(unsupported(field, found)) }
}

/// Reads nameAlg, and computes the Name.
fn name(reader: &mut Reader<'_>, public_area: &[u8]) -> Result<Name, AkError> {
    let id = reader.u16_be()?;
    let name = HashAlgorithm::from_tpm_id(id).and_then(|name_alg| Name::of_public_area(name_alg, public_area));
    name.ok_or(unsupported("nameAlg", id))
}

fn check_attributes(attributes: u32) -> Result<(), AkError> {
    if let Some((_, attribute)) = REQUIRED_ATTRIBUTES.iter().find(|(bit, _)| attributes & bit == 0) {
        return Err(AkError::Attribute { attribute, set: false });
    }
    if attributes & DECRYPT != 0 {
        return Err(AkError::Attribute { attribute: "decrypt", set: true });
    }
    Ok(())
}

/// Who may use the key is its owner's matter; no TPM has a policy of another size than none or nameAlg's, though (Part 3,
/// section 12.1).
fn check_auth_policy(policy: &[u8], name_alg: HashAlgorithm) -> Result<(), Malformed> {
    if policy.is_empty() || policy.len() == name_alg.size() {
        return Ok(());
    }
    let expected = "it is empty or has the size of nameAlg's digests";
    Err(Malformed::Field { field: "authPolicy.size", found: policy.len() as u64, expected })
}

/// The rest of TPMS_RSA_PARMS (Part 2, section 12.2.3.5) and the modulus.
fn rsa_key(reader: &mut Reader<'_>) -> Result<PublicKey, AkError> {
    let bits = reader.u16_be()?;
    let exponent = match reader.u32_be()? {
        0 => 65537, // the default
        exponent => exponent,
    };
    let modulus = reader.tpm2b()?;
    if modulus.len() * 8 != usize::from(bits) {
        let expected = "the modulus has keyBits bits";
        return Err(Malformed::Field { field: "TPM2B_PUBLIC_KEY_RSA.size", found: modulus.len() as u64, expected }.into());
    }
    let exponent = exponent.to_be_bytes();
    let leading_zeros = exponent.iter().take_while(|byte| **byte == 0).count();
    let exponent = exponent.get(leading_zeros..).unwrap_or_default();
    Ok(PublicKey::Rsa(RsaKey::new(modulus, exponent)?))
}

/// The rest of TPMS_ECC_PARMS (Part 2, section 12.2.3.6), without key derivation, and the point.
fn ecc_key(reader: &mut Reader<'_>) -> Result<PublicKey, AkError> {
    let curve = reader.u16_be()?;
    supported("kdf", reader.u16_be()?, algorithm::NULL)?;
    let (x, y) = (reader.tpm2b()?, reader.tpm2b()?);
    match curve {
        CURVE_NIST_P256 => PublicKey::p256(x, y).ok_or(AkError::NotOnCurve),
        CURVE_NIST_P384 => PublicKey::p384(x, y).ok_or(AkError::NotOnCurve),
        other => Err(unsupported("curveID", other)),
    }
}
