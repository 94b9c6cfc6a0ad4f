//! Evidence in files: saved, shown, and verified again offline.

use std::{fs, process::Output};

use blindllama_shim::saved_evidence::{InvalidBundle, SavedEvidence};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::{
    cli::{blindllama, text},
    kit::{Evidence, Gateway, unreachable_url},
    soft_tpm::digest,
};

/// A folder with the policy of a gateway and, once fetched, its evidence.
struct Files(TempDir);

impl Files {
    fn of(gateway: &Gateway) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("policy.toml"), gateway.policy_toml()).unwrap();
        Self(folder)
    }

    async fn blindllama(&self, arguments: &[&str]) -> Output {
        let mut command = blindllama(arguments);
        command.current_dir(self.0.path());
        spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn fetch(&self, gateway: &Gateway, more: &[&str]) -> Output {
        let url = gateway.url().to_string();
        self.blindllama(&[&["evidence", "fetch", "--gateway", &url, "--output", "saved.json"], more].concat()).await
    }

    async fn verify(&self, more: &[&str]) -> (i32, String) {
        let output = self.blindllama(&[&["verify", "--evidence", "saved.json", "--policy", "policy.toml"], more].concat()).await;
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    }

    fn bundle(&self) -> Value {
        serde_json::from_slice(&fs::read(self.0.path().join("saved.json")).unwrap()).unwrap()
    }

    fn save(&self, bundle: &Value) {
        fs::write(self.0.path().join("saved.json"), bundle.to_string()).unwrap();
    }
}

async fn fetched() -> (Gateway, Files) {
    let gateway = Gateway::start(Evidence::Honest).await;
    let files = Files::of(&gateway);
    let output = files.fetch(&gateway, &[]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    (gateway, files)
}

#[tokio::test]
async fn saved_evidence_verifies_again_offline_as_of_its_time() {
    let (gateway, files) = fetched().await;
    drop(gateway);
    let mut bundle = files.bundle();
    bundle["fetched_at"] = 1_800_000_000.into();
    files.save(&bundle);
    let (status, printed) = files.verify(&["--explain"]).await;
    assert_eq!(status, 0, "{printed}");
    for words in ["Verified.", "A verdict about the past:", "2027-01-15T08:00:00Z", "word of whoever saved it"] {
        assert!(printed.contains(words), "{words:?} in {printed}");
    }
    let (_, printed) = files.verify(&["--json"]).await;
    let verdict: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((&verdict["verified"], &verdict["at"]), (&json!(true), &json!("2027-01-15T08:00:00Z")));
    assert_eq!(verdict["source"]["kind"], "saved");
}

#[tokio::test]
async fn a_changed_bundle_is_refused() {
    let (_gateway, files) = fetched().await;
    let honest = files.bundle();
    let document = |edit: fn(&mut Value)| {
        let mut document: Value =
            serde_json::from_slice(&data_encoding::BASE64.decode(honest["evidence"].as_str().unwrap().as_bytes()).unwrap())
                .unwrap();
        edit(&mut document);
        json!(data_encoding::BASE64.encode(document.to_string().as_bytes()))
    };
    let cases = [
        ("nonce", json!("56".repeat(32)), "nonce_mismatch"),
        ("connection_spki_sha256", json!(digest(1).to_hex()), "tls_key_mismatch"),
        ("age_ms", json!(30_001), "evidence_too_old"),
        ("evidence", document(|d| d["tpm"]["pcrs"]["sha256"]["4"] = json!(digest(1).to_hex())), "pcr_digest_mismatch"),
        ("evidence", document(|d| d["binding"]["model_sha256"] = json!(digest(1).to_hex())), "qualifying_data_mismatch"),
        ("evidence", json!("AAAA"), "document_malformed"),
    ];
    for (key, value, code) in cases {
        let mut bundle = honest.clone();
        bundle[key] = value;
        files.save(&bundle);
        let (status, printed) = files.verify(&["--json", "--explain"]).await;
        let verdict: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!((status, &verdict["code"]), (1, &json!(code)), "{key}: {printed}");
        assert!(verdict["explanation"]["what"].is_string());
    }
}

#[tokio::test]
async fn a_bundle_is_read_strictly() {
    let (_gateway, files) = fetched().await;
    let honest = files.bundle();
    let parsed = |bundle: &Value| SavedEvidence::parse(bundle.to_string().as_bytes());
    assert!(parsed(&honest).is_ok());
    for (key, value) in
        [("format", json!("blindllama-evidence/v2")), ("surprise", json!(1)), ("nonce", json!("55")), ("fetched_at", json!(-1))]
    {
        let mut bundle = honest.clone();
        bundle[key] = value;
        assert!(parsed(&bundle).is_err(), "{key}");
    }
    let mut without = honest.clone();
    without.as_object_mut().unwrap().remove("activation");
    assert!(matches!(parsed(&without), Err(InvalidBundle::NotExact)));
    let twice =
        honest.to_string().replace("\"manifests\":{}", &format!("\"manifests\":{{\"{0}\":\"\",\"{0}\":\"\"}}", digest(1)));
    assert!(SavedEvidence::parse(twice.as_bytes()).unwrap_err().to_string().contains("twice"));
    files.save(&json!({"format": "blindllama-evidence/v1"}));
    assert_eq!(files.verify(&[]).await.0, 5);
}

#[tokio::test]
async fn manifests_are_saved_where_they_are_what_was_measured() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let files = Files::of(&gateway);
    gateway.serve_manifest(digest(0xa2), b"not what was measured");
    let template = b"{{ messages }}";
    gateway.bend(|s| {
        let measured = blindllama_attest::application::MeasuredFile {
            sha256: blindllama_attest::digest::Sha256Digest::of(&[template]),
            bytes: 14,
        };
        let event = blindllama_attest::application::Event::ChatTemplate(measured);
        s.log[7] = blindllama_attest::application::LoggedEvent::new(14, event).unwrap();
    });
    let measured = blindllama_attest::digest::Sha256Digest::of(&[template]);
    gateway.serve_manifest(measured, template);
    let output = files.fetch(&gateway, &["--manifests"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(files.bundle()["manifests"], json!({measured.to_hex(): data_encoding::BASE64.encode(template)}));
    assert!(text(&output.stderr).contains("hashes to something else"), "{output:?}");
}

#[tokio::test]
async fn evidence_is_shown_without_a_verdict() {
    let (_gateway, files) = fetched().await;
    let output = files.blindllama(&["evidence", "show", "saved.json"]).await;
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for words in
        ["Not verified", "000b", "5000 ms (safe), 3 resets, 1 restarts", "gateway.binary", "launch 1", "firmware log none"]
    {
        assert!(printed.contains(words), "{words:?} in {printed}");
    }
    assert!(!printed.contains("Verified."), "{printed}");
    let output = files.blindllama(&["evidence", "show", "saved.json", "--json"]).await;
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["verified"], &shown["quote"]["resets"]), (&Value::Null, &json!(3)));
}

