//! Parser and replay of the crypto-agile log (TCG PC Client Platform Firmware Profile, sections 10.2.2 and 10.4).

use crate::{
    bytes::{Malformed, Reader},
    digest::Sha256Digest,
    tpm::algorithm,
};

const EV_NO_ACTION: u32 = 3;
const SPEC_ID_SIGNATURE: &[u8; 16] = b"Spec ID Event03\0";
const STARTUP_LOCALITY_SIGNATURE: &[u8; 16] = b"StartupLocality\0";
/// TPMs have 24 PCRs (PC Client Platform TPM Profile).
const PCR_COUNT: u32 = 24;
/// No TPM has more banks (HASH_COUNT, 16 in any implementation).
const MAX_BANKS: u32 = 16;

/// A measured event: one that was extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirmwareEvent {
    /// The PCR.
    pub pcr: u8,
    /// What its SHA-256 bank was extended with.
    pub digest: Sha256Digest,
}

/// A parsed log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirmwareLog {
    startup_locality: u8,
    events: Vec<FirmwareEvent>,
}

/// A log that cannot be replayed in the SHA-256 bank.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirmwareLogError {
    /// The bytes are no crypto-agile log.
    #[error("the firmware log is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// A log of the TPM 1.2 format.
    #[error(
        "the firmware log is of the old SHA-1 format, which cannot explain SHA-256 PCRs; \
         have the firmware write a crypto-agile log, or use a platform entry without firmware_log_pcrs"
    )]
    Sha1Only,
    /// A crypto-agile log that has other banks only.
    #[error("the firmware log has no SHA-256 digests; enable the TPM's SHA-256 bank in the firmware setup")]
    NoSha256Bank,
}

impl FirmwareLog {
    /// Reads a log to its last byte.
    ///
    /// # Errors
    /// [`FirmwareLogError`] says why the log is of no use.
    pub fn parse(log: &[u8]) -> Result<Self, FirmwareLogError> {
        let mut reader = Reader::new(log);
        let first = LegacyEvent::read(&mut reader)?;
        let Some(banks) = Banks::from_spec_id_event(&first)? else {
            return Err(not_crypto_agile(log));
        };
        if !banks.0.contains(&(algorithm::SHA256, 32)) {
            return Err(FirmwareLogError::NoSha256Bank);
        }
        let mut parsed = Self { startup_locality: 0, events: Vec::new() };
        let mut locality_seen = false;
        while !reader.is_empty() {
            match Entry::read(&mut reader, &banks)? {
                Entry::Measured(event) => parsed.events.push(event),
                Entry::NoAction => {}
                Entry::StartupLocality(locality) => {
                    check_locality_position(&parsed.events, locality_seen)?;
                    (parsed.startup_locality, locality_seen) = (locality, true);
                }
            }
        }
        Ok(parsed)
    }

    /// The measured events, in order.
    #[must_use]
    pub fn events(&self) -> &[FirmwareEvent] {
        &self.events
    }

    /// The value that the log gives `pcr` in the SHA-256 bank; its start value if the log has no event for it.
    #[must_use]
    pub fn replay(&self, pcr: u8) -> Sha256Digest {
        let events = self.events.iter().filter(|event| event.pcr == pcr);
        events.fold(self.start_value(pcr), |value, event| value.extended_with(event.digest))
    }

    /// PCR 0 starts with the locality of TPM2_Startup in its last byte, PCRs 17 to 22 with all ones, the others with zero
    /// (TPM 2.0 Library, Part 3, section 9.3; PC Client Platform TPM Profile, section 4.6).
    fn start_value(&self, pcr: u8) -> Sha256Digest {
        match pcr {
            0 => {
                let mut value = [0; 32];
                value[31] = self.startup_locality;
                Sha256Digest::from_bytes(value)
            }
            17..=22 => Sha256Digest::from_bytes([0xff; 32]),
            _ => Sha256Digest::ZERO,
        }
    }
}

/// TCG_PCClientPCREvent: the first entry of every log, and all entries of the old format.
struct LegacyEvent<'a> {
    event_type: u32,
    data: &'a [u8],
}

impl<'a> LegacyEvent<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let _pcr = reader.u32_le()?;
        let event_type = reader.u32_le()?;
        let _sha1: [u8; 20] = reader.array()?;
        Ok(Self { event_type, data: event_data(reader)? })
    }
}

/// A log without Spec ID event is an old one if it reads as one from end to end, and otherwise nothing at all.
fn not_crypto_agile(log: &[u8]) -> FirmwareLogError {
    let mut reader = Reader::new(log);
    while !reader.is_empty() {
        if let Err(error) = LegacyEvent::read(&mut reader) {
            return error.into();
        }
    }
    FirmwareLogError::Sha1Only
}

