//! Where two documents differ: manifests by file, JSON by path, texts by line.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Detail, DetailKind, MAX_DETAILS};
use crate::application::{Manifest, ManifestEntry, Part};

/// The longest value that is shown, in characters.
const MAX_VALUE: usize = 120;
/// Enough to fill the list and to count what is beyond it, and an end to comparing.
const MAX_COMPARED: usize = 100_000;

/// The differences between two documents behind the same part of a launch; `None` if one is not what such documents are.
pub(super) fn differences(part: Part, expected: &[u8], found: &[u8]) -> Option<Vec<Detail>> {
    match part {
        Part::EnginePackages | Part::ModelWeights => manifests(expected, found),
        Part::Config | Part::Launch => json(expected, found),
        Part::ChatTemplate => lines(expected, found),
        Part::GatewayBinary => None,
    }
}

fn manifests(expected: &[u8], found: &[u8]) -> Option<Vec<Detail>> {
    let (expected, found): (Manifest, Manifest) = (serde_json::from_slice(expected).ok()?, serde_json::from_slice(found).ok()?);
    let (expected, found) = (by_path(&expected), by_path(&found));
    let paths: BTreeSet<&str> = expected.keys().chain(found.keys()).copied().collect();
    let differing = paths.into_iter().filter(|path| expected.get(path) != found.get(path));
    let content = |entry: Option<&&ManifestEntry>| entry.map(|entry| format!("sha256:{}, {} bytes", entry.sha256, entry.bytes));
    let detail = |path: &str| Detail::new(DetailKind::File, path, content(expected.get(path)), content(found.get(path)));
    Some(differing.map(detail).collect())
}

fn by_path(manifest: &Manifest) -> BTreeMap<&str, &ManifestEntry> {
    manifest.files().iter().map(|file| (file.path.as_str(), file)).collect()
}

fn json(expected: &[u8], found: &[u8]) -> Option<Vec<Detail>> {
    let (expected, found): (Value, Value) = (serde_json::from_slice(expected).ok()?, serde_json::from_slice(found).ok()?);
    let mut details = Vec::new();
    compare("", Some(&expected), Some(&found), &mut details);
    Some(details)
}

/// Walks both values; their depth is what `serde_json` reads, 128.
fn compare(path: &str, expected: Option<&Value>, found: Option<&Value>, details: &mut Vec<Detail>) {
    if expected == found || details.len() >= MAX_COMPARED {
        return;
    }
    match (expected, found) {
        (Some(Value::Object(expected)), Some(Value::Object(found))) => {
            let keys: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, expected.get(key), found.get(key), details);
            }
        }
        (Some(Value::Array(expected)), Some(Value::Array(found))) => {
            for index in 0..expected.len().max(found.len()) {
                compare(&format!("{path}[{index}]"), expected.get(index), found.get(index), details);
            }
        }
        _ => {
            let subject = if path.is_empty() { "." } else { path };
            details.push(Detail::new(DetailKind::Key, subject, expected.map(shown), found.map(shown)));
        }
    }
}

fn shown(value: &Value) -> String {
    shortened(&value.to_string())
}

fn lines(expected: &[u8], found: &[u8]) -> Option<Vec<Detail>> {
    let (expected, found) = (std::str::from_utf8(expected).ok()?, std::str::from_utf8(found).ok()?);
    let (mut expected, mut found) = (expected.lines(), found.lines());
    let mut details = Vec::new();
    for number in 1_usize.. {
        let (expected, found) = (expected.next(), found.next());
        if (expected, found) == (None, None) || details.len() > MAX_DETAILS {
            break;
        }
        if expected != found {
            let subject = format!("line {number}");
            details.push(Detail::new(DetailKind::Line, subject, expected.map(shortened), found.map(shortened)));
        }
    }
    Some(details)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256Digest;

    fn said(details: &[Detail]) -> Vec<(&str, Option<&str>, Option<&str>)> {
        details.iter().map(|d| (d.subject.as_str(), d.expected.as_deref(), d.found.as_deref())).collect()
    }

    #[test]
    fn json_differs_by_path() {
        let expected = br#"{"a":{"b":[1,2]},"gone":"x","same":0}"#;
        let found = br#"{"a":{"b":[1,3,4]},"new":null,"same":0}"#;
        let details = differences(Part::Config, expected, found).unwrap();
        let wanted = [
            ("a.b[1]", Some("2"), Some("3")),
            ("a.b[2]", None, Some("4")),
            ("gone", Some("\"x\""), None),
            ("new", None, Some("null")),
        ];
        assert_eq!(said(&details), wanted);
        assert_eq!(differences(Part::Config, b"{", b"{}"), None);
    }

    #[test]
    fn manifests_differ_by_file() {
        let entry =
            |path: &str, byte| ManifestEntry { path: path.into(), sha256: Sha256Digest::from_bytes([byte; 32]), bytes: 7 };
        let bytes = |files: Vec<ManifestEntry>| Manifest::new(files).to_bytes().unwrap();
        let expected = bytes(vec![entry("a", 1), entry("b", 1), entry("c", 1)]);
        let found = bytes(vec![entry("a", 1), entry("b", 2), entry("d", 1)]);
        let details = differences(Part::EnginePackages, &expected, &found).unwrap();
        let changes: Vec<_> = details.iter().map(|detail| (detail.subject.as_str(), detail.change)).collect();
        use super::super::Change;
        assert_eq!(changes, [("b", Change::Changed), ("c", Change::Removed), ("d", Change::Added)]);
        assert!(details[0].expected.as_deref().unwrap().contains(&"01".repeat(32)), "{details:?}");
        assert!(details[0].found.as_deref().unwrap().contains(&"02".repeat(32)), "{details:?}");
    }

    #[test]
    fn texts_differ_by_line_and_long_values_are_cut() {
        let long = "ä".repeat(200);
        let details = differences(Part::ChatTemplate, b"a\nb", format!("a\n{long}\nc").as_bytes()).unwrap();
        assert_eq!((details[0].subject.as_str(), details[0].expected.as_deref()), ("line 2", Some("b")));
        assert_eq!(details[0].found.as_ref().unwrap().chars().count(), MAX_VALUE + 1);
        assert_eq!((details[1].subject.as_str(), details[1].found.as_deref()), ("line 3", Some("c")));
    }
}
