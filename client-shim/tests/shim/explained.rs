//! `blindllama verify --explain`: what it says about gateways that were refused, each for one reason.

use std::{fs, path::PathBuf};

use blindllama_attest::{
    application::{Event, LoggedEvent, Manifest, ManifestEntry, MeasuredFile, MeasuredManifest},
    digest::Sha256Digest,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::{
    cli::{blindllama, text},
    kit::{Evidence, Gateway},
    soft_tpm::{Scenario, digest, launch, spec_id_event},
};

/// A policy with its reference folder, in a folder of their own.
struct Policy {
    folder: TempDir,
}

impl Policy {
    fn of(gateway: &Gateway) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("policy.toml"), gateway.policy_toml()).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("policy.toml")
    }

    fn refer(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join("policy.toml.reference").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The line, from 1, that starts with `start`.
    fn line(&self, start: &str) -> u64 {
        let text = fs::read_to_string(self.path()).unwrap();
        1 + text.lines().position(|line| line.starts_with(start)).unwrap() as u64
    }

    /// Exit status, and what was printed.
    async fn explain(&self, gateway: &Gateway, more: &[&str]) -> (i32, String) {
        let mut command = blindllama(&["verify", "--gateway", &gateway.url().to_string(), "--explain"]);
        command.arg("--policy").arg(self.path()).args(more);
        let output = spawn_blocking(move || command.output().unwrap()).await.unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    }

    async fn verdict(&self, gateway: &Gateway) -> Value {
        let (status, printed) = self.explain(gateway, &["--json"]).await;
        assert_eq!(status, 1, "{printed}");
        serde_json::from_str(&printed).unwrap()
    }
}

/// The explanation of a gateway that does one thing wrong.
async fn explained(bend: impl FnOnce(&mut Scenario)) -> (Policy, Value) {
    let gateway = Gateway::start(Evidence::Honest).await;
    let policy = Policy::of(&gateway);
    gateway.bend(bend);
    let verdict = policy.verdict(&gateway).await;
    (policy, verdict)
}

fn replace(scenario: &mut Scenario, event: Event) {
    let position = scenario.log.iter().position(|logged| logged.event.kind() == event.kind()).unwrap();
    let pcr = scenario.log[position].pcr;
    scenario.log[position] = LoggedEvent::new(pcr, event).unwrap();
    reseal(scenario);
}

/// The last event repeats the application PCR's value.
fn reseal(scenario: &mut Scenario) {
    let value = blindllama_attest::application::LaunchPcr::zero(14).replay(&scenario.log);
    *scenario.log.last_mut().unwrap() = LoggedEvent::new(15, Event::SealedIdentity(value)).unwrap();
}

#[tokio::test]
async fn all_sixteen_checks_are_told() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let policy = Policy::of(&gateway);
    let (status, printed) = policy.explain(&gateway, &[]).await;
    assert_eq!(status, 0, "{printed}");
    assert_eq!((printed.matches('✓').count(), printed.matches('✗').count()), (16, 0), "{printed}");
    gateway.bend(|s| s.binding.model_sha256 = digest(1));
    let (status, printed) = policy.explain(&gateway, &[]).await;
    let marks = ["✓", "✗", "–"].map(|mark| printed.lines().filter(|line| line.starts_with(mark)).count());
    assert_eq!((status, marks), (1, [12, 1, 3]), "{printed}");
    for words in ["✗ 13  ", "not reached: the policy allows", "Why:", "No line of a policy would allow it.", "What to do:"] {
        assert!(printed.contains(words), "{words:?} in {printed}");
    }
}

