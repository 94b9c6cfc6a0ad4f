//! The compact form: `header.payload.signature`, each base64url without padding (RFC 7515, sections 2 and 3.1).

use std::fmt;

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::{Signature, VerifyingKey};

use super::{MAX_RECEIPT_BYTES, Receipt, ReceiptError, UnsignableReceipt};
use crate::{canonical_json::to_canonical_json, digest::Sha256Digest};

/// An Ed25519 signature in base64url, with the dot before it.
const SIGNATURE_CHARACTERS: usize = 1 + 86;

/// `header.payload`: what is signed, as ASCII (RFC 7515, section 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningInput(String);

/// A receipt as it travels. Whether its signature is good is for [`super::verify_receipt`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompactReceipt(String);

/// The `kid` of a public key: the SHA-256 thumbprint (RFC 7638) of its JWK (RFC 8037, section 2).
#[must_use]
pub fn key_id(public_key: &[u8; 32]) -> String {
    let x = BASE64URL_NOPAD.encode(public_key);
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64URL_NOPAD.encode(Sha256Digest::of(&[jwk.as_bytes()]).as_bytes())
}

/// The whole header, encoded. Its bytes follow from the key alone, so a verifier compares them and interprets none.
fn header(public_key: &[u8; 32]) -> String {
    let kid = key_id(public_key);
    BASE64URL_NOPAD.encode(format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"blindllama-receipt+jws"}}"#).as_bytes())
}

impl Receipt {
    /// What the holder of `public_key`'s private half has to sign.
    ///
    /// # Errors
    /// [`UnsignableReceipt`] if a number is beyond 2^53, or the receipt would be larger than any that is read.
    pub fn signing_input(&self, public_key: &[u8; 32]) -> Result<SigningInput, UnsignableReceipt> {
        let payload = BASE64URL_NOPAD.encode(&to_canonical_json(self)?);
        let input = format!("{}.{payload}", header(public_key));
        match input.len().saturating_add(SIGNATURE_CHARACTERS) {
            found if found > MAX_RECEIPT_BYTES => Err(UnsignableReceipt::TooLarge { found }),
            _ => Ok(SigningInput(input)),
        }
    }
}

impl SigningInput {
    /// The bytes to sign.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The receipt with the Ed25519 signature (RFC 8032) over [`SigningInput::as_bytes`].
    #[must_use]
    pub fn attach_signature(self, signature: &[u8; 64]) -> CompactReceipt {
        CompactReceipt(format!("{}.{}", self.0, BASE64URL_NOPAD.encode(signature)))
    }
}

impl CompactReceipt {
    /// The text, all of it in the alphabet of base64url and dots.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CompactReceipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The claims of a receipt whose header is the one for `public_key`, and whose signature verifies under it.
pub(super) fn open(jws: &str, public_key: &[u8; 32]) -> Result<Receipt, ReceiptError> {
    if jws.len() > MAX_RECEIPT_BYTES {
        return Err(ReceiptError::TooLarge { found: jws.len() });
    }
    let key = VerifyingKey::from_bytes(public_key).map_err(|_| ReceiptError::KeyInvalid)?;
    let (input, signature) = jws.rsplit_once('.').ok_or(ReceiptError::Malformed("it has no signature"))?;
    let (given_header, payload) = input.split_once('.').ok_or(ReceiptError::Malformed("it has no payload"))?;
    if given_header != header(public_key) {
        return Err(ReceiptError::Header);
    }
    let signature = decode(signature, "its signature is not base64url")?;
    let signature: [u8; 64] = signature.try_into().map_err(|_| ReceiptError::Malformed("its signature is not 64 bytes"))?;
    let payload = decode(payload, "its payload is not base64url")?;
    let signature = Signature::from_bytes(&signature);
    key.verify_strict(input.as_bytes(), &signature).map_err(|_| ReceiptError::SignatureInvalid)?;
    claims(&payload)
}

/// Reads claims of which there is exactly one spelling: no unknown, missing or repeated key, no white space.
fn claims(payload: &[u8]) -> Result<Receipt, ReceiptError> {
    let receipt: Receipt =
        serde_json::from_slice(payload).map_err(|_| ReceiptError::Malformed("its payload is not the claims of a receipt"))?;
    match to_canonical_json(&receipt) {
        Ok(canonical) if canonical == payload => Ok(receipt),
        _ => Err(ReceiptError::Malformed("its payload is not in canonical form")),
    }
}

/// Strict: no padding, no stray bits, no white space.
fn decode(text: &str, otherwise: &'static str) -> Result<Vec<u8>, ReceiptError> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| ReceiptError::Malformed(otherwise))
}
