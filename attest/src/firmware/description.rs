//! Events in words, for explanations. What they say is the log's claim, and shown as such.

use std::fmt;

use super::{EventType, FirmwareEvent, text, uefi};
use crate::bytes::{Malformed, Reader};

impl FirmwareEvent {
    /// What the event says that it measures: one line of at most 120 printable characters, for people.
    ///
    /// Data that is not what the type says is told by its size alone.
    #[must_use]
    pub fn description(&self) -> String {
        let described = describe(self.event_type(), self.data());
        text::printable(&described.unwrap_or_else(|_| bytes(self.data())))
    }
}

/// The type, and what was measured: `EV_SEPARATOR: 00000000`.
impl fmt::Display for FirmwareEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.event_type(), self.description())
    }
}

fn describe(event_type: EventType, data: &[u8]) -> Result<String, Malformed> {
    match event_type {
        EventType::EFI_VARIABLE_DRIVER_CONFIG
        | EventType::EFI_VARIABLE_BOOT
        | EventType::EFI_VARIABLE_BOOT2
        | EventType::EFI_VARIABLE_AUTHORITY => uefi::variable(data),
        EventType::EFI_BOOT_SERVICES_APPLICATION => uefi::image("boot application", data),
        EventType::EFI_BOOT_SERVICES_DRIVER => uefi::image("boot driver", data),
        EventType::EFI_RUNTIME_SERVICES_DRIVER => uefi::image("runtime driver", data),
        EventType::EFI_GPT_EVENT | EventType::EFI_GPT_EVENT2 => uefi::partition_table(data),
        EventType::EFI_PLATFORM_FIRMWARE_BLOB => uefi::firmware_blob(data),
        EventType::EFI_PLATFORM_FIRMWARE_BLOB2 => uefi::described_firmware_blob(data),
        EventType::EFI_HANDOFF_TABLES => uefi::handoff_tables(data),
        EventType::EFI_HANDOFF_TABLES2 => uefi::described_handoff_tables(data),
        EventType::POST_CODE | EventType::S_CRTM_CONTENTS => text_of(data).map_or_else(|| uefi::firmware_blob(data), Ok),
        EventType::POST_CODE2 => text_of(data).map_or_else(|| uefi::described_firmware_blob(data), Ok),
        EventType::NO_ACTION => no_action(data),
        EventType::EVENT_TAG => tagged(data),
        EventType::SEPARATOR => Ok(separator(data)),
        _ => Ok(text_of(data).unwrap_or_else(|| bytes(data))),
    }
}

/// Text as it stands in the log, in quotation marks.
fn text_of(data: &[u8]) -> Option<String> {
    text::decode(data).map(|text| format!("\"{text}\""))
}

fn bytes(data: &[u8]) -> String {
    format!("{} bytes", data.len())
}

/// Zero or all ones end the firmware's phase, 1 says that it failed (section 10.4.1); Windows puts a word there.
fn separator(data: &[u8]) -> String {
    match data {
        [1, 0, 0, 0] => "00000001: the firmware reports an error".to_owned(),
        [a, b, c, d] if text_of(data).is_none() => format!("{:08x}", u32::from_le_bytes([*a, *b, *c, *d])),
        other => text_of(other).unwrap_or_else(|| bytes(other)),
    }
}

/// A signature of 16 bytes, and for StartupLocality the locality (section 10.4.5).
fn no_action(data: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(data);
    let signature = text::decode(&reader.array::<16>()?).unwrap_or_else(|| bytes(data));
    Ok(match reader.u8() {
        Ok(locality) if signature == "StartupLocality" => format!("{signature} {locality}"),
        _ => signature,
    })
}

/// TCG_PCClientTaggedEvent: who defined the tag is not told.
fn tagged(data: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(data);
    let (tag, size) = (reader.u32_le()?, reader.u32_le()?);
    let content = reader.bytes(usize::try_from(size).unwrap_or(usize::MAX))?;
    Ok(format!("tag {tag:#010x}, {}", text_of(content).unwrap_or_else(|| bytes(content))))
}
