//! `blindllama eventlog`: what a firmware log says, and the PCR values that it leads to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use blindllama_attest::{
    firmware::{Bank, FirmwareEvent, FirmwareLog, FirmwareLogError},
    hash::{Digest, HashAlgorithm},
    pcr_banks::PcrBanks,
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Outcome, report,
    style::{self, Style},
};

const EXIT_STATUS: &str = "Exit status: 0 done, and all given PCR values fit; 1 the file is no firmware log, has no such bank, \
    or does not lead to the given values; 2 wrong usage; 5 a file cannot be read.";

#[derive(Debug, Args)]
pub(super) struct EventlogOptions {
    #[command(subcommand)]
    action: EventlogAction,
}

#[derive(Debug, Subcommand)]
enum EventlogAction {
    /// Print each event: what it extended where, and what it says that this was.
    #[command(after_help = EXIT_STATUS)]
    Show(ShowOptions),
    /// Print the PCR values that the log leads to, or compare them with those of a TPM.
    #[command(after_help = EXIT_STATUS)]
    Replay(ReplayOptions),
}

#[derive(Debug, Args)]
struct ShowOptions {
    /// The log, such as /sys/kernel/security/tpm0/binary_bios_measurements.
    file: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ReplayOptions {
    /// The log, such as /sys/kernel/security/tpm0/binary_bios_measurements.
    file: PathBuf,
    /// Replay this bank alone: sha1, sha256, sha384 or sha512.
    #[arg(long, value_name = "BANK", value_parser = known_bank)]
    bank: Option<HashAlgorithm>,
    /// Compare with the PCR values in this file, {"sha256": {"0": "<hex>", …}, …}: each has to be what the log leads to, and
    /// none may be missing that the log has an event for.
    #[arg(long, value_name = "FILE")]
    pcrs: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

fn known_bank(name: &str) -> Result<HashAlgorithm, String> {
    HashAlgorithm::from_name(name).ok_or_else(|| "a bank is sha1, sha256, sha384 or sha512".to_owned())
}

pub(super) fn run(options: EventlogOptions) -> Outcome {
    let outcome = match options.action {
        EventlogAction::Show(options) => show(&options),
        EventlogAction::Replay(options) => replay(&options),
    };
    outcome.unwrap_or_else(|failed| failed)
}

/// Reads and parses the log, or says why not.
fn read_log(path: &Path, json: bool) -> Result<FirmwareLog, Outcome> {
    let (mut log, limit) = (Vec::new(), FirmwareLog::MAX_BYTES as u64 + 1);
    let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut log));
    read.map_err(|error| report::failure(&format!("the log {} cannot be read", path.display()), &error, Outcome::Local))?;
    FirmwareLog::parse(&log).map_err(|error| refuse(path, &error, json))
}

fn refuse(path: &Path, error: &FirmwareLogError, json: bool) -> Outcome {
    let code = match error {
        FirmwareLogError::Malformed(_) => "firmware_log_malformed",
        FirmwareLogError::Sha1Only { .. } => "firmware_log_sha1_only",
        FirmwareLogError::NoSuchBank { .. } => "firmware_log_without_bank",
    };
    if json {
        report::say(&format!("{:#}", json!({"code": code, "message": error.to_string()})));
    }
    report::failure(&path.display().to_string(), error, Outcome::Refused)
}

fn show(options: &ShowOptions) -> Result<Outcome, Outcome> {
    let log = read_log(&options.file, options.json)?;
    report::say(&if options.json { format!("{:#}", log_as_json(&log)) } else { table(&log, style::for_stdout()) });
    Ok(Outcome::Verified)
}

fn strongest_bank(log: &FirmwareLog) -> Option<HashAlgorithm> {
    log.banks().iter().max().copied()
}

