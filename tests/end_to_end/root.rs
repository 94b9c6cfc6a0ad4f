//! Root on the gateway's own machine, with its TPM and its log: what was not measured, or measured and not told, is refused.

use std::sync::Arc;

use blindllama_attest::{
    application::{Event, LoggedEvent, MeasuredFile},
    binding::Binding,
    digest::Sha256Digest,
};
use blindllama_tests::{
    evidence_relay::{Evidence, TlsKey},
    lab::Lab,
};
use serde_json::{Value, json};

use crate::attacks::refuses;

/// Root quotes a key of its own after an honest launch, without extending it: everything is
/// genuine but the claim that this key was measured.
pub fn a_binding_that_was_never_measured() {
    let lab = Lab::launch();
    let key = TlsKey::generate();
    let stolen = Binding { tls_spki_sha256: Sha256Digest::from_bytes(key.spki_sha256()), ..lab.measured.clone() };
    let policy = lab.policy();
    let honest_key = TlsKey::generate();
    let lab = Arc::new(lab);
    let (honest, attacker) = (lab.clone(), lab);
    let as_measured: Evidence = Arc::new(move |nonce| honest.evidence(&nonce, &honest.measured));
    refuses(&policy, honest_key, as_measured, "tls_key_mismatch");
    let bound = stolen.tls_spki_sha256.to_hex();
    let as_claimed: Evidence = Arc::new(move |nonce| attacker.evidence(&nonce, &stolen));
    let verdict = refuses(&policy, key, as_claimed, "binding_not_measured");
    assert_eq!(verdict["explanation"]["found"], bound, "{verdict}");
    assert_eq!(verdict["explanation"]["allow"], Value::Null, "no policy can allow it");
}

/// The evidence of a lab with this log instead of its own.
fn with_log(lab: Arc<Lab>, log: Vec<LoggedEvent>) -> Evidence {
    Arc::new(move |nonce| lab.evidence_with_log(&nonce, &lab.measured, log.clone()))
}

/// One more event of the application, as it would be logged.
fn one_more() -> LoggedEvent {
    let file = MeasuredFile { sha256: Sha256Digest::from_bytes([9; 32]), bytes: 9 };
    LoggedEvent::new(14, Event::GatewayBinary(file)).expect("has a canonical form")
}

/// Written down and not extended, extended and written down, extended and not written down: each has its own explanation.
pub fn what_comes_after_the_seal_is_refused() {
    let lab = Arc::new(Lab::launch());
    let policy = lab.policy();
    let refused = |log: &[LoggedEvent], code| {
        refuses(&policy, TlsKey::generate(), with_log(lab.clone(), log.to_vec()), code)["explanation"].clone()
    };
    let (honest, extra) = (lab.log(), one_more());
    // Everything but the relay's TLS key is in order now, or the rest proves nothing.
    refused(&honest, "tls_key_mismatch");

    let logged = [honest.as_slice(), std::slice::from_ref(&extra)].concat();
    let explanation = refused(&logged, "application_log_mismatch");
    assert!(told(&explanation, "what").contains("ahead of PCR 14"), "{explanation}");
    let entry = format!("entry {} (never extended)", honest.len());
    assert_eq!(explanation["details"][0]["subject"], entry, "{explanation}");
    assert!(told(&explanation["details"][0], "found").starts_with("gateway.binary in PCR 14"), "{explanation}");

    lab.extend(extra.pcr, extra.digest);
    let explanation = refused(&logged, "extended_after_seal");
    let entry = format!("entry {} (after the seal)", honest.len());
    assert_eq!(explanation["details"][0]["subject"], entry, "{explanation}");
    assert!(told(&explanation["details"][0], "found").starts_with("gateway.binary in PCR 14"), "{explanation}");
    assert_eq!(explanation["allow"], Value::Null);

    let explanation = refused(&honest, "application_log_mismatch");
    assert!(told(&explanation, "what").contains("something extended that PCR and is not in the log"), "{explanation}");
    assert_eq!(explanation["details"], json!([]));
}

fn told<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}
