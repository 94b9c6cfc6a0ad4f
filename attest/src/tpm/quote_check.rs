//! Checking a raw quote, as `tpm2_quote` writes it: TPMS_ATTEST, TPMT_SIGNATURE and PCR values, each on its own.

use std::fmt;

use super::{Quote, QuoteError, QuoteKey, Signature, SignatureError, SigningScheme, quoted_pcrs::PcrMismatch};
use crate::{
    hash::{Digest, HashAlgorithm},
    pcr_banks::PcrBanks,
};

/// A quote in files, and what its reader expects of it.
#[derive(Debug, Clone, Copy)]
pub struct RawQuote<'a> {
    /// TPMS_ATTEST, the signed bytes.
    pub attest: &'a [u8],
    /// TPMT_SIGNATURE.
    pub signature: &'a [u8],
    /// The key that has to have signed it.
    pub ak: &'a QuoteKey,
    /// The `qualifyingData` that the quote was asked for with, in full; an empty one equals only an empty one.
    pub nonce: Option<&'a [u8]>,
    /// The values that the quoted PCRs have to have.
    pub pcrs: Option<&'a PcrBanks>,
    /// Accepts SHA-1 in the signature and as a bank: for other systems' old quotes.
    pub allow_sha1: bool,
}

/// A quote that the key signed and that is what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedQuote {
    /// What it says.
    pub quote: Quote,
    /// How it is signed.
    pub scheme: SigningScheme,
    /// What nobody asked to check, and what therefore is not known.
    pub not_checked: Vec<NotChecked>,
    /// Whether it rests on SHA-1, in its signature or in a bank.
    pub uses_sha1: bool,
}

/// Something that was not checked for lack of input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotChecked {
    /// The key came without its attributes.
    KeyAttributes,
    /// No nonce was given.
    Nonce,
    /// No PCR values were given.
    PcrValues,
}

impl NotChecked {
    /// A stable name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::KeyAttributes => "key_attributes",
            Self::Nonce => "nonce",
            Self::PcrValues => "pcr_values",
        }
    }
}

impl fmt::Display for NotChecked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyAttributes => {
                "the key's attributes: a key that is not restricted signs what no TPM made; give its TPM2B_PUBLIC to check them"
            }
            Self::Nonce => "the nonce: the quote may be old",
            Self::PcrValues => "PCR values: the quote has only a digest of them",
        })
    }
}

/// The first check that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteCheckError {
    /// The signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The signature's hash is broken.
    #[error("the quote is signed with SHA-1, for which forgeries can be made; only --allow-sha1 accepts it")]
    Sha1Signature,
    /// The structure.
    #[error(transparent)]
    Quote(#[from] QuoteError),
    /// It was made for somebody else, or earlier.
    #[error(
        "the quote's qualifyingData has {} bytes and is not the expected nonce of {} bytes: it was made for somebody else, or \
         earlier", .found.len(), .expected.len()
    )]
    NonceMismatch {
        /// The expected nonce.
        expected: Vec<u8>,
        /// The quote's qualifyingData.
        found: Vec<u8>,
    },
    /// A bank of a broken hash.
    #[error("the quote covers PCRs of the SHA-1 bank, whose values can be forged; only --allow-sha1 accepts it")]
    Sha1Bank,
    /// A bank whose values cannot be given.
    #[error("the quote covers PCRs of bank {bank:#06x}, which this version cannot check; quote sha256 or sha384")]
    BankUnsupported {
        /// The bank (TCG Algorithm Registry).
        bank: u16,
    },
    /// A quoted PCR without a value.
    #[error("{bank} PCR {pcr} is quoted, but its value is not given; give exactly the quoted values")]
    PcrValueMissing {
        /// The bank.
        bank: HashAlgorithm,
        /// The PCR.
        pcr: u8,
    },
    /// A value without a quoted PCR.
    #[error("{bank} PCR {pcr} has a value given, but is not quoted; give exactly the quoted values")]
    PcrNotQuoted {
        /// The bank.
        bank: HashAlgorithm,
        /// The PCR.
        pcr: u8,
    },
    /// The values are not those that the TPM signed.
    #[error("the given PCR values hash to {actual}, but the quote has another PCR digest: a value is not the quoted one")]
    PcrDigestMismatch {
        /// The digest of the given values.
        actual: Digest,
    },
}

