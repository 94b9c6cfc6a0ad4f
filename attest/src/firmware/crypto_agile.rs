//! The crypto-agile format: its Spec ID event, and TCG_PCR_EVENT2 (PC Client Platform Firmware Profile, sections 10.2.2 and
//! 10.4.5.1).

use super::{
    EventType,
    event::{RawEvent, read_data},
};
use crate::{
    bytes::{Malformed, Reader},
    hash::{Digest, HashAlgorithm},
};

const SPEC_ID_SIGNATURE: &[u8; 16] = b"Spec ID Event03\0";
/// No TPM has more banks (HASH_COUNT, 16 in any implementation).
const MAX_BANKS: u32 = 16;

/// One bank of the Spec ID event; it may be one that we do not compute (SM3, SHA-3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LoggedBank {
    tpm_id: u16,
    digest_size: u16,
}

impl LoggedBank {
    /// Reads TCG_EfiSpecIdEventAlgorithmSize.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (tpm_id, digest_size) = (reader.u16_le()?, reader.u16_le()?);
        let known = HashAlgorithm::from_tpm_id(tpm_id);
        if known.is_some_and(|algorithm| algorithm.size() != usize::from(digest_size)) {
            let expected = "a bank's digests have the size of its algorithm";
            return Err(Malformed::Field { field: "digestSize", found: digest_size.into(), expected });
        }
        Ok(Self { tpm_id, digest_size })
    }
}

/// The banks that each event of a crypto-agile log has a digest for.
#[derive(Debug, Clone)]
pub(super) struct LoggedBanks(Vec<LoggedBank>);

impl LoggedBanks {
    /// Reads TCG_EfiSpecIdEvent; `None` if a log's first event is something else.
    pub(super) fn from_spec_id_event(event: &RawEvent<'_>) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(event.data);
        if event.event_type != EventType::NO_ACTION || reader.array().ok().as_ref() != Some(SPEC_ID_SIGNATURE) {
            return Ok(None);
        }
        let _platform_class = reader.u32_le()?;
        let _version_minor_major_errata_uintn: [u8; 4] = reader.array()?;
        let banks = Self::read(&mut reader)?;
        let vendor_info_size = reader.u8()?;
        reader.bytes(vendor_info_size.into())?;
        reader.finish()?;
        Ok(Some(banks))
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = reader.u32_le()?;
        if count == 0 || count > MAX_BANKS {
            let expected = "a TPM has 1 to 16 banks";
            return Err(Malformed::Field { field: "numberOfAlgorithms", found: count.into(), expected });
        }
        let mut banks: Vec<LoggedBank> = Vec::new();
        for _ in 0..count {
            let bank = LoggedBank::read(reader)?;
            if banks.iter().any(|earlier| earlier.tpm_id == bank.tpm_id) {
                let expected = "the Spec ID event names each bank once";
                return Err(Malformed::Field { field: "algorithmId", found: bank.tpm_id.into(), expected });
            }
            banks.push(bank);
        }
        Ok(Self(banks))
    }

    /// Those banks that we can replay, in the log's order.
    pub(super) fn algorithms(&self) -> Vec<HashAlgorithm> {
        self.0.iter().filter_map(|bank| HashAlgorithm::from_tpm_id(bank.tpm_id)).collect()
    }

    /// Reads TCG_PCR_EVENT2.
    pub(super) fn read_event<'a>(&self, reader: &mut Reader<'a>) -> Result<RawEvent<'a>, Malformed> {
        let pcr = reader.u32_le()?;
        let event_type = EventType::from_code(reader.u32_le()?);
        let digests = self.read_digests(reader)?;
        Ok(RawEvent { pcr, event_type, digests, data: read_data(reader)? })
    }

    /// Reads TPML_DIGEST_VALUES: one digest for each bank, in any order.
    fn read_digests(&self, reader: &mut Reader<'_>) -> Result<Vec<Digest>, Malformed> {
        let expected = "each event has one digest for each bank of the Spec ID event";
        let count = reader.u32_le()?;
        if usize::try_from(count) != Ok(self.0.len()) {
            return Err(Malformed::Field { field: "digests.count", found: count.into(), expected });
        }
        let (mut missing, mut digests) = (self.0.clone(), Vec::new());
        while !missing.is_empty() {
            let found = reader.u16_le()?;
            let position = missing.iter().position(|bank| bank.tpm_id == found);
            let position = position.ok_or(Malformed::Field { field: "digests.hashAlg", found: found.into(), expected })?;
            let digest = reader.bytes(missing.swap_remove(position).digest_size.into())?;
            digests.extend(HashAlgorithm::from_tpm_id(found).and_then(|algorithm| Digest::new(algorithm, digest)));
        }
        Ok(digests)
    }
}
