//! Strictness of the evidence document: one meaning, one way to write it.

use blindllama_attest::evidence::{EvidenceDocument, InvalidDocument, MAX_APPLICATION_EVENTS};
use serde_json::{Value, json};

use crate::kit::Scenario;

fn malformed(document: &[u8]) -> String {
    match EvidenceDocument::parse(document) {
        Err(InvalidDocument::Malformed { path, reason }) => format!("{path}: {reason}"),
        other => panic!("{other:?}"),
    }
}

fn malformed_after(edit: impl FnOnce(&mut Value)) -> String {
    let mut document: Value = serde_json::from_slice(&Scenario::honest().document()).unwrap();
    edit(&mut document);
    malformed(&serde_json::to_vec(&document).unwrap())
}

fn malformed_with(from: &str, to: &str) -> String {
    let text = String::from_utf8(Scenario::honest().document()).unwrap();
    let changed = text.replacen(from, to, 1);
    assert_ne!(text, changed, "{from} is not in the document");
    malformed(changed.as_bytes())
}

#[test]
fn whitespace_is_free() {
    let document: Value = serde_json::from_slice(&Scenario::honest().document()).unwrap();
    EvidenceDocument::parse(&serde_json::to_vec_pretty(&document).unwrap()).unwrap();
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    assert!(malformed_after(|d| d["extra"] = json!(1)).contains("unknown field `extra`"));
    assert!(malformed_after(|d| d["tpm"]["extra"] = json!(1)).starts_with("tpm"));
    let data = malformed_after(|d| d["event_log"]["application"][2]["data"]["extra"] = json!(1));
    assert!(data.starts_with("event_log.application[2]"), "{data}");
}

#[test]
fn a_duplicate_key_is_refused_at_every_depth() {
    for (key, twice) in [
        ("\"version\":1", "\"version\":1,\"version\":1"),
        ("\"leaf_index\":0", "\"leaf_index\":0,\"leaf_index\":0"),
        ("\"systemd\":null", "\"systemd\":null,\"systemd\":null"),
        ("\"bytes\":4096", "\"bytes\":4096,\"bytes\":4096"),
        ("\"pcr\":14", "\"pcr\":14,\"pcr\":14"),
    ] {
        assert!(malformed_with(key, twice).contains("duplicate field"), "{twice}");
    }
    let pcr = format!("\"0\":\"{}\"", "00".repeat(32));
    assert!(malformed_with(&pcr, &format!("{pcr},{pcr}")).contains("given twice"));
}

#[test]
fn an_array_does_not_stand_for_an_object() {
    for key in ["binding", "nonce_proof", "tpm", "event_log"] {
        let reason = malformed_after(|document| {
            let values = document[key].as_object().unwrap().values().cloned().collect::<Vec<_>>();
            document[key] = values.into();
        });
        assert!(reason.starts_with(key), "{reason}");
    }
    malformed_after(|document| *document = document.as_object().unwrap().values().cloned().collect::<Vec<_>>().into());
    malformed_after(|document| {
        let data = &mut document["event_log"]["application"][2]["data"];
        *data = data.as_object().unwrap().values().rev().cloned().collect::<Vec<_>>().into();
    });
}

#[test]
fn a_missing_key_does_not_stand_for_null() {
    for (object, key) in [("event_log", "firmware"), ("event_log", "systemd"), ("binding", "hpke_public_key")] {
        malformed_after(|document| _ = document[object].as_object_mut().unwrap().remove(key).unwrap());
    }
}

#[test]
fn what_is_not_supported_is_refused() {
    assert!(malformed_after(|document| document["tee"] = json!([{}])).starts_with("tee"));
    assert!(malformed_after(|document| document["tee"] = json!(null)).starts_with("tee"));
    let hpke = malformed_after(|document| document["binding"]["hpke_public_key"] = json!("00".repeat(32)));
    assert!(hpke.starts_with("binding.hpke_public_key"), "{hpke}");
    malformed_after(|document| document["tpm"]["pcrs"]["sm3_256"] = json!({}));
    malformed_after(|document| document["event_log"]["application"][2]["type"] = json!("gateway.other"));
}

#[test]
fn encodings_are_strict() {
    malformed_with("\"version\":1", "\"version\":1.0");
    malformed_with("\"0\":", "\"00\":");
    malformed_with("\"7\":", "\"24\":");
    malformed_with("a1a1", "A1A1");
    malformed_after(|document| {
        let signature = document["tpm"]["signature"].as_str().unwrap().trim_end_matches('=').to_owned();
        document["tpm"]["signature"] = json!(format!("{signature}\n"));
    });
    // 2^53 + 1 has no canonical form; serde would round it.
    malformed_with("\"bytes\":4096", "\"bytes\":9007199254740993");
}

#[test]
fn counts_are_capped() {
    let mut evidence = Scenario::honest().evidence();
    let event = evidence.event_log.application[0].clone();
    evidence.event_log.application = vec![event; MAX_APPLICATION_EVENTS + 1];
    let error = EvidenceDocument::parse(&serde_json::to_vec(&evidence).unwrap()).unwrap_err();
    assert!(matches!(error, InvalidDocument::TooLarge { found: 4097, limit: 4096, .. }), "{error}");
}

#[test]
fn an_error_never_carries_control_characters_or_endless_text() {
    let key = format!("\u{1b}[31m{}", "x".repeat(10_000));
    let reason = malformed_after(|document| document[key.as_str()] = json!(1));
    assert!(!reason.chars().any(char::is_control));
    assert!(reason.chars().count() < 600);
}

/// The worked example of `docs/spec/evidence.md`.
#[test]
fn the_documented_example_holds() {
    let scenario = Scenario::honest();
    let binding = scenario.binding.digest();
    let leaf = blindllama_attest::nonce::leaf(&scenario.nonce, binding);
    let qualifying_data = blindllama_attest::nonce::qualifying_data(1, leaf);
    let event = &scenario.log[2];
    let data = String::from_utf8(event.event.data().unwrap()).unwrap();
    let documentation = include_str!("../../../docs/spec/evidence.md");
    for (what, value) in [
        ("binding_digest", binding.digest().to_hex()),
        ("leaf", leaf.to_hex()),
        ("qualifyingData", qualifying_data.to_hex()),
        ("data", data),
        ("digest", event.digest.to_hex()),
        ("ak name", scenario.policy.trusted_ak[0].name.to_string()),
        ("ak_public", data_encoding::BASE64.encode(&scenario.ak_public())),
    ] {
        assert!(documentation.contains(&value), "docs/spec/evidence.md lacks the {what} {value}");
    }
}