impl QuoteCheckError {
    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Signature(error) => error.code(),
            Self::Sha1Signature => "sha1_signature",
            Self::Quote(error) => error.code(),
            Self::NonceMismatch { .. } => "nonce_mismatch",
            Self::Sha1Bank => "sha1_bank",
            Self::BankUnsupported { .. } => "pcr_bank_not_supported",
            Self::PcrValueMissing { .. } | Self::PcrNotQuoted { .. } => "pcr_selection_mismatch",
            Self::PcrDigestMismatch { .. } => "pcr_digest_mismatch",
        }
    }
}

impl From<PcrMismatch> for QuoteCheckError {
    fn from(mismatch: PcrMismatch) -> Self {
        match mismatch {
            PcrMismatch::BankUnsupported { bank } => Self::BankUnsupported { bank },
            PcrMismatch::NotGiven { bank, pcr } => Self::PcrValueMissing { bank, pcr },
            PcrMismatch::NotQuoted { bank, pcr } => Self::PcrNotQuoted { bank, pcr },
        }
    }
}

/// Checks signature, structure, nonce, banks and PCR values, in this order.
///
/// # Errors
/// [`QuoteCheckError`], the first check that failed.
pub fn check_quote(raw: &RawQuote<'_>) -> Result<CheckedQuote, QuoteCheckError> {
    let signature = Signature::parse(raw.signature)?;
    if signature.scheme().hash() == HashAlgorithm::Sha1 && !raw.allow_sha1 {
        return Err(QuoteCheckError::Sha1Signature);
    }
    let scheme = raw.ak.verify(raw.attest, &signature)?;
    let quote = Quote::parse(raw.attest)?;
    check_nonce(&quote, raw.nonce)?;
    let sha1_bank = quote.pcrs(HashAlgorithm::Sha1).is_some_and(|pcrs| !pcrs.is_empty());
    if sha1_bank && !raw.allow_sha1 {
        return Err(QuoteCheckError::Sha1Bank);
    }
    if let Some(values) = raw.pcrs {
        check_pcr_values(&quote, scheme.hash(), values)?;
    }
    let uses_sha1 = sha1_bank || scheme.hash() == HashAlgorithm::Sha1;
    Ok(CheckedQuote { quote, scheme, not_checked: not_checked(raw), uses_sha1 })
}

fn not_checked(raw: &RawQuote<'_>) -> Vec<NotChecked> {
    let candidates = [
        (matches!(raw.ak, QuoteKey::Bare(_)), NotChecked::KeyAttributes),
        (raw.nonce.is_none(), NotChecked::Nonce),
        (raw.pcrs.is_none(), NotChecked::PcrValues),
    ];
    candidates.into_iter().filter(|(missing, _)| *missing).map(|(_, what)| what).collect()
}

fn check_nonce(quote: &Quote, nonce: Option<&[u8]>) -> Result<(), QuoteCheckError> {
    match nonce {
        Some(expected) if expected != quote.extra_data => {
            Err(QuoteCheckError::NonceMismatch { expected: expected.to_vec(), found: quote.extra_data.clone() })
        }
        _ => Ok(()),
    }
}

/// The PCR digest is that of exactly the quoted values, bank by bank in the selection's order, in ascending order within
/// each. Its hash is the signature scheme's, whatever the banks' (TPM 2.0 Library, Part 3, section 18.4, TPM2_Quote).
fn check_pcr_values(quote: &Quote, hash: HashAlgorithm, values: &PcrBanks) -> Result<(), QuoteCheckError> {
    let actual = hash.digest(&quote.quoted_values(values)?);
    if quote.pcr_digest != actual.as_bytes() {
        return Err(QuoteCheckError::PcrDigestMismatch { actual });
    }
    Ok(())
}
