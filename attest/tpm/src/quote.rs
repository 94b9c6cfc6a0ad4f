//! Quotes, and the PCR values that they are about.

use std::collections::BTreeMap;

use blindllama_attest::{digest::Sha256Digest, hash::HashAlgorithm};
use tss_esapi::{
    interface_types::algorithm::HashingAlgorithm,
    structures::{Attest, AttestInfo, Data, Digest, PcrSelectionList, PcrSlot, SignatureScheme},
    traits::Marshall as _,
};

use crate::{TpmError, ak::AttestationKey, device::Device, ek::EMPTY_PASSWORD};

/// The most PCR values that one TPM2_PCR_Read returns (the capacity of TPML_DIGEST; Part 2, section 10.9.4).
const PCRS_PER_READ: usize = 8;

/// How often a quote is repeated because a PCR changed before its values were read.
const ATTEMPTS: usize = 5;

/// A signed statement of the TPM, with the PCR values that it is about.
#[derive(Debug, Clone)]
pub struct Quote {
    /// TPMS_ATTEST, the bytes that were signed.
    pub attest: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
    /// Values of the quoted PCRs, of the SHA-256 bank; their digest is the one in `attest`.
    pub pcrs: BTreeMap<u8, Sha256Digest>,
}

/// The PCRs to quote: at least one, in order, each once, all of them ones that a TPM of the PC Client profile has.
#[derive(Debug, Clone)]
pub(crate) struct PcrSet(Vec<u8>);

impl PcrSet {
    pub(crate) fn new(mut pcrs: Vec<u8>) -> Result<Self, TpmError> {
        if pcrs.is_empty() || pcrs.iter().any(|pcr| *pcr > 23) {
            return Err(TpmError::InvalidPcrs { pcrs });
        }
        pcrs.sort_unstable();
        pcrs.dedup();
        Ok(Self(pcrs))
    }

    /// Reads the PCRs' values, a few at a time; they may belong to different moments.
    pub(crate) fn read(&self, device: &mut Device) -> Result<BTreeMap<u8, Sha256Digest>, TpmError> {
        let mut values = BTreeMap::new();
        for some in self.0.chunks(PCRS_PER_READ) {
            let (_, _, digests) = device.run("TPM2_PCR_Read", |context| context.pcr_read(selection(some)?))?;
            // A bank that is not active gives no values and no error.
            if digests.len() != some.len() {
                return Err(TpmError::MissingPcrs { tcti: device.tcti().to_owned(), pcrs: some.to_vec() });
            }
            for (pcr, digest) in some.iter().zip(digests.value()) {
                let value: [u8; 32] = device.run("TPM2_PCR_Read", |_| digest.clone().try_into())?;
                values.insert(*pcr, Sha256Digest::from_bytes(value));
            }
        }
        Ok(values)
    }

    /// Quotes the PCRs, and reads their values until the two agree.
    pub(crate) fn quote(&self, device: &mut Device, ak: &AttestationKey, data: Sha256Digest) -> Result<Quote, TpmError> {
        for _ in 0..ATTEMPTS {
            let (attest, signature) = device.run("TPM2_Quote", |context| {
                let data = Data::try_from(data.as_bytes().as_slice())?;
                let selection = selection(&self.0)?;
                context.execute_with_session(EMPTY_PASSWORD, |context| {
                    context.quote(ak.handle, data, SignatureScheme::Null, selection)
                })
            })?;
            let pcrs = self.read(device)?;
            if quotes(&attest, ak.kind.hash(), &pcrs) {
                let (attest, signature) = device.run("TPM2_Quote", |_| Ok((attest.marshall()?, signature.marshall()?)))?;
                return Ok(Quote { attest, signature, pcrs });
            }
        }
        Err(TpmError::PcrsChanging { attempts: ATTEMPTS })
    }
}

/// Whether `attest` is a quote whose PCR digest is that of `pcrs`, by the hash of the signature, whatever the bank's is.
fn quotes(attest: &Attest, hash: HashAlgorithm, pcrs: &BTreeMap<u8, Sha256Digest>) -> bool {
    let AttestInfo::Quote { info } = attest.attested() else { return false };
    let values: Vec<&[u8]> = pcrs.values().map(|value| value.as_bytes().as_slice()).collect();
    info.pcr_digest().value() == hash.digest(&values).as_bytes()
}

/// Selects `pcrs` of the SHA-256 bank.
fn selection(pcrs: &[u8]) -> tss_esapi::Result<PcrSelectionList> {
    let slots: Vec<PcrSlot> = pcrs.iter().map(|pcr| PcrSlot::try_from(1_u32 << pcr)).collect::<Result<_, _>>()?;
    PcrSelectionList::builder().with_selection(HashingAlgorithm::Sha256, &slots).build()
}

/// TPM2_PCR_Extend of the SHA-256 bank.
pub(crate) fn extend(device: &mut Device, pcr: u8, digest: Sha256Digest) -> Result<(), TpmError> {
    device.run("TPM2_PCR_Extend", |context| {
        let mut digests = tss_esapi::structures::DigestValues::new();
        digests.set(HashingAlgorithm::Sha256, Digest::try_from(digest.as_bytes().as_slice())?);
        let handle = tss_esapi::handles::PcrHandle::try_from(u32::from(pcr))?;
        context.execute_with_session(EMPTY_PASSWORD, |context| context.pcr_extend(handle, digests))
    })
}

#[cfg(test)]
mod tests {
    use super::{PcrSet, selection};

    #[test]
    fn pcr_lists_are_sorted_and_checked() {
        assert_eq!(PcrSet::new(vec![15, 0, 14, 15]).expect("is valid").0, [0, 14, 15]);
        assert!(PcrSet::new(Vec::new()).is_err());
        assert!(PcrSet::new(vec![0, 24]).is_err());
    }

    #[test]
    fn every_pcr_can_be_selected() {
        let all: Vec<u8> = (0..24).collect();
        assert_eq!(selection(&all).expect("is valid").get_selections()[0].selected().len(), 24);
    }
}
