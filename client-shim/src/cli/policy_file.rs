//! The policy's file: its text, its lines, and the reference folder beside it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use blindllama_attest::{digest::Sha256Digest, policy::Policy};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Outcome,
    policy::{Signer, trusted},
};
use crate::policy::reference::reference_path;

/// A policy, and where it came from.
pub(super) struct PolicyFile {
    path: PathBuf,
    text: String,
    pub(super) policy: Policy,
}

impl PolicyFile {
    /// Reads the policy, or says why not.
    pub(super) fn read(path: &Path, signer: &Signer) -> Result<Self, Outcome> {
        let policy = trusted(path, signer)?;
        // Only to name lines; what counts was read above.
        let text = fs::read_to_string(path).unwrap_or_default();
        Ok(Self { path: path.to_owned(), text, policy })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The line of a key in this file; see [`line_of`].
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        line_of(&self.text, key)
    }

    /// The firmware log of the boot that the policy was learned from.
    pub(super) fn reference_firmware_log(&self) -> io::Result<Vec<u8>> {
        read_at_most(&self.reference().join("firmware.bin"), MAX_FIRMWARE_LOG_BYTES)
    }

    /// A document behind a digest of the policy.
    pub(super) fn reference_manifest(&self, digest: Sha256Digest) -> io::Result<Vec<u8>> {
        read_at_most(&self.reference().join("manifests").join(digest.to_hex()), crate::evidence_client::MAX_MANIFEST_BYTES)
    }

    /// `<policy>.reference/`, which `policy learn` fills.
    fn reference(&self) -> PathBuf {
        reference_path(&self.path)
    }
}

/// A firmware log takes tens of kilobytes; evidence holds at most 8 MiB.
const MAX_FIRMWARE_LOG_BYTES: usize = 8 * 1024 * 1024;

/// Reads a file, unless it is larger than `limit` bytes.
pub(super) fn read_at_most(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    io::Read::read_to_end(&mut io::Read::take(fs::File::open(path)?, one_more), &mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::other(format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// The line, from 1, of a key such as `release[0].config` or `platform[1].pcrs.sha256."4"`; of the nearest table around it
/// where the file does not have the key itself.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = Some(document.get_ref());
    let mut found = None;
    for segment in key.split('.') {
        let Some((offset, value)) = table.and_then(|table| entry(table, segment)) else { break };
        found = Some(offset);
        table = value.as_table();
    }
    let before = text.get(..found?)?;
    Some(before.matches('\n').count().saturating_add(1))
}

/// Where `segment` (`name`, `name[0]` or `"4"`) stands in `table`, and its value. Without an index, a list's last entry.
fn entry<'t>(table: &'t DeTable<'_>, segment: &str) -> Option<(usize, &'t DeValue<'t>)> {
    let (name, index) = match segment.strip_suffix(']').and_then(|segment| segment.split_once('[')) {
        Some((name, index)) => (name, Some(index.parse::<usize>().ok()?)),
        None => (segment.trim_matches('"'), None),
    };
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    let element: Option<&Spanned<DeValue<'_>>> = match (value.get_ref(), index) {
        (DeValue::Array(values), Some(index)) => Some(values.get(index)?),
        (DeValue::Array(values), None) => values.get(values.len().checked_sub(1)?),
        (_, Some(_)) => return None,
        (_, None) => None,
    };
    Some(element.map_or((key.span().start, value.get_ref()), |element| (element.span().start, element.get_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_lines() {
        let text = "version = 1\n\n[[platform]]\nname = \"a\"\n\n[platform.pcrs.sha256]\n0 = \"00\"\n\"4\" = \"44\"\n\n\
             [[release]]\nname = \"one\"\n\n[[release]]\nname = \"two\"\nconfig = \"c\"\n";
        for (key, line) in [
            ("version", Some(1)),
            ("platform[0]", Some(3)),
            ("platform[0].name", Some(4)),
            ("platform[0].pcrs.sha256.\"0\"", Some(7)),
            ("platform[0].pcrs.sha256.\"4\"", Some(8)),
            ("release[1].config", Some(15)),
            ("release[0].config", Some(10)),
            ("release", Some(13)),
            ("release[2].config", None),
            ("weakening.any_machine", None),
        ] {
            assert_eq!(line_of(text, key), line, "{key}");
        }
    }
}
