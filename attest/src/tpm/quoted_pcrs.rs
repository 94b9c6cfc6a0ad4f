//! Which of the given PCR values a quote is about.

use super::Quote;
use crate::{hash::HashAlgorithm, pcr_banks::PcrBanks};

/// The given values are not exactly the quoted ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PcrMismatch {
    /// PCRs of a bank that we do not compute are quoted (TCG Algorithm Registry).
    BankUnsupported { bank: u16 },
    /// A quoted PCR has no value.
    NotGiven { bank: HashAlgorithm, pcr: u8 },
    /// A value is of a PCR that is not quoted.
    NotQuoted { bank: HashAlgorithm, pcr: u8 },
}

impl Quote {
    /// The quoted PCRs' values in the order in which TPM2_Quote hashes them: bank by bank as selected, in ascending order
    /// within each (TPM 2.0 Library, Part 3, section 18.4).
    pub(crate) fn quoted_values<'a>(&self, given: &'a PcrBanks) -> Result<Vec<&'a [u8]>, PcrMismatch> {
        let mut values: Vec<&[u8]> = Vec::new();
        for selection in self.selections.iter().filter(|selection| !selection.pcrs.is_empty()) {
            let bank = HashAlgorithm::from_tpm_id(selection.hash);
            let bank = bank.ok_or(PcrMismatch::BankUnsupported { bank: selection.hash })?;
            for pcr in selection.pcrs.iter().copied() {
                let value = given.bank(bank).and_then(|values| values.get(&pcr));
                values.push(value.ok_or(PcrMismatch::NotGiven { bank, pcr })?.as_bytes());
            }
        }
        let given = given.iter().flat_map(|(bank, values)| values.keys().map(move |pcr| (bank, *pcr)));
        let is_quoted = |(bank, pcr): &(HashAlgorithm, u8)| self.pcrs(*bank).is_some_and(|pcrs| pcrs.contains(pcr));
        match given.into_iter().find(|one| !is_quoted(one)) {
            Some((bank, pcr)) => Err(PcrMismatch::NotQuoted { bank, pcr }),
            None => Ok(values),
        }
    }
}
