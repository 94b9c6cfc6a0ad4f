//! What a policy has to be beyond its syntax. Every rule names the key, its value and what belongs there.

mod platform;
mod trust;

use std::{collections::BTreeSet, fmt::Display, ops::RangeInclusive};

use super::{PolicyDocument, PolicyError};

/// The version of the policy format that this crate reads and writes.
const VERSION: u32 = 1;
const EVIDENCE_AGE_SECONDS: RangeInclusive<u32> = 1..=600;
const REATTEST_SECONDS: RangeInclusive<u32> = 1..=86_400;

pub(super) fn check(document: &PolicyDocument) -> Result<(), PolicyError> {
    check_numbers(document)?;
    trust::check(document)?;
    require_some("platform", document.platform.len())?;
    check_names("platform", document.platform.iter().map(|platform| platform.name.as_str()))?;
    for (index, platform) in document.platform.iter().enumerate() {
        platform::check(&format!("platform[{index}]"), platform)?;
    }
    require_some("release", document.release.len())?;
    check_names("release", document.release.iter().map(|release| release.name.as_str()))
}

fn check_numbers(document: &PolicyDocument) -> Result<(), PolicyError> {
    let PolicyDocument { version, revision, max_evidence_age_seconds: age, reattest_after_seconds: reattest, .. } = document;
    require(*version == VERSION, || "version".to_owned(), version, "this program reads version 1")?;
    require(*revision != Some(0), || "revision".to_owned(), &0, "revisions count from 1")?;
    let age_key = || "max_evidence_age_seconds".to_owned();
    require(EVIDENCE_AGE_SECONDS.contains(age), age_key, age, "it has to be 1 to 600")?;
    let reattest_key = || "reattest_after_seconds".to_owned();
    require(REATTEST_SECONDS.contains(reattest), reattest_key, reattest, "it has to be 1 to 86400")
}

fn require(holds: bool, path: impl FnOnce() -> String, found: &dyn Display, expected: &'static str) -> Result<(), PolicyError> {
    if holds { Ok(()) } else { Err(PolicyError::Value { path: path(), found: found.to_string(), expected }) }
}

fn require_some(key: &str, entries: usize) -> Result<(), PolicyError> {
    let expected = "nothing could ever be accepted: at least one is needed";
    require(entries > 0, || key.to_owned(), &"an empty list", expected)
}

/// Each entry of a list has a name of its own.
fn check_names<'a>(list: &str, names: impl Iterator<Item = &'a str>) -> Result<(), PolicyError> {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        let path = || format!("{list}[{index}].name");
        require(!name.is_empty(), path, &"empty", "each entry has a name")?;
        require(seen.insert(name), path, &format!("{name:?} again"), "each name may be used once")?;
    }
    Ok(())
}
