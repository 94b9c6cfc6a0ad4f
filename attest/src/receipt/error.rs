//! Why a receipt was not made, or does not prove what it is held against: one stable code for each failure.

use super::MAX_RECEIPT_BYTES;
use crate::{canonical_json::NotCanonical, digest::Sha256Digest};

/// The receipt cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum UnsignableReceipt {
    /// A number is beyond 2^53.
    #[error("the receipt cannot be written: {0}")]
    NotCanonical(#[from] NotCanonical),
    /// The method, path or names are so long that no verifier would read it.
    #[error("the receipt would have {found} bytes; at most {MAX_RECEIPT_BYTES} are read")]
    TooLarge {
        /// Bytes of its compact form.
        found: usize,
    },
}

/// The first check that failed. Its text is for people; programs go by [`ReceiptError::code`].
///
/// Text of the receipt is never quoted: who wrote it is not known before the signature is checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The stream does not end with a receipt.
    #[error("the stream has no receipt where one belongs: {0}; it was cut off or altered")]
    Missing(&'static str),
    /// More bytes than any gateway writes.
    #[error("the receipt has {found} bytes; at most {MAX_RECEIPT_BYTES} are read")]
    TooLarge {
        /// Bytes of its compact form.
        found: usize,
    },
    /// The public key is no point of the curve.
    #[error("the public key is no Ed25519 key: take the receipt_public_key of the gateway's evidence")]
    KeyInvalid,
    /// No compact JWS with the claims of a receipt.
    #[error("the receipt is malformed: {0}")]
    Malformed(&'static str),
    /// The header is not the one for this key.
    #[error("the receipt's header is not that of a receipt under this key: it was signed with another key, or is no receipt")]
    Header,
    /// The signature does not verify.
    #[error("the receipt's signature is not valid: the receipt was altered, or never signed by this gateway")]
    SignatureInvalid,
    /// Signed by the right key, under another binding.
    #[error("the receipt is bound to {found}, not to {expected}, which the evidence proves")]
    BindingMismatch {
        /// The verified binding's digest.
        expected: Sha256Digest,
        /// The claim.
        found: Sha256Digest,
    },
    /// The receipt is for a request with another method.
    #[error("the receipt is for a request with another method than {expected}")]
    MethodMismatch {
        /// The method that was sent.
        expected: String,
    },
    /// The receipt is for a request to another path.
    #[error("the receipt is for a request to another path than {expected}")]
    PathMismatch {
        /// The path, with query, that was sent.
        expected: String,
    },
    /// The response had another status.
    #[error("the receipt is for a response with status {found}, not {expected}")]
    StatusMismatch {
        /// The status that was received.
        expected: u16,
        /// The claim.
        found: u16,
    },
    /// The response had another id.
    #[error("the receipt is for another request than {expected}")]
    RequestIdMismatch {
        /// The id that was received.
        expected: String,
    },
    /// The gateway read another request body.
    #[error("the gateway answered a request body with SHA-256 {found}; the one given has {expected}")]
    RequestMismatch {
        /// Digest of the body that was sent.
        expected: Sha256Digest,
        /// The claim.
        found: Sha256Digest,
    },
    /// A response that is no error, to a request that was not read.
    #[error("the receipt covers no request body, which only an error's may")]
    RequestNotCovered,
    /// The gateway sent another response body.
    #[error("the gateway sent a response body with SHA-256 {found}; the one given has {expected}")]
    ResponseMismatch {
        /// Digest of the body that was received.
        expected: Sha256Digest,
        /// The claim.
        found: Sha256Digest,
    },
}

impl ReceiptError {
    /// Every code. Codes are never reused for something else.
    pub const CODES: [&'static str; 14] = [
        "receipt_missing",
        "receipt_too_large",
        "receipt_key_invalid",
        "receipt_malformed",
        "receipt_header",
        "receipt_signature_invalid",
        "receipt_binding_mismatch",
        "receipt_method_mismatch",
        "receipt_path_mismatch",
        "receipt_status_mismatch",
        "receipt_request_id_mismatch",
        "receipt_request_mismatch",
        "receipt_request_not_covered",
        "receipt_response_mismatch",
    ];

    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "receipt_missing",
            Self::TooLarge { .. } => "receipt_too_large",
            Self::KeyInvalid => "receipt_key_invalid",
            Self::Malformed(_) => "receipt_malformed",
            Self::Header => "receipt_header",
            Self::SignatureInvalid => "receipt_signature_invalid",
            Self::BindingMismatch { .. } => "receipt_binding_mismatch",
            Self::MethodMismatch { .. } => "receipt_method_mismatch",
            Self::PathMismatch { .. } => "receipt_path_mismatch",
            Self::StatusMismatch { .. } => "receipt_status_mismatch",
            Self::RequestIdMismatch { .. } => "receipt_request_id_mismatch",
            Self::RequestMismatch { .. } => "receipt_request_mismatch",
            Self::RequestNotCovered => "receipt_request_not_covered",
            Self::ResponseMismatch { .. } => "receipt_response_mismatch",
        }
    }
}
