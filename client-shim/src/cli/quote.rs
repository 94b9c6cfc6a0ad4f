//! `blindllama quote check`: a raw quote in files, as `tpm2_quote` and other systems write it.

mod certificates;
mod event_log;
mod told;

use std::path::{Path, PathBuf};

use blindllama_attest::{
    pcr_banks::PcrBanks,
    tpm::{CheckedQuote, NotChecked, QuoteCheckError, QuoteKey, RawQuote, check_quote},
    verify::UnixTime,
};
use clap::{Args, Subcommand};
use data_encoding::HEXLOWER_PERMISSIVE;

use super::{Outcome, policy_file::read_at_most, report};
use told::{Line, Told};

/// Quotes and signatures take hundreds of bytes, PCR values kilobytes, event logs at most megabytes.
const MAX_FILE_BYTES: usize = 8 * 1024 * 1024;

/// What to do with a quote.
#[derive(Debug, Subcommand)]
pub(super) enum QuoteAction {
    /// Check signature, nonce, PCR values, event log and certificate of a quote, as far as they are given.
    #[command(
        after_help = "Exit status: 0 everything that was given holds, 1 something does not, 2 wrong usage, 5 a file cannot be read."
    )]
    Check(Box<QuoteCheckOptions>),
}

/// The files of a quote, and what they have to say.
#[derive(Debug, Args)]
pub(super) struct QuoteCheckOptions {
    /// TPMS_ATTEST, the signed bytes.
    #[arg(long, value_name = "FILE")]
    attest: PathBuf,
    /// TPMT_SIGNATURE.
    #[arg(long, value_name = "FILE")]
    signature: PathBuf,
    /// The attestation key: PEM, TPM2B_PUBLIC or TPMT_PUBLIC. PEM has no attributes, so they are not checked then.
    #[arg(long, value_name = "FILE")]
    ak: PathBuf,
    /// The qualifyingData that the quote was asked for with; an empty text for none.
    #[arg(long, value_name = "HEX", value_parser = parse_hex)]
    nonce: Option<Hex>,
    /// The values of the quoted PCRs, as JSON: {"sha256": {"0": "hex"}}.
    #[arg(long, value_name = "FILE")]
    pcrs: Option<PathBuf>,
    /// The firmware's event log, to be held to the PCR values.
    #[arg(long, value_name = "FILE", requires = "pcrs")]
    eventlog: Option<PathBuf>,
    /// The attestation key's certificate, PEM or DER.
    #[arg(long, value_name = "FILE", requires = "root")]
    ak_cert: Option<PathBuf>,
    /// The issuer of the certificate, then that one's issuer, and so on; PEM or DER.
    #[arg(long, value_name = "FILE", requires = "ak_cert")]
    chain: Vec<PathBuf>,
    /// A root to trust, PEM or DER.
    #[arg(long, value_name = "FILE", requires = "ak_cert")]
    root: Vec<PathBuf>,
    /// The time at which certificates have to be valid, RFC 3339; now where left out.
    #[arg(long, value_name = "TIME", requires = "ak_cert")]
    at: Option<jiff::Timestamp>,
    /// Accept SHA-1 in the signature and as a bank.
    #[arg(long)]
    allow_sha1: bool,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Bytes that were given as hexadecimal digits.
#[derive(Debug, Clone)]
struct Hex(Vec<u8>);

fn parse_hex(text: &str) -> Result<Hex, String> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map(Hex).map_err(|error| error.to_string())
}

pub(super) fn run(action: &QuoteAction) -> Outcome {
    let QuoteAction::Check(options) = action;
    match check(options) {
        Ok(told) => {
            report::say(&told.say(options.json));
            told.outcome()
        }
        Err(outcome) => outcome,
    }
}

