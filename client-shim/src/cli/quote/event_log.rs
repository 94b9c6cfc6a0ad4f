//! The firmware's event log, held to PCR values that a quote confirmed.

use std::path::Path;

use blindllama_attest::{firmware::FirmwareLog, hash::HashAlgorithm, pcr_banks::PcrBanks};

use super::{Line, read, unreadable};
use crate::cli::Outcome;

const CHECK: &str = "event_log";

/// Which PCRs the log explains, which it does not measure, and which come out differently.
#[derive(Default)]
struct Explained {
    explained: Vec<String>,
    unmeasured: Vec<String>,
    differing: Vec<String>,
}

pub(super) fn check(path: &Path, pcrs: &PcrBanks) -> Result<Line, Outcome> {
    let log = FirmwareLog::parse(&read(path)?).map_err(|error| unreadable(path, &error))?;
    let mut told = Explained::default();
    for (bank, values) in pcrs.iter() {
        for (pcr, value) in values {
            let name = format!("{bank} {pcr}");
            match log.replay(bank, *pcr) {
                Some(replayed) if measures(&log, bank, *pcr) && replayed == *value => told.explained.push(name),
                Some(_) if measures(&log, bank, *pcr) => told.differing.push(name),
                _ => told.unmeasured.push(name),
            }
        }
    }
    Ok(told.line())
}

fn measures(log: &FirmwareLog, bank: HashAlgorithm, pcr: u8) -> bool {
    log.banks().contains(&bank) && log.measures(pcr)
}

impl Explained {
    fn line(&self) -> Line {
        let rest = if self.unmeasured.is_empty() {
            String::new()
        } else {
            format!("; it does not measure {}", self.unmeasured.join(", "))
        };
        match (self.explained.as_slice(), self.differing.as_slice()) {
            ([], []) => Line::not_checked(CHECK, format!("the log explains no quoted PCR{rest}")),
            (explained, []) => Line::passed(CHECK, format!("the log explains {}{rest}", explained.join(", "))),
            (_, differing) => Line::failed(CHECK, format!("the log leads to other values of {}{rest}", differing.join(", "))),
        }
    }
}