#[tokio::test]
async fn json_has_the_documented_keys() {
    let specification = include_str!("../../../docs/spec/verify-json.md");
    let (_, verdict) = explained(|s| _ = s.boot_pcrs.insert(4, digest(0x44))).await;
    for (object, keys) in [("", &verdict), ("explanation", &verdict["explanation"]), ("allow", &verdict["explanation"]["allow"])]
    {
        for key in keys.as_object().unwrap_or_else(|| panic!("{object}: {verdict}")).keys() {
            assert!(specification.contains(&format!("`{key}`")), "{key} of {object:?} is not documented");
        }
    }
    assert_eq!(verdict["schema"], "blindllama-verify/v1");
    assert_eq!(verdict["checks"].as_array().unwrap().len(), 16);
    let results = |number: usize| &verdict["checks"][number - 1]["result"];
    assert_eq!((results(13), results(14), results(15)), (&json!("passed"), &json!("failed"), &json!("not_reached")));
    assert!(verdict["at"].as_str().unwrap().ends_with('Z'));
}

/// TCG_PCR_EVENT2 of the SHA-256 bank.
fn boot_event(pcr: u32, event_type: u32, data: &[u8]) -> Vec<u8> {
    let size = u32::try_from(data.len()).unwrap().to_le_bytes();
    let digest = Sha256Digest::of(&[data]);
    [&pcr.to_le_bytes()[..], &event_type.to_le_bytes(), &1_u32.to_le_bytes(), &[0x0b, 0], digest.as_bytes(), &size, data].concat()
}

/// A log with one event in each of PCRs 0 to 7, and another one in PCR 4; and the values that it leads to.
fn boot(loader: &[u8]) -> (Vec<u8>, Vec<(u8, Sha256Digest)>) {
    let mut log = spec_id_event(&[(0x000b, 32)]);
    let mut values = vec![Sha256Digest::ZERO; 8];
    let events = (0..8).map(|pcr| (pcr, &b"separator"[..])).chain([(4, loader)]);
    for (pcr, data) in events {
        log.extend(boot_event(pcr, 0x8000_0003, data));
        let value = &mut values[pcr as usize];
        *value = value.extended_with(Sha256Digest::of(&[data]));
    }
    (log, (0..8).zip(values).collect())
}

#[tokio::test]
async fn a_changed_boot_loader_is_told_by_its_event() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let (reference, values) = boot(b"the old boot loader");
    gateway.bend(|s| {
        s.boot_pcrs = values.iter().copied().collect();
        s.policy.platform[0].pcrs = blindllama_attest::pcr_banks::PcrBanks::sha256(values.clone());
        s.policy.platform[0].firmware_log_pcrs = (0..8).collect();
        s.firmware = Some(reference.clone());
    });
    let policy = Policy::of(&gateway);
    policy.refer("firmware.bin", &reference);
    let (status, printed) = policy.explain(&gateway, &[]).await;
    assert_eq!(status, 0, "{printed}");
    let (log, values) = boot(b"a new boot loader");
    gateway.bend(|s| {
        s.boot_pcrs = values.iter().copied().collect();
        s.firmware = Some(log);
    });
    let verdict = policy.verdict(&gateway).await;
    assert_eq!(verdict["code"], "pcr_not_allowed", "{verdict}");
    let explanation = &verdict["explanation"];
    let found = values[4].1.to_hex();
    assert!(explanation["what"].as_str().unwrap().contains("PCR 4 of bank sha256 (the boot manager's code"), "{explanation}");
    assert_eq!((&explanation["found"], &explanation["allow"]["key"]), (&json!(found), &json!("platform[0].pcrs.sha256.\"4\"")));
    assert_eq!(explanation["allow"]["line"], format!("platform.pcrs.sha256.\"4\" = \"{found}\""));
    assert_eq!(explanation["allow"]["line_number"], policy.line("4 = "), "{explanation}");
    let event = &explanation["details"][0];
    assert_eq!((&event["kind"], &event["change"]), (&json!("boot_event"), &json!("changed")));
    assert!(event["expected"].as_str().unwrap().contains(&Sha256Digest::of(&[b"the old boot loader"]).to_hex()), "{event}");
    assert!(event["found"].as_str().unwrap().contains(&Sha256Digest::of(&[b"a new boot loader"]).to_hex()), "{event}");
}

