//! Check 14: what differs from platform and releases, and what the policy would have to say.

use super::{
    Allow, Context, Detail, DetailKind, Explanation, application_log::launches, documents, firmware::with_boot_event,
    key::switch, pcr_meaning,
};
use crate::{
    application::{Part, Parts},
    digest::Sha256Digest,
    hash::Digest,
    policy::{Platform, Release, Weakening},
    verify::NotAllowed,
};

pub(super) fn not_allowed(error: &NotAllowed, context: &Context<'_>) -> Explanation {
    match error {
        NotAllowed::Pcr { platform, pcr, expected, found } => pcr_differs(platform, *pcr, *expected, *found, context),
        NotAllowed::SelfReported { platform } => self_reported(platform),
        NotAllowed::Part { part, release, expected, found } => part_differs(*part, release, *expected, *found, context),
        NotAllowed::NotServing { release } => not_serving(release, context),
        NotAllowed::NothingServes => {
            Explanation::new(error.to_string(), "Mark the release that may serve with status = \"serving\".")
        }
        NotAllowed::PastLaunch { number, part, found } => past_launch(*number, *part, *found, context),
    }
}

fn pcr_differs(name: &str, pcr: u8, expected: Digest, found: Digest, context: &Context<'_>) -> Explanation {
    let bank = expected.algorithm();
    let what = format!("PCR {pcr} of bank {bank} ({}) is not what platform {name:?} has", pcr_meaning(pcr));
    let advice = "Something of the boot changed: an update of firmware, boot loader or kernel, a changed setting, or an attack. If you know \
         of the change, add the value, best as a platform of its own beside the old one.";
    let platforms = context.policy.platforms();
    let position = platforms.iter().position(|platform| platform.name == name);
    let allow = position.map(|index| {
        let key = format!("platform[{index}].pcrs.{bank}.\"{pcr}\"");
        Allow::new(key, format!("platform.pcrs.{bank}.\"{pcr}\" = \"{found}\""))
    });
    let explanation = Explanation::new(what, advice).values(expected, found).allowed_by(allow);
    let explanation = with_boot_event(explanation, pcr, bank, context);
    let others = position.and_then(|index| platforms.get(index)).map_or_else(Vec::new, |p| other_pcrs(p, pcr, context));
    explanation.with_details(others)
}

/// The other PCRs that differ from the same platform.
fn other_pcrs(platform: &Platform, first: u8, context: &Context<'_>) -> Vec<Detail> {
    let Some(evidence) = context.evidence else { return Vec::new() };
    let values = platform.pcrs.iter().flat_map(|(bank, values)| values.iter().map(move |(pcr, value)| (bank, *pcr, *value)));
    let differing = values.filter_map(|(bank, pcr, expected)| {
        let found = evidence.tpm.pcrs.get(bank, pcr).filter(|found| *found != expected && pcr != first)?;
        let subject = format!("PCR {pcr} of bank {bank} ({})", pcr_meaning(pcr));
        Some(Detail::new(DetailKind::Pcr, subject, Some(expected.to_string()), Some(found.to_string())))
    });
    differing.collect()
}

fn self_reported(platform: &str) -> Explanation {
    let what =
        format!("on platform {platform:?} the gateway measures itself, which proves nothing against whoever is root there");
    let advice = "Use a platform whose operating system is immutable and measures the gateway (\"enforced\"); to believe the operator \
         instead, switch the weakening on.";
    Explanation::new(what, advice).allowed_by(Some(switch(Weakening::SelfReported)))
}

fn part_differs(part: Part, name: &str, expected: Sha256Digest, found: Sha256Digest, context: &Context<'_>) -> Explanation {
    let what = format!("the {part} that the gateway runs with is not that of release {name:?}, the nearest in the policy");
    let advice = "If you know and trust the change, add it as a release of its own, with all six digests, rather than changing this one: \
         parts of different releases must not mix.";
    let key = part.policy_key();
    let index = context.policy.releases().iter().position(|release| release.name == name);
    let allow = index.map(|index| Allow::new(format!("release[{index}].{key}"), format!("{key} = \"{found}\"")));
    let explanation = Explanation::new(what, advice).values(expected, found).allowed_by(allow);
    let explanation = with_documents(explanation, part, expected, found, context);
    let other = index.and_then(|index| context.policy.releases().get(index)).map_or_else(Vec::new, |release| {
        launches(context).map_or_else(Vec::new, |launches| other_parts(release, launches.last.parts, part))
    });
    explanation.with_details(other)
}