#[tokio::test]
async fn fetching_tells_whether_there_was_evidence_and_with_a_policy_a_verdict() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let files = Files::of(&gateway);
    let output = files.fetch(&gateway, &["--policy", "policy.toml"]).await;
    assert!(output.status.code() == Some(0) && text(&output.stdout).contains("Verified."), "{output:?}");
    gateway.bend(|s| _ = s.boot_pcrs.insert(4, digest(0x44)));
    let output = files.fetch(&gateway, &["--policy", "policy.toml"]).await;
    assert!(output.status.code() == Some(1) && text(&output.stdout).contains("Saved "), "{output:?}");
    gateway.now_says(Evidence::Status("503 Service Unavailable"));
    assert_eq!(files.fetch(&gateway, &[]).await.status.code(), Some(1));
    let url = unreachable_url().await.to_string();
    let absent = files.blindllama(&["evidence", "fetch", "--gateway", &url, "--output", "saved.json"]).await;
    assert_eq!(absent.status.code(), Some(3), "{absent:?}");
    let nowhere =
        files.blindllama(&["evidence", "fetch", "--gateway", &gateway.url().to_string(), "--output", "no/such/folder"]).await;
    assert_eq!(nowhere.status.code(), Some(1), "{nowhere:?}");
}

#[tokio::test]
async fn a_gateway_and_a_file_exclude_each_other() {
    let (gateway, files) = fetched().await;
    let url = gateway.url().to_string();
    let (status, told) = files.verify(&["--gateway", &url]).await;
    assert!(status == 2 && told.contains("exclude each other"), "{status} {told}");
    // One in the environment is no wish.
    let mut command = blindllama(&["verify", "--evidence", "saved.json", "--policy", "policy.toml"]);
    command.current_dir(files.0.path()).env("BLINDLLAMA_GATEWAY", &url);
    let output = spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}
