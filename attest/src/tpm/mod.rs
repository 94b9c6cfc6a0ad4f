//! TPM 2.0 structures, as far as evidence needs them.
//!
//! All are big endian (TPM 2.0 Library, Part 2) and read strictly: a structure is used to its last byte or refused. This
//! version knows attestation keys on NIST P-256 that sign with ECDSA over SHA-256. RSA, other curves, hashes and schemes
//! are refused by name (`ak_unsupported`, `signature_unsupported`) until they are checked as carefully.

pub mod attest;
mod name;
pub mod public;
pub mod signature;

pub use attest::{PcrSelection, Quote, QuoteError, TpmClock};
pub use name::{InvalidName, Name};
pub use public::{AkError, AttestationKey};
pub use signature::{EcdsaSignature, SignatureError};

use crate::bytes::{Malformed, Reader};

/// Algorithm identifiers of the TCG Algorithm Registry.
pub(crate) mod algorithm {
    pub(crate) const SHA256: u16 = 0x000b;
    pub(crate) const NULL: u16 = 0x0010;
    pub(crate) const ECDSA: u16 = 0x0018;
    pub(crate) const ECC: u16 = 0x0023;
}

/// A TPM2B_ECC_PARAMETER of P-256 as 32 bytes.
///
/// It is an unsigned big-endian number. Part 1, section C.8, wants it padded to the curve's size, yet TPMs in the field
/// leave leading zero bytes out, once in 128 signatures; so a shorter number is read as the number that it is.
fn p256_parameter(reader: &mut Reader<'_>) -> Result<[u8; 32], Malformed> {
    let number = reader.tpm2b()?;
    let padding = 32_usize.checked_sub(number.len()).ok_or(Malformed::Field {
        field: "TPM2B_ECC_PARAMETER.size",
        found: number.len() as u64,
        expected: "a number of P-256 has at most 32 bytes",
    })?;
    let mut padded = [0; 32];
    padded.iter_mut().skip(padding).zip(number).for_each(|(to, from)| *to = *from);
    Ok(padded)
}