fn packages(files: &[(&str, u8)]) -> Manifest {
    let entry = |(path, byte): &(&str, u8)| ManifestEntry { path: (*path).to_owned(), sha256: digest(*byte), bytes: 10 };
    Manifest::new(files.iter().map(entry).collect())
}

fn measure_packages(scenario: &mut Scenario, manifest: &Manifest) {
    replace(scenario, Event::EnginePackages(manifest.measured().unwrap()));
}

/// A gateway with a planted file, its policy, and the manifest of what it runs.
async fn planted() -> (Gateway, Policy, Manifest) {
    let gateway = Gateway::start(Evidence::Honest).await;
    let honest = packages(&[("vllm/a.py", 1), ("vllm/b.py", 1)]);
    gateway.bend(|s| {
        measure_packages(s, &honest);
        s.policy.release[0].engine_packages = honest.measured().unwrap().manifest_sha256;
    });
    let policy = Policy::of(&gateway);
    let name = format!("manifests/{}", honest.measured().unwrap().manifest_sha256);
    policy.refer(&name, &honest.to_bytes().unwrap());
    let found = packages(&[("vllm/a.py", 1), ("vllm/b.py", 2), ("vllm/__pycache__/a.cpython-312.pyc", 3)]);
    gateway.bend(|s| measure_packages(s, &found));
    (gateway, policy, found)
}

#[tokio::test]
async fn a_planted_file_is_told_by_its_path() {
    let (gateway, policy, found) = planted().await;
    let digest = found.measured().unwrap().manifest_sha256;
    gateway.serve_manifest(digest, &found.to_bytes().unwrap());
    let verdict = policy.verdict(&gateway).await;
    assert_eq!(verdict["code"], "engine_packages_not_allowed", "{verdict}");
    let explanation = &verdict["explanation"];
    let changes: Vec<_> = explanation["details"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| (d["subject"].as_str().unwrap(), d["change"].as_str().unwrap()))
        .collect();
    assert_eq!(changes, [("vllm/__pycache__/a.cpython-312.pyc", "added"), ("vllm/b.py", "changed")], "{explanation}");
    assert_eq!(explanation["allow"]["line"], format!("engine_packages = \"{digest}\""));
    assert_eq!(explanation["allow"]["line_number"], policy.line("engine_packages = "), "{explanation}");
    let (_, printed) = policy.explain(&gateway, &[]).await;
    let place = format!("policy.toml:{}", policy.line("engine_packages = "));
    assert!(printed.contains(&place) && printed.contains("added    file vllm/__pycache__"), "{printed}");
}

#[tokio::test]
async fn a_manifest_with_another_hash_is_not_used() {
    let (gateway, policy, found) = planted().await;
    let digest = found.measured().unwrap().manifest_sha256;
    gateway.serve_manifest(digest, &packages(&[("vllm/a.py", 1), ("vllm/b.py", 1)]).to_bytes().unwrap());
    let explanation = policy.verdict(&gateway).await["explanation"].clone();
    let notes = explanation["notes"].to_string();
    assert!(notes.contains(&format!("the document offered for {digest} hashes to")), "{explanation}");
    assert_eq!(explanation["details"], json!([]));
}

#[tokio::test]
async fn a_hundred_changed_files_are_counted() {
    let (gateway, policy, _) = planted().await;
    let names: Vec<String> = (0..100).map(|number| format!("new/{number:03}")).collect();
    let files: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let found = packages(&files);
    gateway.bend(|s| measure_packages(s, &found));
    gateway.serve_manifest(found.measured().unwrap().manifest_sha256, &found.to_bytes().unwrap());
    let explanation = policy.verdict(&gateway).await["explanation"].clone();
    assert_eq!((explanation["details"].as_array().unwrap().len(), &explanation["more_details"]), (20, &json!(82)));
}

