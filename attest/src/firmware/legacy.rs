//! TCG_PCClientPCREvent: all entries of the SHA-1 format, and the first entry of the crypto-agile one (PC Client Platform
//! Firmware Profile, section 10.2.1).

use super::{
    EventType,
    event::{RawEvent, read_data},
};
use crate::{
    bytes::{Malformed, Reader},
    hash::{Digest, HashAlgorithm},
};

pub(super) fn read_event<'a>(reader: &mut Reader<'a>) -> Result<RawEvent<'a>, Malformed> {
    let pcr = reader.u32_le()?;
    let event_type = EventType::from_code(reader.u32_le()?);
    let sha1 = reader.bytes(HashAlgorithm::Sha1.size())?;
    let digests = Digest::new(HashAlgorithm::Sha1, sha1).into_iter().collect();
    Ok(RawEvent { pcr, event_type, digests, data: read_data(reader)? })
}