fn table(log: &FirmwareLog, style: Style) -> String {
    let strongest = strongest_bank(log);
    let bank = strongest.map_or("no bank", HashAlgorithm::name);
    let mut lines = vec![style.faint(format!("{:>4} {:>3}  {:<32} {bank:<16}    what it measures", "#", "PCR", "type"))];
    lines.extend(log.events().iter().map(|event| line(event, strongest, style)));
    let banks: Vec<&str> = log.banks().iter().map(|bank| bank.name()).collect();
    lines.push(format!("{} log, banks: {}", log.format().name(), banks.join(", ")));
    lines.push(
        "= the digest is that of the event's data; - extends nothing; all else in the last column is the log's claim".into(),
    );
    lines.join("\n")
}

fn line(event: &FirmwareEvent, bank: Option<HashAlgorithm>, style: Style) -> String {
    let digest = bank.and_then(|bank| event.digest(bank)).filter(|_| event.extends());
    let digest: String = digest.map_or_else(String::new, Digest::to_string).chars().take(16).collect();
    let mark = match bank.and_then(|bank| event.digest_is_data_hash(bank)) {
        _ if !event.extends() => '-',
        Some(true) => '=',
        _ => ' ',
    };
    let (index, pcr, kind) = (event.index(), event.pcr(), event.event_type());
    let line = format!("{index:>4} {pcr:>3}  {kind:<32} {digest:<16}  {mark} {}", event.description());
    if event.extends() { line } else { style.faint(line) }
}

fn log_as_json(log: &FirmwareLog) -> Value {
    json!({
        "format": log.format().name(),
        "banks": log.banks().iter().map(|bank| bank.name()).collect::<Vec<_>>(),
        "startup_locality": log.startup_locality(),
        "events": log.events().iter().map(|event| event_as_json(event, strongest_bank(log))).collect::<Vec<_>>(),
    })
}

fn event_as_json(event: &FirmwareEvent, bank: Option<HashAlgorithm>) -> Value {
    let digest = |digest: &Digest| (digest.algorithm().name(), digest.to_string());
    json!({
        "index": event.index(),
        "pcr": event.pcr(),
        "type": event.event_type().to_string(),
        "extends": event.extends(),
        "digests": event.digests().iter().map(digest).collect::<BTreeMap<_, _>>(),
        "data_bytes": event.data().len(),
        "digest_is_data_hash": bank.and_then(|bank| event.digest_is_data_hash(bank)),
        "description": event.description(),
    })
}

/// What the log says of one PCR.
struct ReplayedPcr {
    pcr: u8,
    measured: bool,
    value: Digest,
    comparison: Comparison,
}

/// A replayed value beside the given one.
enum Comparison {
    NotWanted,
    Equal,
    Different(Digest),
    NotGiven,
}

impl ReplayedPcr {
    fn fits(&self) -> bool {
        matches!(self.comparison, Comparison::NotWanted | Comparison::Equal)
    }
}

fn replay(options: &ReplayOptions) -> Result<Outcome, Outcome> {
    let log = read_log(&options.file, options.json)?;
    let given = options.pcrs.as_deref().map(read_pcrs).transpose()?;
    let banks = banks(&log, options.bank, given.as_ref()).map_err(|error| refuse(&options.file, &error, options.json))?;
    let replayed: Vec<_> = banks.iter().map(|bank| (bank.algorithm(), replay_bank(&log, *bank, given.as_ref()))).collect();
    let compared = replayed.iter().any(|(_, pcrs)| !pcrs.is_empty());
    let fits = (compared || given.is_none()) && replayed.iter().flat_map(|(_, pcrs)| pcrs).all(ReplayedPcr::fits);
    report::say(&match options.json {
        true => format!("{:#}", replay_as_json(&replayed, given.is_some().then_some(fits))),
        false => replay_as_text(&replayed, given.is_some().then_some(fits), style::for_stdout()),
    });
    Ok(if fits { Outcome::Verified } else { Outcome::Refused })
}

fn read_pcrs(path: &Path) -> Result<PcrBanks, Outcome> {
    let unusable = |error: &dyn std::error::Error| {
        report::failure(&format!("the PCR values {} cannot be used", path.display()), error, Outcome::Local)
    };
    let json = std::fs::read(path).map_err(|error| unusable(&error))?;
    PcrBanks::from_json(&json).map_err(|error| unusable(&error))
}