fn other_parts(release: &Release, found: Parts<Sha256Digest>, first: Part) -> Vec<Detail> {
    let differing = Part::ALL.into_iter().filter(|part| *part != first && release.digest(*part) != found.get(*part));
    let detail = |part: Part| {
        let (expected, found) = (release.digest(part).to_hex(), found.get(part).to_hex());
        Detail::new(DetailKind::Part, part.policy_key(), Some(expected), Some(found))
    };
    differing.map(detail).collect()
}

/// Adds what differs between the documents behind two digests, or says which of them is not at hand.
fn with_documents(
    mut explanation: Explanation,
    part: Part,
    expected: Sha256Digest,
    found: Sha256Digest,
    context: &Context<'_>,
) -> Explanation {
    explanation.notes.extend(context.reference.notes().iter().cloned());
    if part == Part::GatewayBinary {
        return explanation;
    }
    let (expected_document, found_document) = (context.reference.document(expected), context.reference.document(found));
    for (which, digest, document) in [("expected", expected, expected_document), ("found", found, found_document)] {
        if document.is_none() {
            explanation =
                explanation.with_note(format!("the {which} document {digest} is not at hand, so what differs cannot be told"));
        }
    }
    let (Some(expected), Some(found)) = (expected_document, found_document) else { return explanation };
    match documents::differences(part, expected, found) {
        Some(details) => explanation.with_details(details),
        None => explanation.with_note(format!("a document behind the {part} is not of the expected form")),
    }
}

fn not_serving(name: &str, context: &Context<'_>) -> Explanation {
    let what = format!("the gateway runs release {name:?}, which may have run earlier but not serve now");
    let index = context.policy.releases().iter().position(|release| release.name == name);
    let allow = index.map(|index| Allow::new(format!("release[{index}].status"), "status = \"serving\""));
    let advice = "The server has to be updated; mark the release as serving only if it should be trusted again.";
    Explanation::new(what, advice).values("serving", "past").allowed_by(allow)
}

fn past_launch(number: usize, part: Part, found: Sha256Digest, context: &Context<'_>) -> Explanation {
    let what = format!(
        "launch {number} since the server's boot ran another {part} than any release of the policy; what ran once may have left \
         something behind"
    );
    let advice =
        "Reboot the server, so that only what runs now has run; or, if you know what that launch was, add it as \"past\".";
    let explanation = Explanation { found: Some(found.to_hex()), ..Explanation::new(what, advice) };
    let Some((parts, nearest)) = earlier_launch(context, number) else { return explanation };
    let expected = nearest.digest(part);
    let line = past_release(number, parts, nearest);
    let explanation = explanation.values(expected, found).allowed_by(Some(Allow::new("release", line)));
    let aborted = Part::ALL.into_iter().any(|part| parts.get(part).is_none());
    let explanation = with_documents(explanation, part, expected, found, context);
    if !aborted {
        return explanation;
    }
    explanation.with_note(format!(
        "that launch was cut off before it measured everything; the other digests of the entry are those of release {:?}",
        nearest.name
    ))
}

/// What an earlier launch measured, from 1, and the release that is nearest to it.
fn earlier_launch<'a>(context: &Context<'a>, number: usize) -> Option<(Parts<Option<Sha256Digest>>, &'a Release)> {
    let parts = launches(context)?.earlier.get(number.checked_sub(1)?)?.parts;
    let differing = |release: &&Release| {
        Part::ALL.into_iter().filter(|part| parts.get(*part).is_some_and(|found| found != release.digest(*part))).count()
    };
    Some((parts, context.policy.releases().iter().min_by_key(differing)?))
}

/// What the nearest release has for `part`, where an earlier launch had something else.
pub(super) fn part_of(context: &Context<'_>, number: usize, part: Part) -> Option<Sha256Digest> {
    earlier_launch(context, number).map(|(_, nearest)| nearest.digest(part))
}

fn past_release(number: usize, parts: Parts<Option<Sha256Digest>>, nearest: &Release) -> String {
    let digest = |part: Part| parts.get(part).unwrap_or_else(|| nearest.digest(part));
    let digests = Part::ALL.map(|part| format!("{} = \"{}\"", part.policy_key(), digest(part)));
    format!("[[release]]\nname = \"launch {number} since boot\"\nstatus = \"past\"\n{}", digests.join("\n"))
}