#[tokio::test]
async fn a_changed_configuration_is_told_by_its_key() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let (old, new) = (br#"{"engine":{"max_model_len":4096}}"#, br#"{"engine":{"max_model_len":8192},"log_prompts":"\u001b[2J"}"#);
    let measured = |document: &[u8]| MeasuredFile { sha256: Sha256Digest::of(&[document]), bytes: document.len() as u64 };
    gateway.bend(|s| {
        s.policy.release[0].config = measured(old).sha256;
        replace(s, Event::Config(measured(new)));
    });
    gateway.serve_manifest(measured(new).sha256, new);
    let policy = Policy::of(&gateway);
    policy.refer(&format!("manifests/{}", measured(old).sha256), old);
    let verdict = policy.verdict(&gateway).await;
    assert_eq!(verdict["code"], "config_not_allowed", "{verdict}");
    let details = &verdict["explanation"]["details"];
    assert_eq!(
        (&details[0]["subject"], &details[0]["expected"], &details[0]["found"]),
        (&json!("engine.max_model_len"), &json!("4096"), &json!("8192"))
    );
    assert_eq!((&details[1]["subject"], &details[1]["change"]), (&json!("log_prompts"), &json!("added")));
    let (_, printed) = policy.explain(&gateway, &[]).await;
    assert!(!printed.contains('\u{1b}'), "{printed:?}");
}

#[tokio::test]
async fn an_unknown_key_is_told_with_the_block_that_trusts_it() {
    let (policy, verdict) = explained(|s| s.key = p256::ecdsa::SigningKey::from_slice(&[8; 32]).unwrap()).await;
    let allow = &verdict["explanation"]["allow"];
    assert_eq!((&verdict["code"], &allow["key"]), (&json!("ak_not_trusted"), &json!("trusted_ak")), "{verdict}");
    let name = verdict["explanation"]["found"].as_str().unwrap();
    assert!(allow["line"].as_str().unwrap().starts_with(&format!("[[trusted_ak]]\nname = \"{name}\"\n")), "{allow}");
    // The block does what it says.
    let text = fs::read_to_string(policy.path()).unwrap() + "\n" + allow["line"].as_str().unwrap();
    assert!(blindllama_attest::policy::Policy::parse(&text).unwrap().trusted_ak(name.parse().unwrap()).is_some());
}

#[tokio::test]
async fn weakenings_are_told_by_their_switch() {
    for (code, switch) in
        [("software_tpm_not_allowed", "allow_software_tpm"), ("self_reported_not_allowed", "allow_self_reported")]
    {
        let gateway = Gateway::start(Evidence::Honest).await;
        gateway.bend(|s| match code {
            "software_tpm_not_allowed" => s.policy.weakening.allow_software_tpm = false,
            _ => s.policy.weakening.allow_self_reported = false,
        });
        let policy = Policy::of(&gateway);
        let verdict = policy.verdict(&gateway).await;
        let allow = &verdict["explanation"]["allow"];
        assert_eq!(
            (&verdict["code"], &allow["line"]),
            (&json!(code), &json!(format!("[weakening]\n{switch} = true"))),
            "{verdict}"
        );
        assert_eq!(allow["line_number"], policy.line(&format!("{switch} = ")));
    }
}

#[tokio::test]
async fn an_earlier_launch_is_told_with_the_release_that_allows_it() {
    let (policy, verdict) = explained(|s| {
        let spki = s.binding.tls_spki_sha256;
        let mut earlier = Scenario { log: launch(2, &[]), ..Scenario::honest() };
        replace(&mut earlier, Event::Config(MeasuredFile { sha256: digest(1), bytes: 1 }));
        s.log = launch(1, &earlier.log);
        let last = s.log.iter().rposition(|logged| matches!(logged.event, Event::TlsSpki(_))).unwrap();
        s.log[last] = LoggedEvent::new(15, Event::TlsSpki(spki)).unwrap();
    })
    .await;
    let allow = &verdict["explanation"]["allow"];
    assert_eq!((&verdict["code"], &allow["key"]), (&json!("past_launch_not_allowed"), &json!("release")), "{verdict}");
    let block = allow["line"].as_str().unwrap();
    assert!(block.contains("status = \"past\"") && block.contains(&format!("config = \"{}\"", digest(1))), "{block}");
    let text = fs::read_to_string(policy.path()).unwrap() + "\n" + block;
    assert_eq!(blindllama_attest::policy::Policy::parse(&text).unwrap().releases().len(), 2);
}

