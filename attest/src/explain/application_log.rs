//! Checks 12 and 13: the application's log, its PCRs, and the binding.

use super::{Context, Detail, DetailKind, Explanation};
use crate::{
    application::{ApplicationLog, ApplicationLogError, LaunchPcr, Launches, LoggedEvent},
    hash::Digest,
    verify::{ApplicationLogMismatch, BindingNotMeasured},
};

const REBOOT: &str = "A reboot of the server makes its PCRs clean again; no policy can allow it.";

pub(super) fn malformed(error: &ApplicationLogError, context: &Context<'_>) -> Explanation {
    let what = error.to_string();
    match error {
        ApplicationLogError::EventDigestMismatch { index, kind, claimed, actual } => {
            let advice = "Somebody changed the log's text. No policy can allow it.";
            let detail = event_detail(*index, kind, Some(actual.to_hex()), Some(claimed.to_hex()));
            Explanation::new(what, advice).values(actual, claimed).with_details([detail])
        }
        ApplicationLogError::ExtendedAfterSeal { index, found } => {
            let what = "something was measured after the launch was sealed, so what runs may no longer be what was measured";
            let logged = context.evidence.and_then(|evidence| evidence.event_log.application.get(*index));
            let found = logged.map_or_else(|| found.clone(), describe);
            Explanation::new(what, format!("Find out what did that. {REBOOT}")).with_details([event_detail(
                *index,
                "after the seal",
                None,
                Some(found),
            )])
        }
        ApplicationLogError::LaunchIncomplete { .. } => {
            Explanation::new(what, "The gateway is still starting: wait and ask again. If it stays so, its start failed.")
        }
        ApplicationLogError::Malformed { index, found, expected } => {
            let detail = event_detail(*index, "out of order", Some(expected.clone()), Some(found.clone()));
            Explanation::new(what, format!("No gateway of this version writes such a log. {REBOOT}")).with_details([detail])
        }
        ApplicationLogError::NoCanonicalForm { .. } => Explanation::new(what, "No gateway writes such an event."),
    }
}

fn event_detail(index: usize, how: &str, expected: Option<String>, found: Option<String>) -> Detail {
    Detail::new(DetailKind::ApplicationEvent, format!("entry {index} ({how})"), expected, found)
}

/// An event with its data, as the log has it.
fn describe(logged: &LoggedEvent) -> String {
    let data = logged.event.data().ok().and_then(|data| String::from_utf8(data).ok()).unwrap_or_default();
    format!("{} in PCR {} with {data}", logged.event.kind(), logged.pcr)
}

/// The log and its PCR disagree; which of the two is ahead can sometimes be told.
pub(super) fn mismatch(error: &ApplicationLogMismatch, context: &Context<'_>) -> Explanation {
    let ApplicationLogMismatch { pcr, replayed, quoted } = error;
    let what = format!("the application log and PCR {pcr} disagree");
    let explanation = Explanation::new(what, REBOOT).values(quoted, replayed);
    let events = context.evidence.map_or(&[][..], |evidence| &evidence.event_log.application);
    match never_extended(events, *pcr, *quoted, context) {
        Some(extra) => {
            let what = format!(
                "the application log is ahead of PCR {pcr}: without its last {} events there it leads to the quoted value, so they \
                 were written and never extended",
                extra.len()
            );
            let details =
                extra.into_iter().map(|(index, logged)| event_detail(index, "never extended", None, Some(describe(logged))));
            Explanation { what, ..explanation }.with_details(details)
        }
        None => {
            let what = format!(
                "no beginning of the application log leads to the quoted PCR {pcr}: something extended that PCR and is not in the \
                 log, or an event was removed or changed"
            );
            Explanation { what, ..explanation }
        }
    }
}

/// The last events of `pcr`, if the log without them leads to the quoted value.
fn never_extended<'a>(
    events: &'a [LoggedEvent],
    pcr: u8,
    quoted: Digest,
    context: &Context<'_>,
) -> Option<Vec<(usize, &'a LoggedEvent)>> {
    let own: Vec<(usize, &LoggedEvent)> = events.iter().enumerate().filter(|(_, event)| event.pcr == pcr).collect();
    starts(pcr, context).into_iter().find_map(|start| {
        let mut value = start.start;
        for (position, (_, logged)) in own.iter().enumerate() {
            if quoted == value.into() {
                return Some(own.iter().skip(position).copied().collect());
            }
            value = value.extended_with(logged.digest);
        }
        None
    })
}

/// The values with which the log of `pcr` may begin, one for each platform that keeps launches there.
fn starts(pcr: u8, context: &Context<'_>) -> Vec<LaunchPcr> {
    let launch_pcrs = context.policy.platforms().iter().map(crate::policy::Platform::launch_pcrs);
    launch_pcrs.flat_map(|pcrs| [pcrs.application, pcrs.identity]).filter(|register| register.pcr == pcr).collect()
}

pub(super) fn binding(error: &BindingNotMeasured) -> Explanation {
    let BindingNotMeasured { field, bound, measured } = error;
    let what = format!(
        "the quote is bound to a {field} that no launch measured: a program with access to the same TPM quoted for keys or a model \
         of its own"
    );
    let advice = "Do not trust this gateway: all PCRs may be right, and still somebody else would read the prompts. No policy can allow \
         it.";
    Explanation::new(what, advice).values(measured, bound)
}

/// The launches of the evidence, under the first platform whose PCRs they fit.
pub(super) fn launches(context: &Context<'_>) -> Option<Launches> {
    let events = &context.evidence?.event_log.application;
    let platforms = context.policy.platforms().iter();
    platforms.filter_map(|platform| ApplicationLog::new(events, platform.launch_pcrs()).ok()?.launches().ok()).next()
}
