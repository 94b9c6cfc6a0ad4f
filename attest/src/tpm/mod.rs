//! TPM 2.0 structures, as far as evidence needs them.
//!
//! All are big endian (TPM 2.0 Library, Part 2) and read strictly: a structure is used to its last byte or refused.
//! Attestation keys are RSA of 2048 to 4096 bits, P-256 or P-384, and sign with RSASSA, RSAPSS or ECDSA over SHA-256 or
//! SHA-384. Other keys, curves, hashes and schemes are refused by name. SHA-1 signatures and banks of other systems'
//! quotes are read, and accepted by [`check_quote`] alone, where its caller allows them.

pub mod attest;
mod name;
pub mod public;
pub mod public_key;
pub mod quote_check;
mod quote_key;
pub(crate) mod quoted_pcrs;
mod scheme;
pub mod signature;

pub use attest::{PcrSelection, Quote, QuoteError, TpmClock};
pub use name::{InvalidName, Name};
pub use public::{AkError, AttestationKey, RestrictedSigningKey};
pub use public_key::PublicKey;
pub use quote_check::{CheckedQuote, NotChecked, QuoteCheckError, RawQuote, check_quote};
pub use quote_key::{QuoteKey, QuoteKeyError};
pub use scheme::{KeyType, SignatureAlgorithm, SignatureScheme, SigningScheme};
pub use signature::{Signature, SignatureError};

/// Algorithm identifiers of the TCG Algorithm Registry.
pub(crate) mod algorithm {
    pub(crate) const RSA: u16 = 0x0001;
    pub(crate) const NULL: u16 = 0x0010;
    pub(crate) const RSASSA: u16 = 0x0014;
    pub(crate) const RSAPSS: u16 = 0x0016;
    pub(crate) const ECDSA: u16 = 0x0018;
    pub(crate) const ECC: u16 = 0x0023;
}

/// A TPM2B_ECC_PARAMETER as the curve's `N` bytes; `None` if it has more.
///
/// It is an unsigned big-endian number. Part 1, section C.8, wants it padded to the curve's size, yet TPMs in the field
/// leave leading zero bytes out, once in 128 signatures; so a shorter number is read as the number that it is.
fn padded<const N: usize>(number: &[u8]) -> Option<[u8; N]> {
    let padding = N.checked_sub(number.len())?;
    let mut padded = [0; N];
    padded.iter_mut().skip(padding).zip(number).for_each(|(to, from)| *to = *from);
    Some(padded)
}
