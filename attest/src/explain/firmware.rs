//! Check 11, and the boot event that made a PCR differ.

use super::{Allow, Context, Detail, DetailKind, Explanation, pcr_meaning};
use crate::{
    firmware::{EventDifference, FirmwareEvent, FirmwareLog, difference},
    hash::HashAlgorithm,
    policy::Policy,
    verify::BootLogError,
};

pub(super) fn boot_log(error: &BootLogError, context: &Context<'_>) -> Explanation {
    let what = error.to_string();
    match error {
        BootLogError::FirmwareLogMismatch { pcr, replayed, quoted } => {
            let what = format!("the firmware log does not lead to the quoted PCR {pcr} ({})", pcr_meaning(*pcr));
            let advice = "The log was changed or is incomplete, or something other than the firmware extends that PCR (IMA extends PCR \
                 10). Ask the operator; where such a PCR need not be explained, take it out of firmware_log_pcrs.";
            let explanation = Explanation::new(what, advice).values(quoted, replayed);
            with_boot_event(explanation, *pcr, quoted.algorithm(), context)
        }
        BootLogError::FirmwareLogNotExpected { platform } => {
            let advice = "List the PCRs that the log has to explain, or have the server leave the log out.";
            Explanation::new(what, advice).allowed_by(log_pcrs(context.policy, platform, "[0, 1, 2, 3, 4, 5, 6, 7]"))
        }
        BootLogError::FirmwareLogMissing { platform, .. } => {
            let advice = "The server has to send the log that its kernel shows in securityfs; a machine without one (a software TPM) \
                 cannot have its PCRs explained.";
            Explanation::new(what, advice).allowed_by(log_pcrs(context.policy, platform, "[]"))
        }
        _ => Explanation::new(what, "Ask the operator what writes that log; what cannot be checked is refused."),
    }
}

fn log_pcrs(policy: &Policy, platform: &str, value: &str) -> Option<Allow> {
    let index = policy.platforms().iter().position(|known| known.name == platform)?;
    Some(Allow::new(format!("platform[{index}].firmware_log_pcrs"), format!("firmware_log_pcrs = {value}")))
}

/// Adds the first event of `pcr` in which the evidence's log differs from the reference log, or says why there is none.
pub(super) fn with_boot_event(explanation: Explanation, pcr: u8, bank: HashAlgorithm, context: &Context<'_>) -> Explanation {
    let found = context.evidence.and_then(|evidence| evidence.event_log.firmware.as_ref());
    let (expected, found) = match (context.reference.firmware_log(), found) {
        (Some(expected), Some(found)) => (expected, &found.0),
        (None, Some(_)) => return explanation.with_note("there is no reference firmware log to compare the boot events with"),
        (_, None) => return explanation.with_note("the evidence has no firmware log, so the boot event cannot be told"),
    };
    match first_difference(expected, found, bank, pcr) {
        Ok(Some(detail)) => explanation.with_details([detail]),
        Ok(None) => explanation.with_note(format!("both firmware logs extend PCR {pcr} alike: their events do not explain it")),
        Err(reason) => explanation.with_note(reason),
    }
}

/// The one place that compares firmware logs.
fn first_difference(expected: &[u8], found: &[u8], bank: HashAlgorithm, pcr: u8) -> Result<Option<Detail>, String> {
    let expected = FirmwareLog::parse(expected).map_err(|error| format!("the reference firmware log cannot be used: {error}"))?;
    let found = FirmwareLog::parse(found).map_err(|error| format!("the evidence's firmware log cannot be used: {error}"))?;
    let told = |event: &FirmwareEvent| told(event, bank);
    Ok(difference(&expected, &found, bank, pcr).map(|difference| match difference {
        EventDifference::StartupLocality { expected, found } => {
            let (expected, found) = (expected.to_string(), found.to_string());
            Detail::new(
                DetailKind::BootEvent,
                "the locality of TPM2_Startup, with which PCR 0 starts",
                Some(expected),
                Some(found),
            )
        }
        EventDifference::Changed { expected, found } => detail(found, Some(told(expected)), Some(told(found))),
        EventDifference::Missing { expected } => detail(expected, Some(told(expected)), None),
        EventDifference::Added { found } => detail(found, None, Some(told(found))),
    }))
}

fn detail(event: &FirmwareEvent, expected: Option<String>, found: Option<String>) -> Detail {
    let subject = format!("event {} of the log, {} in PCR {}", event.index(), event.event_type(), event.pcr());
    Detail::new(DetailKind::BootEvent, subject, expected, found)
}

/// What an event claims to be, and its digest, which the quote confirms.
fn told(event: &FirmwareEvent, bank: HashAlgorithm) -> String {
    let digest = event.digest(bank).map_or_else(|| "no digest".to_owned(), |digest| format!("{bank}:{digest}"));
    format!("{event}, {digest}")
}
