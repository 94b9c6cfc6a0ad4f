//! `--explain`: all sixteen checks, and why one failed.

use blindllama_attest::explain::{Change, CheckResult, Detail, DetailKind, Explained, Explanation};

use super::{
    judgement::Judgement,
    policy_file::PolicyFile,
    style::Style,
    text::{printable, printable_lines},
};

/// The checks, then the explanation where there is one.
pub(super) fn explained(judgement: &Judgement, style: Style) -> String {
    let mut lines: Vec<String> = judgement.checks().iter().map(|check| line_of_check(check, style)).collect();
    if let Some(explanation) = &judgement.explanation {
        lines.push(String::new());
        lines.extend(explanation_lines(explanation, &judgement.policy, style));
        lines.push(String::new());
    }
    lines.join("\n") + "\n"
}

fn line_of_check(check: &Explained, style: Style) -> String {
    let (mark, before) = match check.result {
        CheckResult::Passed => (style.good("✓"), ""),
        CheckResult::Failed => (style.bad("✗"), ""),
        CheckResult::NotReached => (style.faint("–"), "not reached: "),
    };
    format!("{mark} {:>2}  {before}{}  {}", check.number, printable(&check.sentence), style.faint(check.code))
}

fn explanation_lines(explanation: &Explanation, policy: &PolicyFile, style: Style) -> Vec<String> {
    let mut lines = vec![format!("{} {}", style.bad("Why:"), printable(&explanation.what))];
    let value = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("  {name}  {}", printable(value)));
    lines.extend(value("expected", &explanation.expected));
    lines.extend(value("found   ", &explanation.found));
    lines.extend(explanation.details.iter().flat_map(detail_lines));
    if explanation.more_details > 0 {
        lines.push(format!("  … and {} more", explanation.more_details));
    }
    lines.extend(explanation.notes.iter().map(|note| format!("  {} {}", style.faint("note:"), printable(note))));
    lines.extend(allow_lines(explanation, policy, style));
    lines.push(format!("{} {}", style.warning("What to do:"), printable(&explanation.advice)));
    lines
}

fn detail_lines(detail: &Detail) -> Vec<String> {
    let change = match detail.change {
        Change::Added => "added  ",
        Change::Removed => "removed",
        Change::Changed => "changed",
    };
    let kind = match detail.kind {
        DetailKind::BootEvent => "boot event ",
        DetailKind::ApplicationEvent => "log ",
        DetailKind::File => "file ",
        DetailKind::Key => "key ",
        DetailKind::Part => "part ",
        DetailKind::Line | DetailKind::Pcr => "",
    };
    let mut lines = vec![format!("  {change}  {kind}{}", printable(&detail.subject))];
    let value = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("      {name}  {}", printable(value)));
    lines.extend(value("expected", &detail.expected));
    lines.extend(value("found   ", &detail.found));
    lines
}

fn allow_lines(explanation: &Explanation, policy: &PolicyFile, style: Style) -> Vec<String> {
    let Some(allow) = &explanation.allow else {
        return vec![style.faint("  No line of a policy would allow it.")];
    };
    let place = policy.path().display().to_string();
    let place = policy.line_of(&allow.key).map_or_else(|| place.clone(), |line| format!("{place}:{line}"));
    let mut lines = vec![format!("  would be allowed by {} ({}):", printable(&place), allow.key)];
    lines.extend(printable_lines(&allow.line).map(|line| format!("      {line}")));
    lines
}
