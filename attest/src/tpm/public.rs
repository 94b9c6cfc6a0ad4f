//! TPM2B_PUBLIC of an attestation key (TPM 2.0 Library, Part 2, section 12.2).

use p256::ecdsa::{VerifyingKey, signature::Verifier as _};

use super::{EcdsaSignature, Name, SignatureError, algorithm, p256_parameter};
use crate::bytes::{Malformed, Reader};

const CURVE_NIST_P256: u16 = 0x0003;

/// TPMA_OBJECT (Part 2, section 8.3): what has to be set on a key that only the TPM can make sign.
///
/// `restricted` is the heart of it: such a key never signs outside data that starts with TPM_GENERATED_VALUE, so a signature
/// over a quote can only come from TPM2_Quote.
const REQUIRED_ATTRIBUTES: [(u32, &str); 5] =
    [(1 << 1, "fixedTPM"), (1 << 4, "fixedParent"), (1 << 5, "sensitiveDataOrigin"), (1 << 16, "restricted"), (1 << 18, "sign")];
const DECRYPT: u32 = 1 << 17;

/// The public part of a restricted signing key: P-256, ECDSA with SHA-256, nameAlg SHA-256.
#[derive(Debug, Clone)]
pub struct AttestationKey {
    name: Name,
    key: VerifyingKey,
}

/// A TPM2B_PUBLIC that is no acceptable attestation key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AkError {
    /// The bytes are no TPM2B_PUBLIC.
    #[error("the attestation key's TPM2B_PUBLIC is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// A key type, curve, hash or scheme that this version does not check.
    #[error(
        "the attestation key has {field} {found:#06x}, which this version does not support; \
         create a key on P-256 that signs with ECDSA and SHA-256, with SHA-256 as its nameAlg"
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
    /// The coordinates are no point of P-256.
    #[error("the attestation key's coordinates are no point of P-256")]
    NotOnCurve,
}

impl AttestationKey {
    /// Reads a TPM2B_PUBLIC and accepts it only as a restricted signing key of the supported kind.
    ///
    /// # Errors
    /// [`AkError`] says what is wrong with the key.
    pub fn parse(tpm2b_public: &[u8]) -> Result<Self, AkError> {
        let mut outer = Reader::new(tpm2b_public);
        let public_area = outer.tpm2b()?;
        outer.finish()?;

        let mut reader = Reader::new(public_area);
        supported("type", reader.u16_be()?, algorithm::ECC)?;
        supported("nameAlg", reader.u16_be()?, algorithm::SHA256)?;
        check_attributes(reader.u32_be()?)?;
        let _auth_policy = reader.tpm2b()?;
        check_ecc_parameters(&mut reader)?;
        let key = point(&mut reader)?;
        reader.finish()?;
        Ok(Self { name: Name::of_public_area(public_area), key })
    }

    /// The key's Name, computed from its public area.
    #[must_use]
    pub const fn name(&self) -> Name {
        self.name
    }

    /// Checks an ECDSA signature with SHA-256 over `message`.
    ///
    /// # Errors
    /// [`SignatureError::Invalid`] unless this key made it over exactly these bytes.
    pub fn verify(&self, message: &[u8], signature: &EcdsaSignature) -> Result<(), SignatureError> {
        self.key.verify(message, signature.as_p256()).map_err(|_| SignatureError::Invalid)
    }
}

fn supported(field: &'static str, found: u16, supported: u16) -> Result<(), AkError> {
    if found == supported { Ok(()) } else { Err(AkError::Unsupported { field, found }) }
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

/// TPMS_ECC_PARMS (Part 2, section 12.2.3.6): no symmetric algorithm, ECDSA with SHA-256, P-256, no key derivation.
fn check_ecc_parameters(reader: &mut Reader<'_>) -> Result<(), AkError> {
    supported("symmetric", reader.u16_be()?, algorithm::NULL)?;
    supported("scheme", reader.u16_be()?, algorithm::ECDSA)?;
    supported("scheme.hashAlg", reader.u16_be()?, algorithm::SHA256)?;
    supported("curveID", reader.u16_be()?, CURVE_NIST_P256)?;
    supported("kdf", reader.u16_be()?, algorithm::NULL)
}

fn point(reader: &mut Reader<'_>) -> Result<VerifyingKey, AkError> {
    let (x, y) = (p256_parameter(reader)?, p256_parameter(reader)?);
    let uncompressed = [&[0x04][..], &x, &y].concat();
    VerifyingKey::from_sec1_bytes(&uncompressed).map_err(|_| AkError::NotOnCurve)
}