/// Algorithm and digest size of each bank that the log carries.
struct Banks(Vec<(u16, u16)>);

impl Banks {
    /// Reads TCG_EfiSpecIdEvent; `None` if the first event is something else.
    fn from_spec_id_event(event: &LegacyEvent<'_>) -> Result<Option<Self>, Malformed> {
        let mut reader = Reader::new(event.data);
        if event.event_type != EV_NO_ACTION || reader.array().ok().as_ref() != Some(SPEC_ID_SIGNATURE) {
            return Ok(None);
        }
        let _platform_class = reader.u32_le()?;
        let _version_minor_major_errata_uintn: [u8; 4] = reader.array()?;
        let count = reader.u32_le()?;
        if count > MAX_BANKS {
            let expected = "a TPM has at most 16 banks";
            return Err(Malformed::Field { field: "numberOfAlgorithms", found: count.into(), expected });
        }
        let mut banks: Vec<(u16, u16)> = Vec::new();
        for _ in 0..count {
            let (bank, size) = (reader.u16_le()?, reader.u16_le()?);
            if banks.iter().any(|(known, _)| *known == bank) {
                let expected = "the Spec ID event names each bank once";
                return Err(Malformed::Field { field: "algorithmId", found: bank.into(), expected });
            }
            banks.push((bank, size));
        }
        let vendor_info_size = reader.u8()?;
        reader.bytes(vendor_info_size.into())?;
        reader.finish()?;
        Ok(Some(Self(banks)))
    }

    /// Reads TPML_DIGEST_VALUES: one digest for each bank. Returns the SHA-256 one.
    fn read_digests(&self, reader: &mut Reader<'_>) -> Result<Option<Sha256Digest>, Malformed> {
        let expected = "each event has one digest for each bank of the Spec ID event";
        let count = reader.u32_le()?;
        if usize::try_from(count) != Ok(self.0.len()) {
            return Err(Malformed::Field { field: "digests.count", found: count.into(), expected });
        }
        let (mut missing, mut sha256) = (self.0.clone(), None);
        while !missing.is_empty() {
            let found = reader.u16_le()?;
            let position = missing.iter().position(|(bank, _)| *bank == found);
            let position = position.ok_or(Malformed::Field { field: "digests.hashAlg", found: found.into(), expected })?;
            let (_, size) = missing.swap_remove(position);
            let digest = reader.bytes(usize::from(size))?;
            if found == algorithm::SHA256 {
                sha256 = digest.try_into().ok().map(Sha256Digest::from_bytes);
            }
        }
        Ok(sha256)
    }
}

/// One TCG_PCR_EVENT2, by what it means for the replay.
enum Entry {
    Measured(FirmwareEvent),
    NoAction,
    StartupLocality(u8),
}

impl Entry {
    fn read(reader: &mut Reader<'_>, banks: &Banks) -> Result<Self, FirmwareLogError> {
        let pcr = reader.u32_le()?;
        let event_type = reader.u32_le()?;
        let digest = banks.read_digests(reader)?.ok_or(FirmwareLogError::NoSha256Bank)?;
        let data = event_data(reader)?;
        if event_type == EV_NO_ACTION {
            return Ok(Self::no_action(pcr, data)?);
        }
        let pcr = u8::try_from(pcr).ok().filter(|_| pcr < PCR_COUNT).ok_or(Malformed::Field {
            field: "pcrIndex",
            found: pcr.into(),
            expected: "a measured event names a PCR from 0 to 23",
        })?;
        Ok(Self::Measured(FirmwareEvent { pcr, digest }))
    }

    fn no_action(pcr: u32, data: &[u8]) -> Result<Self, Malformed> {
        let Some(locality) = data.strip_prefix(STARTUP_LOCALITY_SIGNATURE).filter(|_| pcr == 0) else {
            return Ok(Self::NoAction);
        };
        match locality {
            [locality @ (0 | 3 | 4)] => Ok(Self::StartupLocality(*locality)),
            other => Err(Malformed::Field {
                field: "StartupLocality",
                found: other.first().copied().unwrap_or_default().into(),
                expected: "TPM2_Startup comes from locality 0 or 3, or 4 for an H-CRTM, in one byte",
            }),
        }
    }
}

/// The locality is the start value of PCR 0, so it is told once and before the first measurement there.
fn check_locality_position(events: &[FirmwareEvent], seen: bool) -> Result<(), Malformed> {
    if seen || events.iter().any(|event| event.pcr == 0) {
        let expected = "it stands once, before the first event of PCR 0";
        return Err(Malformed::Field { field: "StartupLocality events", found: 1 + u64::from(seen), expected });
    }
    Ok(())
}

fn event_data<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let size = reader.u32_le()?;
    reader.bytes(usize::try_from(size).unwrap_or(usize::MAX))
}
