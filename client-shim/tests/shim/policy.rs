//! `blindllama policy learn`, `show` and `diff`.

use std::fs;

use blindllama_attest::{digest::Sha256Digest, policy::Policy};
use serde_json::Value;

use crate::kit::{Evidence, Folder, Gateway, policy_text, unreachable_url, with_revision};

const CERTIFICATE: &str = include_str!("../../../attest/tests/vectors/certificates/swtpm/root.pem");

#[tokio::test]
async fn a_learned_policy_verifies_its_gateway() {
    let config = br#"{"model":"m"}"#;
    let digest = Sha256Digest::of(&[config]);
    let gateway = Gateway::start(Evidence::Honest).await;
    gateway.configure(config);
    gateway.serve_manifest(digest, config);
    let url = gateway.url().to_string();

    let learn = ["policy", "learn", "--gateway", &url, "--output", "learned.toml", "--name", "box"];
    let (folder, status, told) = Folder::new().run_beside(learn).await;
    assert_eq!(status, 0, "{told}");
    for words in ["Verified.", "the TPM is a program", "No reference for the model weights", "Wrote learned.toml"] {
        assert!(told.contains(words), "{words:?} in {told}");
    }
    assert_eq!(folder.names(), ["learned.toml", "learned.toml.reference"]);
    assert_eq!(fs::read(folder.path(&format!("learned.toml.reference/manifests/{digest}"))).unwrap(), config);
    assert!(!folder.path("learned.toml.reference/firmware.bin").exists(), "there was no firmware log");
    let text = folder.read("learned.toml");
    for words in [&format!("from {url}: a draft for review"), "#   allow_software_tpm = true, because", "# Increase the revision"]
    {
        assert!(text.contains(words), "{words:?} in {text}");
    }
    let policy = Policy::parse(&text).unwrap();
    assert_eq!((policy.revision(), policy.document().trusted_ak[0].machine.as_str()), (Some(1), "box"));

    let (folder, status, told) = folder.run_beside(["verify", "--gateway", &url, "--policy", "learned.toml"]).await;
    assert_eq!(status, 0, "{told}");
    gateway.configure(b"another one");
    let (_, status, told) = folder.run_beside(["verify", "--gateway", &url, "--policy", "learned.toml"]).await;
    assert!(status == 1 && told.contains("configuration"), "{told}");
}

#[tokio::test]
async fn learning_overwrites_nothing_unless_told() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let url = gateway.url().to_string();
    let folder = Folder::new();
    folder.write("learned.toml", "mine");
    let learn = ["policy", "learn", "--gateway", &url, "--output", "learned.toml"];
    let (folder, status, told) = folder.run_beside(learn).await;
    assert!(status == 5 && told.contains("learned.toml stays as it is"), "{told}");
    assert_eq!((folder.read("learned.toml").as_str(), gateway.attestations()), ("mine", 0));
    let learn = ["policy", "learn", "--gateway", &url, "--output", "learned.toml", "--force"];
    let (folder, status, told) = folder.run_beside(learn).await;
    assert_eq!(status, 0, "{told}");
    Policy::parse(&folder.read("learned.toml")).unwrap();
}

#[tokio::test]
async fn a_gateway_that_contradicts_itself_teaches_nothing() {
    let measured = br#"{"model":"m"}"#;
    let gateway = Gateway::start(Evidence::Honest).await;
    gateway.configure(measured);
    gateway.serve_manifest(Sha256Digest::of(&[measured]), b"something else");
    let url = gateway.url().to_string();
    let learn = ["policy", "learn", "--gateway", &url, "--output", "learned.toml"];
    let (folder, status, told) = Folder::new().run_beside(learn).await;
    assert!(status == 1 && told.contains("serves a document with digest"), "{told}");

    gateway.now_says(Evidence::Replayed("00".repeat(32)));
    let (folder, status, told) = folder.run_beside(learn).await;
    assert!(status == 1 && told.contains("(nonce_mismatch)") && told.contains("Nothing was written."), "{told}");
    gateway.now_says(Evidence::Honest);
    gateway.impersonate();
    let (folder, status, told) = folder.run_beside(learn).await;
    assert!(status == 1 && told.contains("(tls_key_mismatch)"), "{told}");
    gateway.now_says(Evidence::Body(br#"{"\u001b[2J": 1}"#.to_vec()));
    let (folder, status, told) = folder.run_beside(learn).await;
    assert!(status == 1 && told.contains("(document_malformed)") && !told.contains('\u{1b}'), "{told}");
    let absent = unreachable_url().await.to_string();
    let (folder, status, told) = folder.run_beside(["policy", "learn", "--gateway", &absent, "--output", "learned.toml"]).await;
    assert!(status == 3 && told.contains("(gateway_unreachable)"), "{told}");
    assert_eq!(folder.names(), [""; 0]);
}

#[tokio::test]
async fn an_authority_that_certified_nothing_is_not_trusted() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let url = gateway.url().to_string();
    let folder = Folder::new();
    folder.write("maker.pem", CERTIFICATE);
    let learn = ["policy", "learn", "--gateway", &url, "--output", "learned.toml", "--trust-root", "maker.pem"];
    assert_eq!(folder.run(&learn).0, 2, "--certifies and --kind belong to it");
    let [a, b, c, d, e, f, g, h] = learn;
    let learn = [a, b, c, d, e, f, g, h, "--certifies", "attestation-key", "--kind", "hardware"];
    let (folder, status, told) = folder.run_beside(learn).await;
    assert!(status == 1 && told.contains("no certificate of its attestation-key"), "{told}");
    assert_eq!(folder.names(), ["maker.pem"]);
}

#[tokio::test]
async fn show_tells_all_that_a_policy_allows() {
    let folder = Folder::new();
    folder.write("policy.toml", &policy_text().await);
    let (status, told) = folder.run(&["policy", "show", "policy.toml"]);
    assert_eq!(status, 0, "{told}");
    for words in ["trusted key 000b", "my laptop", "pcrs.sha256.7", "release dev", "chat_template", "Weakened by your policy:"] {
        assert!(told.contains(words), "{words:?} in {told}");
    }
    let (status, told) = folder.run(&["policy", "show", "policy.toml", "--json"]);
    let shown: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &shown["weakened"][0]["code"]), (0, &"allow_software_tpm".into()));
    assert_eq!(shown["entries"][2]["section"], "trusted_ak");

    folder.write("policy.toml", "version = 1");
    let (status, told) = folder.run(&["policy", "show", "policy.toml"]);
    assert!(status == 4 && told.contains("(policy_invalid)"), "{told}");
    assert_eq!(folder.run(&["policy", "show", "none.toml"]).0, 4);
}

