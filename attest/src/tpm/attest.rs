//! TPMS_ATTEST of type quote (TPM 2.0 Library, Part 2, section 10.12.12).

use std::collections::BTreeSet;

use crate::{
    bytes::{Malformed, Reader},
    hash::HashAlgorithm,
};

/// TPM_GENERATED_VALUE: a restricted key signs these first bytes only over what the TPM itself made.
const MAGIC: u32 = 0xff54_4347;
/// TPM_ST_ATTEST_QUOTE.
const TYPE_QUOTE: u16 = 0x8018;
/// No TPM has more banks than hash algorithms (HASH_COUNT, 16 in any implementation).
const MAX_BANKS: u32 = 16;
/// 32 PCRs; the PC Client profile has 24.
const MAX_SELECT_BYTES: u8 = 4;

/// The TPM's clock as signed in a quote: TPMS_CLOCK_INFO (Part 2, section 10.11.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TpmClock {
    /// Milliseconds that the TPM was powered since its clock was last set back (TPM2_Clear).
    pub clock: u64,
    /// TPM resets (reboots) since TPM2_Clear.
    pub reset_count: u32,
    /// Restarts and resumes since the last reset.
    pub restart_count: u32,
    /// Whether no higher clock value can have been reported before.
    pub safe: bool,
}

/// One bank of a TPML_PCR_SELECTION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcrSelection {
    /// The bank's hash algorithm (TCG Algorithm Registry); it may be one that we do not compute.
    pub hash: u16,
    /// The selected PCRs.
    pub pcrs: BTreeSet<u8>,
}

/// What a quote says. Nothing here is trustworthy before the signature over the quote's bytes is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Qualified name of the signing key. Not compared with anything: it depends on the key's parents, and the pinned Name
    /// already says which key signed.
    pub qualified_signer: Vec<u8>,
    /// The caller's `qualifyingData`.
    pub extra_data: Vec<u8>,
    /// The TPM's clock.
    pub clock: TpmClock,
    /// The TPM's firmware version, in the vendor's format.
    pub firmware_version: u64,
    /// The quoted PCRs, by bank, in the quote's order; no bank occurs twice.
    pub selections: Vec<PcrSelection>,
    /// Digest over the quoted values, under the hash of the signature scheme.
    pub pcr_digest: Vec<u8>,
}

/// Bytes that are no quote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuoteError {
    /// The bytes are no TPMS_ATTEST.
    #[error("the quote's TPMS_ATTEST is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// The magic is wrong.
    #[error("the signed structure starts with {0:#010x}, not with TPM_GENERATED_VALUE 0xff544347: no TPM made it")]
    NotMadeByTpm(u32),
    /// Another kind of attestation.
    #[error("the signed structure has type {0:#06x}, not TPM_ST_ATTEST_QUOTE 0x8018: it is no quote")]
    NotAQuote(u16),
}

impl QuoteError {
    /// The failure's stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "quote_malformed",
            Self::NotMadeByTpm(_) => "quote_not_made_by_tpm",
            Self::NotAQuote(_) => "not_a_quote",
        }
    }
}

impl Quote {
    /// Reads a TPMS_ATTEST.
    ///
    /// # Errors
    /// [`QuoteError`] unless it is a quote, used to its last byte.
    pub fn parse(tpms_attest: &[u8]) -> Result<Self, QuoteError> {
        let mut reader = Reader::new(tpms_attest);
        let magic = reader.u32_be()?;
        if magic != MAGIC {
            return Err(QuoteError::NotMadeByTpm(magic));
        }
        let kind = reader.u16_be()?;
        if kind != TYPE_QUOTE {
            return Err(QuoteError::NotAQuote(kind));
        }
        let quote = Self {
            qualified_signer: reader.tpm2b()?.to_vec(),
            extra_data: reader.tpm2b()?.to_vec(),
            clock: clock_info(&mut reader)?,
            firmware_version: reader.u64_be()?,
            selections: pcr_selections(&mut reader)?,
            pcr_digest: reader.tpm2b()?.to_vec(),
        };
        reader.finish()?;
        Ok(quote)
    }

    /// The quoted PCRs of one bank; `None` if the quote does not name that bank.
    #[must_use]
    pub fn pcrs(&self, bank: HashAlgorithm) -> Option<&BTreeSet<u8>> {
        self.selections.iter().find(|selection| selection.hash == bank.tpm_id()).map(|selection| &selection.pcrs)
    }

    /// The quoted PCRs of the SHA-256 bank, if the quote covers that bank and no other.
    #[must_use]
    pub fn sha256_pcrs(&self) -> Option<&BTreeSet<u8>> {
        if self.selections.len() == 1 { self.pcrs(HashAlgorithm::Sha256) } else { None }
    }
}

fn clock_info(reader: &mut Reader<'_>) -> Result<TpmClock, Malformed> {
    Ok(TpmClock {
        clock: reader.u64_be()?,
        reset_count: reader.u32_be()?,
        restart_count: reader.u32_be()?,
        safe: yes_no(reader.u8()?)?,
    })
}

fn yes_no(found: u8) -> Result<bool, Malformed> {
    match found {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::Field { field: "clockInfo.safe", found: found.into(), expected: "TPMI_YES_NO is 0 or 1" }),
    }
}

fn pcr_selections(reader: &mut Reader<'_>) -> Result<Vec<PcrSelection>, Malformed> {
    let count = reader.u32_be()?;
    if count > MAX_BANKS {
        let expected = "TPML_PCR_SELECTION has at most 16 banks";
        return Err(Malformed::Field { field: "pcrSelect.count", found: count.into(), expected });
    }
    let mut selections: Vec<PcrSelection> = Vec::new();
    for _ in 0..count {
        let selection = pcr_selection(reader)?;
        if selections.iter().any(|earlier| earlier.hash == selection.hash) {
            let expected = "each bank occurs once";
            return Err(Malformed::Field { field: "pcrSelections.hash", found: selection.hash.into(), expected });
        }
        selections.push(selection);
    }
    Ok(selections)
}

fn pcr_selection(reader: &mut Reader<'_>) -> Result<PcrSelection, Malformed> {
    let hash = reader.u16_be()?;
    let size = reader.u8()?;
    if size > MAX_SELECT_BYTES {
        let expected = "TPMS_PCR_SELECTION has at most 4 bytes";
        return Err(Malformed::Field { field: "sizeofSelect", found: size.into(), expected });
    }
    let bits = reader.bytes(size.into())?;
    let is_selected = |pcr: &u8| bits.get(usize::from(pcr / 8)).is_some_and(|byte| byte >> (pcr % 8) & 1 == 1);
    Ok(PcrSelection { hash, pcrs: (0..size * 8).filter(is_selected).collect() })
}