/// Reads the files and checks what can be checked; an error where a file cannot be read.
fn check(options: &QuoteCheckOptions) -> Result<Told, Outcome> {
    let (attest, signature) = (read(&options.attest)?, read(&options.signature)?);
    let ak = match QuoteKey::parse(&read(&options.ak)?) {
        Ok(ak) => ak,
        Err(error) if error.code() == "ak_malformed" => return Err(unreadable(&options.ak, &error)),
        Err(error) => return Ok(Told::refused(error.code(), Line::failed("key", error.to_string()))),
    };
    let pcrs = options.pcrs.as_deref().map(read_pcrs).transpose()?;
    let raw = RawQuote {
        attest: &attest,
        signature: &signature,
        ak: &ak,
        nonce: options.nonce.as_ref().map(|Hex(nonce)| nonce.as_slice()),
        pcrs: pcrs.as_ref(),
        allow_sha1: options.allow_sha1,
    };
    let checked = check_quote(&raw);
    let mut told = match &checked {
        Ok(checked) => holds(checked, &raw),
        Err(error) => fails(error, &raw),
    };
    told.add(match (&options.eventlog, &checked, &pcrs) {
        (Some(path), Ok(_), Some(pcrs)) => event_log::check(path, pcrs)?,
        (Some(_), ..) => Line::not_checked("event_log", "the quote does not hold, so its PCR values explain nothing"),
        (None, ..) => Line::not_checked("event_log", "no --eventlog was given"),
    });
    told.add(match &options.ak_cert {
        Some(certificate) => certificates::check(certificate, options, &ak)?,
        None => Line::not_checked("certificate", "no --ak-cert was given: who holds this key is not known"),
    });
    Ok(told)
}

/// The key's own check, which only a public area allows.
fn key_line(ak: &QuoteKey) -> Line {
    match ak.name() {
        Some(name) => Line::passed("key", format!("the key {name} can sign only what its TPM made itself")),
        None => Line::not_checked("key", NotChecked::KeyAttributes.to_string()),
    }
}

fn holds(checked: &CheckedQuote, raw: &RawQuote<'_>) -> Told {
    let not_checked = |what: NotChecked| checked.not_checked.contains(&what);
    let mut told = Told::accepted(checked.clone());
    told.add(key_line(raw.ak));
    told.add(Line::passed("signature", format!("the key signed these {} bytes ({})", raw.attest.len(), checked.scheme)));
    let clock = checked.quote.clock;
    told.add(Line::passed("quote", format!("a TPM made it, after {} resets, at clock {} ms", clock.reset_count, clock.clock)));
    told.add(match raw.nonce {
        Some(nonce) if !not_checked(NotChecked::Nonce) => {
            Line::passed("nonce", format!("it answers the nonce of {} bytes", nonce.len()))
        }
        _ => Line::not_checked("nonce", NotChecked::Nonce.to_string()),
    });
    if checked.uses_sha1 {
        told.add(Line::passed("sha1", "it rests on SHA-1, for which forgeries can be made, and --allow-sha1 accepts that"));
    }
    told.add(match raw.pcrs {
        Some(values) if !not_checked(NotChecked::PcrValues) => {
            let count: usize = values.iter().map(|(_, bank)| bank.len()).sum();
            Line::passed("pcr_values", format!("the {count} PCR values are the quoted ones"))
        }
        _ => Line::not_checked("pcr_values", NotChecked::PcrValues.to_string()),
    });
    told
}

/// The check that failed, and those around it, in the order of [`check_quote`].
fn fails(error: &QuoteCheckError, raw: &RawQuote<'_>) -> Told {
    let failed = match error {
        QuoteCheckError::Signature(_) | QuoteCheckError::Sha1Signature => "signature",
        QuoteCheckError::Quote(_) => "quote",
        QuoteCheckError::NonceMismatch { .. } => "nonce",
        _ => "pcr_values",
    };
    let mut told = Told::refused(error.code(), key_line(raw.ak));
    let mut reached = true;
    for check in ["signature", "quote", "nonce", "pcr_values"] {
        told.add(match (check, reached) {
            _ if check == failed => Line::failed(check, error.to_string()),
            (_, false) => Line::not_checked(check, "an earlier check failed"),
            ("nonce", true) if raw.nonce.is_none() => Line::not_checked(check, NotChecked::Nonce.to_string()),
            (_, true) => Line::passed(check, "holds"),
        });
        reached &= check != failed;
    }
    told
}

fn read_pcrs(path: &Path) -> Result<PcrBanks, Outcome> {
    PcrBanks::from_json(&read(path)?).map_err(|error| unreadable(path, &error))
}

fn read(path: &Path) -> Result<Vec<u8>, Outcome> {
    read_at_most(path, MAX_FILE_BYTES).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> Outcome {
    report::failure(&format!("{} cannot be used", path.display()), error, Outcome::Local)
}

/// The wanted time, or this machine's.
fn time(at: Option<jiff::Timestamp>) -> UnixTime {
    UnixTime(u64::try_from(at.unwrap_or_else(jiff::Timestamp::now).as_second()).unwrap_or_default())
}