#[tokio::test]
async fn a_policy_from_elsewhere_cannot_steer_the_terminal() {
    let folder = Folder::new();
    folder.write("policy.toml", &policy_text().await.replace("my laptop", r"my \u001b[2Jlaptop"));
    folder.write("other.toml", &policy_text().await.replace("\"dev\"", "\"\\u001b[2Jdev\""));
    let (status, told) = folder.run(&["policy", "show", "policy.toml"]);
    assert!(status == 0 && !told.contains('\u{1b}'), "{told:?}");
    let (status, told) = folder.run(&["policy", "diff", "policy.toml", "other.toml"]);
    assert!(status == 1 && !told.contains('\u{1b}'), "{told:?}");
    folder.write("policy.toml", "version = \u{1b}[2J");
    let (status, told) = folder.run(&["policy", "show", "policy.toml"]);
    assert!(status == 4 && told.contains("version = \\u{1b}[2J") && !told.contains('\u{1b}'), "{told:?}");
}

#[tokio::test]
async fn diff_tells_what_a_reviewer_needs() {
    let text = policy_text().await;
    let folder = Folder::new();
    folder.write("old.toml", &text.replace("allow_self_reported = true", "allow_self_reported = false"));
    folder.write("same.toml", &format!("# A remark.\n{}", folder.read("old.toml")));
    let (status, told) = folder.run(&["policy", "diff", "old.toml", "same.toml"]);
    assert!(status == 0 && told.contains("allow the same"), "{told}");

    let weights = ["a3".repeat(32), "b3".repeat(32)];
    let pcr = ["07".repeat(32), "77".repeat(32)];
    let new = text.replace(&weights[0], &weights[1]).replace(&pcr[0], &pcr[1]).replace("\"my laptop\"", "\"my server\"");
    folder.write("new.toml", &with_revision(&new, 2).replace("name = \"dev\"", "name = \"next\""));
    let (status, told) = folder.run(&["policy", "diff", "old.toml", "new.toml"]);
    let lines = [
        "  - revision = none\n  + revision = 2\n",
        "  - machine = my laptop\n  + machine = my server\n",
        &format!("  - pcrs.sha256.7 = {}\n  + pcrs.sha256.7 = {}\n", pcr[0], pcr[1]),
        "- release dev\n",
        "+ release next\n  + status = serving\n",
        "Newly weakened: allow_self_reported",
    ];
    for line in lines {
        assert!(told.contains(line), "{line:?} in {told}");
    }
    assert!(status == 1 && !told.contains("pcrs.sha256.6") && !told.contains("kind"), "{told}");

    let (status, told) = folder.run(&["policy", "diff", "old.toml", "new.toml", "--json"]);
    let changes: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((status, &changes["same"], &changes["newly_weakened"][0]), (1, &false.into(), &"allow_self_reported".into()));
    let sections: Vec<_> = changes["changes"].as_array().unwrap().iter().map(|change| &change["section"]).collect();
    assert_eq!(sections, ["policy", "weakening", "trusted_ak", "platform", "release", "release"]);
}

#[tokio::test]
async fn authorities_are_shown_and_compared() {
    let authority = format!(
        "\n[[trusted_root]]\nname = \"maker\"\ncertifies = \"endorsement-key\"\nkind = \"hardware\"\n\
         certificate = \"\"\"\n{CERTIFICATE}\"\"\"\n"
    );
    let machine = |name: &str| format!("[[trusted_root.machine]]\nname = \"{name}\"\nek_sha256 = \"{}\"\n", "ee".repeat(32));
    let folder = Folder::new();
    let old = policy_text().await + &authority + &machine("rack 1");
    folder.write("old.toml", &old);
    folder.write("new.toml", &(old + &machine("rack 2")));
    let (status, told) = folder.run(&["policy", "show", "old.toml"]);
    let digest = Sha256Digest::of(&[include_bytes!("../../../attest/tests/vectors/certificates/swtpm/root.der")]);
    for words in ["trusted authority maker", &format!("sha256 {digest}"), &format!("ek_sha256 {}", "ee".repeat(32))] {
        assert!(status == 0 && told.contains(words), "{words:?} in {told}");
    }
    let (status, told) = folder.run(&["policy", "diff", "old.toml", "new.toml"]);
    assert!(status == 1 && told.contains("+ machine \"rack 2\" = ek_sha256 eeee") && !told.contains("rack 1"), "{told}");
}
