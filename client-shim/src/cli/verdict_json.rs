//! The verdict as one JSON object, `blindllama-verify/v1` (`docs/spec/verify-json.md`).

use blindllama_attest::{
    explain::{CheckResult, Explained, Explanation},
    policy::{Policy, Weakening},
    verify::VerifiedPeer,
};
use serde_json::{Map, Value, json};

use super::{
    judgement::{Judgement, Source},
    policy_file::PolicyFile,
    text::rfc3339,
};
use crate::refusal::Refusal;

const SCHEMA: &str = "blindllama-verify/v1";

pub(super) fn verdict_json(judgement: &Judgement) -> Value {
    let mut object = match &judgement.verdict {
        Ok(verdict) => with_peer(verdict.peer()),
        Err(refusal) => with_refusal(refusal),
    };
    let explanation = judgement.explanation.as_ref().map(|explanation| explained(explanation, &judgement.policy));
    let rest = [
        ("schema", SCHEMA.into()),
        ("checks", judgement.checks().iter().map(check).collect()),
        ("explanation", explanation.unwrap_or(Value::Null)),
        ("weakened", weakenings_json(&judgement.policy.policy)),
        ("at", judgement.at.map(rfc3339).into()),
        ("source", source(&judgement.source)),
    ];
    object.extend(rest.map(|(key, value)| (key.to_owned(), value)));
    object.into()
}

fn with_peer(peer: &VerifiedPeer) -> Map<String, Value> {
    let entries = [
        ("verified", true.into()),
        ("code", "verified".into()),
        ("failed_check", Value::Null),
        ("message", Value::Null),
        ("binding", json!(peer.binding())),
        ("binding_digest", json!(peer.binding_digest().digest())),
        ("release", peer.release().into()),
        ("platform", peer.platform().into()),
        ("machine", peer.machine().into()),
        ("tpm_kind", peer.tpm_kind().to_string().into()),
        ("ak_name", peer.ak_name().to_string().into()),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn with_refusal(refusal: &Refusal) -> Map<String, Value> {
    let failed_check = match refusal {
        Refusal::Evidence(error) => Some(error.check()),
        _ => None,
    };
    let entries = [
        ("verified", false.into()),
        ("code", refusal.code().into()),
        ("failed_check", failed_check.into()),
        ("message", refusal.to_string().into()),
    ];
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn check(check: &Explained) -> Value {
    let result = match check.result {
        CheckResult::Passed => "passed",
        CheckResult::Failed => "failed",
        CheckResult::NotReached => "not_reached",
    };
    json!({"number": check.number, "code": check.code, "result": result, "sentence": check.sentence})
}

fn explained(explanation: &Explanation, policy: &PolicyFile) -> Value {
    let mut value = json!(explanation);
    if let (Some(allow), Some(told)) = (&explanation.allow, value.get_mut("allow").and_then(Value::as_object_mut)) {
        told.insert("file".to_owned(), policy.path().display().to_string().into());
        told.insert("line_number".to_owned(), policy.line_of(&allow.key).into());
    }
    value
}

/// What the policy weakens.
pub(super) fn weakenings_json(policy: &Policy) -> Value {
    policy.weakenings().into_iter().map(weakening).collect()
}

fn weakening(weakening: Weakening) -> Value {
    json!({"code": weakening.code(), "explanation": weakening.explanation()})
}

fn source(source: &Source) -> Value {
    match source {
        Source::Gateway(client) => json!({"kind": "gateway", "gateway": client.url().to_string()}),
        Source::Saved(saved) => json!({"kind": "saved", "gateway": saved.gateway()}),
    }
}
