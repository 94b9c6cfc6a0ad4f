//! What a bundle holds, for people and as JSON. No verdict: everything here is what somebody wrote down.

use blindllama_attest::{
    application::{Event, LoggedEvent},
    evidence::EvidenceDocument,
    explain::pcr_meaning,
    firmware::FirmwareLog,
    hash::HashAlgorithm,
    tpm::{AttestationKey, Quote},
};
use serde_json::{Value, json};

use super::{
    style::Style,
    text::{printable, rfc3339},
};
use crate::saved_evidence::SavedEvidence;

pub(super) fn as_text(bundle: &SavedEvidence, document: &EvidenceDocument, style: Style) -> String {
    let mut lines = vec![
        style.warning("Not verified: this shows what the file says. `blindllama verify --evidence` judges it."),
        format!("gateway      {}", printable(bundle.gateway())),
        format!("fetched      {}, {} ms after the nonce was sent", rfc3339(bundle.fetched_at()), bundle.age().as_millis()),
        format!("nonce        {} (the document answers {})", bundle.nonce().to_hex(), printable(&document.nonce)),
        format!("connection   sha256:{}", bundle.connection_spki_sha256()),
    ];
    lines.extend(binding(document));
    lines.push(format!("key          {}", attestation_key(document)));
    lines.push(certificates(bundle, document));
    lines.extend(quote(document));
    lines.extend(pcrs(document));
    lines.push(format!("firmware log {}", firmware_log(document)));
    lines.extend(application_log(document));
    lines.extend(bundle.manifests().map(|(digest, bytes)| format!("manifest     {digest}, {} bytes", bytes.len())));
    lines.join("\n")
}

fn binding(document: &EvidenceDocument) -> [String; 4] {
    let binding = &document.binding;
    [
        format!("binding      sha256:{}", binding.digest().digest()),
        format!("  TLS key      sha256:{}", binding.tls_spki_sha256),
        format!("  receipt key  {:?}", binding.receipt_public_key),
        format!("  model        sha256:{}", binding.model_sha256),
    ]
}

fn attestation_key(document: &EvidenceDocument) -> String {
    match AttestationKey::parse(&document.tpm.ak_public.0) {
        Ok(key) => format!("{}, a restricted signing key", key.name()),
        Err(error) => printable(&error.to_string()),
    }
}

fn certificates(bundle: &SavedEvidence, document: &EvidenceDocument) -> String {
    let (ak, ek) = (document.tpm.ak_certificates.len(), document.tpm.ek_certificates.len());
    let activated = bundle.activation().map_or_else(String::new, |activation| {
        format!("; {} was activated with endorsement key sha256:{}", activation.ak_name, activation.ek_spki_sha256)
    });
    format!("certificates {ak} of the attestation key, {ek} of the endorsement key{activated}")
}

fn quote(document: &EvidenceDocument) -> Vec<String> {
    let quote = match Quote::parse(&document.tpm.quote.0) {
        Ok(quote) => quote,
        Err(error) => return vec![format!("quote        {}", printable(&error.to_string()))],
    };
    let clock = quote.clock;
    let safe = if clock.safe { "safe" } else { "not safe" };
    let mut lines = vec![
        format!("quote        TPM firmware {:#018x}", quote.firmware_version),
        format!("  clock        {} ms ({safe}), {} resets, {} restarts", clock.clock, clock.reset_count, clock.restart_count),
    ];
    lines.extend(quote.selections.iter().map(|selection| {
        let bank = HashAlgorithm::from_tpm_id(selection.hash);
        let bank = bank.map_or_else(|| format!("{:#06x}", selection.hash), |bank| bank.name().to_owned());
        format!("  selection    {bank} {:?}", selection.pcrs)
    }));
    lines
}

fn pcrs(document: &EvidenceDocument) -> Vec<String> {
    let values = document.tpm.pcrs.iter().flat_map(|(bank, values)| values.iter().map(move |value| (bank, value)));
    values.map(|(bank, (pcr, value))| format!("PCR {pcr:>2}       {bank} {value}  {}", pcr_meaning(*pcr))).collect()
}

fn firmware_log(document: &EvidenceDocument) -> String {
    let Some(log) = &document.event_log.firmware else { return "none".to_owned() };
    match FirmwareLog::parse(&log.0) {
        Ok(parsed) => format!("{} events in {} bytes", parsed.events().len(), log.0.len()),
        Err(error) => format!("{} bytes: {}", log.0.len(), printable(&error.to_string())),
    }
}

fn application_log(document: &EvidenceDocument) -> Vec<String> {
    let events = &document.event_log.application;
    let mut lines = vec![format!("application  {} events", events.len())];
    let mut launch = 0_usize;
    for (index, logged) in events.iter().enumerate() {
        if begins(events, index) {
            launch = launch.saturating_add(1);
            lines.push(format!("  launch {launch}"));
        }
        let data = data(logged);
        lines.push(format!("    PCR {:>2}  {:<20} {}", logged.pcr, logged.event.kind(), printable(&data)));
    }
    lines
}

/// Whether a launch begins at `index`: its first `launch.begin`, not the one in the other PCR.
fn begins(events: &[LoggedEvent], index: usize) -> bool {
    let is_begin = |index: Option<usize>| {
        let logged = index.and_then(|index| events.get(index));
        logged.is_some_and(|logged| matches!(logged.event, Event::LaunchBegin(_)))
    };
    is_begin(Some(index)) && !is_begin(index.checked_sub(1))
}

fn data(logged: &LoggedEvent) -> String {
    logged.event.data().ok().and_then(|data| String::from_utf8(data).ok()).unwrap_or_default()
}

pub(super) fn as_json(bundle: &SavedEvidence, document: &EvidenceDocument) -> Value {
    let key = AttestationKey::parse(&document.tpm.ak_public.0);
    json!({
        "schema": "blindllama-evidence-show/v1",
        "verified": Value::Null,
        "gateway": bundle.gateway(),
        "fetched_at": rfc3339(bundle.fetched_at()),
        "age_ms": bundle.age().as_millis() as u64,
        "nonce": bundle.nonce().to_hex(),
        "connection_spki_sha256": bundle.connection_spki_sha256(),
        "binding": document.binding,
        "binding_digest": document.binding.digest().digest(),
        "ak_name": key.ok().map(|key| key.name().to_string()),
        "ak_certificates": document.tpm.ak_certificates.len(),
        "ek_certificates": document.tpm.ek_certificates.len(),
        "activation": bundle.activation(),
        "quote": quote_json(document),
        "pcrs": document.tpm.pcrs,
        "firmware_events": document.event_log.firmware.as_ref().and_then(|log| Some(FirmwareLog::parse(&log.0).ok()?.events().len())),
        "application": document.event_log.application,
        "manifests": bundle.manifests().map(|(digest, _)| digest).collect::<Vec<_>>(),
    })
}

fn quote_json(document: &EvidenceDocument) -> Value {
    let Ok(quote) = Quote::parse(&document.tpm.quote.0) else { return Value::Null };
    let selections = quote.selections.iter().map(|selection| {
        let bank = HashAlgorithm::from_tpm_id(selection.hash).map(HashAlgorithm::name);
        json!({"bank": bank, "hash": selection.hash, "pcrs": selection.pcrs})
    });
    json!({
        "clock_ms": quote.clock.clock, "resets": quote.clock.reset_count, "restarts": quote.clock.restart_count,
        "safe": quote.clock.safe, "firmware_version": format!("{:#018x}", quote.firmware_version),
        "selections": selections.collect::<Vec<_>>(),
    })
}