/// The bank that was asked for, or those with given values, or all. One that the log lacks is an error.
fn banks<'a>(
    log: &'a FirmwareLog,
    bank: Option<HashAlgorithm>,
    given: Option<&PcrBanks>,
) -> Result<Vec<Bank<'a>>, FirmwareLogError> {
    let wanted = match (bank, given) {
        (Some(bank), _) => vec![bank],
        (None, Some(given)) => given.iter().map(|(bank, _)| bank).collect(),
        (None, None) => log.banks().to_vec(),
    };
    wanted.into_iter().map(|bank| log.require_bank(bank)).collect()
}

/// The PCRs that the log measures, and those with given values.
fn replay_bank(log: &FirmwareLog, bank: Bank<'_>, given: Option<&PcrBanks>) -> Vec<ReplayedPcr> {
    let values = given.map(|given| given.bank(bank.algorithm()).cloned().unwrap_or_default());
    let mut pcrs: BTreeSet<u8> = log.measured_pcrs();
    pcrs.extend(values.iter().flat_map(BTreeMap::keys));
    let replayed = |pcr| {
        let value = bank.replay(pcr);
        let comparison = match values.as_ref().map(|values| values.get(&pcr)) {
            None => Comparison::NotWanted,
            Some(None) => Comparison::NotGiven,
            Some(Some(given)) if *given == value => Comparison::Equal,
            Some(Some(given)) => Comparison::Different(*given),
        };
        ReplayedPcr { pcr, measured: log.measures(pcr), value, comparison }
    };
    pcrs.into_iter().map(replayed).collect()
}

type Replayed = [(HashAlgorithm, Vec<ReplayedPcr>)];

fn replay_as_text(replayed: &Replayed, verdict: Option<bool>, style: Style) -> String {
    let mut lines = Vec::new();
    for (bank, pcrs) in replayed {
        lines.push(bank.to_string());
        lines.extend(pcrs.iter().map(|pcr| pcr_as_text(pcr, style)));
    }
    lines.extend(verdict.map(|fits| verdict_as_text(replayed, fits, style)));
    if lines.is_empty() { "The log has no bank that can be replayed.".to_owned() } else { lines.join("\n") }
}

fn pcr_as_text(replayed: &ReplayedPcr, style: Style) -> String {
    let ReplayedPcr { pcr, measured, value, comparison } = replayed;
    let note = match comparison {
        Comparison::NotWanted => String::new(),
        Comparison::Equal if *measured => style.good(" ✓"),
        Comparison::Equal => style.good(" ✓") + &style.faint(" start value: the log has no event for it"),
        Comparison::NotGiven => style.bad(" ✗") + " no value is given",
        Comparison::Different(given) => style.bad(" ✗") + &format!(" given: {given}"),
    };
    format!("  {pcr:>2}  {value}{note}")
}

fn verdict_as_text(replayed: &Replayed, fits: bool, style: Style) -> String {
    if fits {
        return style.good("The log leads to the given values.");
    }
    match differing(replayed).as_slice() {
        [] => style.bad("Nothing to compare:") + " neither has the log a measured event, nor the file a value.",
        names => style.bad("The log does not lead to the given values:") + &format!(" {}.", names.join(", ")),
    }
}

/// `sha256 PCR 4` for each PCR that does not fit.
fn differing(replayed: &Replayed) -> Vec<String> {
    let pcrs = replayed.iter().flat_map(|(bank, pcrs)| pcrs.iter().map(move |pcr| (bank, pcr)));
    pcrs.filter(|(_, pcr)| !pcr.fits()).map(|(bank, replayed)| format!("{bank} PCR {}", replayed.pcr)).collect()
}

fn replay_as_json(replayed: &Replayed, verdict: Option<bool>) -> Value {
    let values = |pcrs: &[ReplayedPcr]| -> BTreeMap<String, String> {
        pcrs.iter().map(|replayed| (replayed.pcr.to_string(), replayed.value.to_string())).collect()
    };
    let banks: BTreeMap<&str, _> = replayed.iter().map(|(bank, pcrs)| (bank.name(), values(pcrs))).collect();
    json!({"pcrs": banks, "fits": verdict, "differing": differing(replayed)})
}