#[tokio::test]
async fn log_and_pcr_are_told_apart() {
    let written = |s: &mut Scenario| {
        // The log has an event more than the PCR: written, and never extended.
        s.edit_evidence = |evidence| {
            let again = evidence.event_log.application[2].clone();
            evidence.event_log.application.push(again);
        };
    };
    let (_, verdict) = explained(written).await;
    let explanation = &verdict["explanation"];
    assert_eq!(verdict["code"], "application_log_mismatch");
    assert!(explanation["what"].as_str().unwrap().contains("never extended"), "{explanation}");
    assert!(explanation["details"][0]["subject"].as_str().unwrap().starts_with("entry 12"), "{explanation}");

    let extended = |s: &mut Scenario| s.edit_evidence = |evidence| _ = evidence.event_log.application.pop();
    let (_, verdict) = explained(extended).await;
    let explanation = &verdict["explanation"];
    assert_eq!(verdict["code"], "application_log_mismatch");
    assert!(explanation["what"].as_str().unwrap().contains("something extended that PCR and is not in the log"), "{explanation}");
}

#[tokio::test]
async fn other_refusals_say_what_and_why() {
    let cases: [Case; 5] = [
        ("extended_after_seal", |s| s.log.push(s.log[2].clone()), "after the launch was sealed"),
        ("event_digest_mismatch", |s| s.edit_evidence = |e| e.event_log.application[2].digest = digest(0), "relabelled"),
        ("binding_not_measured", |s| s.binding.model_sha256 = digest(1), "no launch measured"),
        ("firmware_log_missing", |s| s.policy.platform[0].firmware_log_pcrs = vec![0], "no firmware log"),
        ("model_weights_not_allowed", other_weights, "model weights"),
    ];
    for (code, bend, words) in cases {
        let gateway = Gateway::start(Evidence::Honest).await;
        gateway.bend(bend);
        let verdict = Policy::of(&gateway).verdict(&gateway).await;
        assert_eq!(verdict["code"], code, "{verdict}");
        let explanation = &verdict["explanation"];
        assert!(explanation["what"].as_str().unwrap().contains(words), "{explanation}");
        assert!(!explanation["advice"].as_str().unwrap().is_empty());
    }
    let gateway = Gateway::start(Evidence::Honest).await;
    let policy = Policy::of(&gateway);
    gateway.impersonate();
    let verdict = policy.verdict(&gateway).await;
    assert_eq!((&verdict["code"], &verdict["explanation"]["allow"]), (&json!("tls_key_mismatch"), &Value::Null));
}

/// A code, what leads to it, and words of its explanation.
type Case = (&'static str, fn(&mut Scenario), &'static str);

fn other_weights(scenario: &mut Scenario) {
    replace(scenario, Event::ModelWeights(MeasuredManifest { manifest_sha256: digest(9), files: 1, bytes: 1 }));
    scenario.binding.model_sha256 = digest(9);
}

#[tokio::test]
async fn without_a_gateway_no_check_is_reached() {
    let gateway = Gateway::start(Evidence::Status("503 Service Unavailable")).await;
    let policy = Policy::of(&gateway);
    let verdict = policy.verdict(&gateway).await;
    let checks = verdict["checks"].as_array().unwrap();
    assert!(checks.len() == 16 && checks.iter().all(|check| check["result"] == "not_reached"), "{verdict}");
    assert_eq!((&verdict["explanation"], &verdict["at"]), (&Value::Null, &Value::Null));
}
