//! `blindllama policy diff`.

use std::path::PathBuf;

use blindllama_attest::policy::{Policy, Weakening};
use clap::Args;
use serde_json::json;

use super::read;
use crate::{
    cli::{
        Outcome, report,
        style::{self, Style},
        text::printable,
    },
    policy::{
        difference::{Change, FieldChange, difference},
        outline::{Entry, outline},
    },
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The policy as it was.
    old: PathBuf,
    /// The policy as it is to be.
    new: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<Outcome, Outcome> {
    let (old, new) = (read(&options.old)?, read(&options.new)?);
    let changes = difference(&outline(old.document()), &outline(new.document()));
    let weakened = newly_weakened(&old, &new);
    let style = style::for_stdout();
    if options.json {
        let codes: Vec<&str> = weakened.iter().map(|weakening| weakening.code()).collect();
        report::say(&format!("{:#}", json!({ "same": changes.is_empty(), "changes": changes, "newly_weakened": codes })));
    } else if changes.is_empty() {
        report::say("Both policies allow the same.");
    } else {
        changes.iter().for_each(|change| report::say(&told(change, style)));
        let warning = |weakening: &Weakening| format!("{} {}", style.warning("Newly weakened:"), weakening.explanation());
        weakened.iter().for_each(|weakening| report::say(&warning(weakening)));
    }
    Ok(if changes.is_empty() { Outcome::Verified } else { Outcome::Refused })
}

fn newly_weakened(old: &Policy, new: &Policy) -> Vec<Weakening> {
    new.weakenings().into_iter().filter(|weakening| !old.allows(*weakening)).collect()
}

fn told(change: &Change, style: Style) -> String {
    match change {
        Change::Added(entry) => whole(entry, &style.good("+")),
        Change::Removed(entry) => whole(entry, &style.bad("-")),
        Change::Changed { section, name, fields } => {
            let heading = format!("{} {} {}", style.warning("~"), section.heading(), printable(name));
            let lines = fields.iter().flat_map(|FieldChange { key, old, new }| {
                let side = |mark: String, value: &Option<String>| {
                    value.as_ref().map(|value| format!("\n  {mark} {} = {}", printable(key), printable(value)))
                };
                [side(style.bad("-"), old), side(style.good("+"), new)].into_iter().flatten().collect::<Vec<_>>()
            });
            heading.trim_end().to_owned() + &lines.collect::<String>()
        }
    }
}

fn whole(entry: &Entry, mark: &str) -> String {
    let lines = entry.fields.iter().map(|field| format!("\n  {mark} {} = {}", printable(&field.key), printable(&field.value)));
    format!("{mark} {} {}", entry.section.heading(), printable(&entry.name)) + &lines.collect::<String>()
}
