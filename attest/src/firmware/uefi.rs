//! What the event data of UEFI events says, in words (PC Client Platform Firmware Profile, section 10.2.3 onwards).

use super::text::utf16;
use crate::bytes::{Malformed, Reader};

/// Variables of up to this many bytes are shown with their value: switches and orders.
const SHOWN_VALUE_BYTES: usize = 8;
/// The size of EFI_PARTITION_TABLE_HEADER (UEFI, section 5.3.2).
const GPT_HEADER_BYTES: usize = 92;
/// Type and subtype of a device path node with a file's path (UEFI, section 10.3.4.4).
const FILE_PATH_NODE: [u8; 2] = [4, 4];

/// UEFI_VARIABLE_DATA: the variable's name, its vendor GUID, and its value or the value's size.
pub(super) fn variable(data: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(data);
    let guid = guid(reader.array()?);
    let (name_units, value_size) = (size(&mut reader)?, size(&mut reader)?);
    let name = utf16(reader.bytes(name_units.saturating_mul(2))?);
    let value = reader.bytes(value_size)?;
    reader.finish()?;
    Ok(match value {
        [] => format!("variable {name} ({guid}), empty"),
        short if short.len() <= SHOWN_VALUE_BYTES => format!("variable {name} ({guid}) = {}", hex(short)),
        long => format!("variable {name} ({guid}), {} bytes", long.len()),
    })
}

/// UEFI_IMAGE_LOAD_EVENT: the image's file, where its device path names one, and its size in memory.
pub(super) fn image(what: &str, data: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(data);
    let (_location, bytes, _link_time) = (u64_le(&mut reader)?, u64_le(&mut reader)?, u64_le(&mut reader)?);
    let device_path_size = size(&mut reader)?;
    let path = file_path(reader.bytes(device_path_size)?);
    Ok(if path.is_empty() { format!("{what}, {bytes} bytes") } else { format!("{what} {path}, {bytes} bytes") })
}

/// The file path nodes of a device path, as far as it can be read (UEFI, section 10.3.1).
fn file_path(device_path: &[u8]) -> String {
    let mut reader = Reader::new(device_path);
    let mut path = String::new();
    while let Ok((kind, node)) = device_path_node(&mut reader) {
        let part = if kind == FILE_PATH_NODE { utf16(node) } else { continue };
        if !path.is_empty() && !path.ends_with('\\') && !part.starts_with('\\') {
            path.push('\\');
        }
        path += &part;
    }
    path
}

/// Type, subtype and content of a node; its length counts the four bytes before the content.
fn device_path_node<'a>(reader: &mut Reader<'a>) -> Result<([u8; 2], &'a [u8]), Malformed> {
    let kind = reader.array()?;
    let length = reader.u16_le()?;
    let content = length.checked_sub(4).ok_or(Malformed::Field {
        field: "Length",
        found: length.into(),
        expected: "a device path node has at least 4 bytes",
    })?;
    Ok((kind, reader.bytes(content.into())?))
}

/// UEFI_GPT_DATA: how many partitions there are. GUIDs of disks are nobody's business.
pub(super) fn partition_table(data: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(data);
    reader.bytes(GPT_HEADER_BYTES)?;
    Ok(format!("partition table with {} partitions", u64_le(&mut reader)?))
}

/// UEFI_PLATFORM_FIRMWARE_BLOB: where some firmware lies.
pub(super) fn firmware_blob(data: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(data);
    let (base, bytes) = (u64_le(&mut reader)?, u64_le(&mut reader)?);
    reader.finish()?;
    Ok(format!("firmware, {bytes} bytes at {base:#x}"))
}

/// UEFI_PLATFORM_FIRMWARE_BLOB2: the same with a description in front.
pub(super) fn described_firmware_blob(data: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(data);
    let description = description(&mut reader)?;
    let (base, bytes) = (u64_le(&mut reader)?, u64_le(&mut reader)?);
    reader.finish()?;
    Ok(format!("firmware {description}, {bytes} bytes at {base:#x}"))
}

/// UEFI_HANDOFF_TABLE_POINTERS: how many tables (ACPI, SMBIOS) were measured.
pub(super) fn handoff_tables(data: &[u8]) -> Result<String, Malformed> {
    Ok(format!("{} configuration tables", u64_le(&mut Reader::new(data))?))
}

/// UEFI_HANDOFF_TABLE_POINTERS2: the same with a description in front.
pub(super) fn described_handoff_tables(data: &[u8]) -> Result<String, Malformed> {
    let mut reader = Reader::new(data);
    let description = description(&mut reader)?;
    Ok(format!("{} configuration tables {description}", u64_le(&mut reader)?))
}

/// A size in one byte, and that much ASCII.
fn description(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let size = reader.u8()?;
    let text = String::from_utf8_lossy(reader.bytes(size.into())?);
    Ok(text.trim_end_matches('\0').to_owned())
}

/// EFI_GUID in its usual spelling: the first three fields are little endian (UEFI, appendix A).
fn guid(bytes: [u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, i, j, rest @ ..] = bytes;
    format!("{}-{}-{}-{}-{}", hex(&[d, c, b, a]), hex(&[f, e]), hex(&[h, g]), hex(&[i, j]), hex(&rest))
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn u64_le(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    reader.array().map(u64::from_le_bytes)
}

/// A 64-bit size; one that no memory holds is as wrong as one that is only too large here.
fn size(reader: &mut Reader<'_>) -> Result<usize, Malformed> {
    Ok(usize::try_from(u64_le(reader)?).unwrap_or(usize::MAX))
}
