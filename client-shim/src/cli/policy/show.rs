//! `blindllama policy show`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::read;
use crate::{
    cli::{Outcome, report, style, text::printable, verdict_json::weakenings_json},
    policy::outline::{Entry, outline},
};

#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The policy.
    file: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &Options) -> Result<Outcome, Outcome> {
    let policy = read(&options.file)?;
    let entries = outline(policy.document());
    if options.json {
        let weakened = weakenings_json(&policy);
        report::say(&format!("{:#}", json!({ "entries": entries, "weakened": weakened })));
    } else {
        let told: Vec<String> = entries.iter().map(told).collect();
        report::say(&told.join("\n\n"));
        report::weakened(&policy.weakenings(), style::for_stdout()).for_each(|line| report::say(&line));
    }
    Ok(Outcome::Verified)
}

/// A heading, and a line for each field.
fn told(entry: &Entry) -> String {
    let width = entry.fields.iter().map(|field| field.key.chars().count()).max().unwrap_or(0);
    let lines = entry.fields.iter().map(|field| {
        let (key, value) = (printable(&field.key), printable(&field.value));
        format!("\n  {key:width$}  {value}")
    });
    format!("{} {}", entry.section.heading(), printable(&entry.name)).trim_end().to_owned() + &lines.collect::<String>()
}
