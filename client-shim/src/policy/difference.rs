//! What changed from one policy to another, entry by entry.

use serde::Serialize;

use super::outline::{Entry, Field, Section};

/// A change that a reviewer has to judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The new policy has one more.
    Added(Entry),
    /// The new policy no longer has it.
    Removed(Entry),
    /// Both have it, with different fields.
    Changed {
        /// What it is about.
        section: Section,
        /// Its name.
        name: String,
        /// The fields that differ.
        fields: Vec<FieldChange>,
    },
}

/// A field that differs; absent on one side where only the other has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldChange {
    /// The policy's key.
    pub key: String,
    /// Its value in the old policy.
    pub old: Option<String>,
    /// Its value in the new policy.
    pub new: Option<String>,
}

impl Change {
    /// What it is about.
    #[must_use]
    pub const fn section(&self) -> Section {
        match self {
            Self::Added(entry) | Self::Removed(entry) => entry.section,
            Self::Changed { section, .. } => *section,
        }
    }
}

/// All changes, by section; none where both policies mean the same. The order of entries means nothing.
#[must_use]
pub fn difference(old: &[Entry], new: &[Entry]) -> Vec<Change> {
    let removed = old.iter().filter(|entry| counterpart(entry, new).is_none()).cloned().map(Change::Removed);
    let mut changes: Vec<Change> = removed.collect();
    changes.extend(new.iter().filter_map(|entry| match counterpart(entry, old) {
        Some(before) => changed(before, entry),
        None => Some(Change::Added(entry.clone())),
    }));
    changes.sort_by_key(Change::section);
    changes
}

fn counterpart<'a>(entry: &Entry, among: &'a [Entry]) -> Option<&'a Entry> {
    among.iter().find(|other| (other.section, &other.name) == (entry.section, &entry.name))
}

fn changed(old: &Entry, new: &Entry) -> Option<Change> {
    let value = |fields: &[Field], key: &str| fields.iter().find(|field| field.key == key).map(|field| field.value.clone());
    let only_old = old.fields.iter().filter(|field| value(&new.fields, &field.key).is_none());
    let keys = new.fields.iter().chain(only_old).map(|field| &field.key);
    let changes = keys.map(|key| FieldChange { key: key.clone(), old: value(&old.fields, key), new: value(&new.fields, key) });
    let fields: Vec<_> = changes.filter(|change| change.old != change.new).collect();
    (!fields.is_empty()).then(|| Change::Changed { section: new.section, name: new.name.clone(), fields })
}
