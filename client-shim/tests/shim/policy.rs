//! `blindllama policy`, and policies that have to be signed.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use blindllama_attest::{digest::Sha256Digest, policy::Policy};
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::spawn_blocking;

use crate::kit::{Evidence, Gateway, unreachable_url};

/// A folder of a user, with an own memory of policies.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.0.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the command in this folder: its status, and all that it printed.
    fn run(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blindllama"));
        command.args(arguments).env_clear().current_dir(self.0.path());
        let Output { status, stdout, stderr } = command.env("BLINDLLAMA_STATE_DIR", "state").output().unwrap();
        (status.code().unwrap(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
    }

    /// The same while a gateway of this test's runtime answers.
    async fn run_beside<const N: usize>(self, arguments: [&str; N]) -> (Self, i32, String) {
        let arguments = arguments.map(str::to_owned);
        spawn_blocking(move || {
            let (status, told) = self.run(&arguments.each_ref().map(String::as_str));
            (self, status, told)
        })
        .await
        .unwrap()
    }

    /// Makes a key pair as a user would.
    fn openssl_key(&self, private: &str, public: &str) {
        let openssl = |arguments: &[&str]| {
            let output = Command::new("openssl").args(arguments).current_dir(self.0.path()).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        openssl(&["genpkey", "-algorithm", "ed25519", "-out", private]);
        openssl(&["pkey", "-in", private, "-pubout", "-out", public]);
        fs::set_permissions(self.path(private), Permissions::from_mode(0o600)).unwrap();
    }

    /// A folder with a key pair and a signed policy of this revision.
    fn with_signed_policy(text: &str, revision: u32) -> Self {
        let folder = Self::new();
        folder.openssl_key("key", "key.pub");
        folder.sign(text, revision);
        folder
    }

    fn sign(&self, text: &str, revision: u32) {
        self.write("policy.toml", &with_revision(text, revision));
        let (status, told) = self.run(&["policy", "sign", "policy.toml", "--key", "key"]);
        assert_eq!(status, 0, "{told}");
    }
}

fn with_revision(text: &str, revision: u32) -> String {
    text.replacen("version = 1\n", &format!("version = 1\nrevision = {revision}\n"), 1)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn policy_text() -> String {
    Gateway::start(Evidence::Honest).await.policy_toml()
}

#[tokio::test]
async fn a_learned_policy_verifies_its_gateway() {
    let config = br#"{"model":"m"}"#;
    let digest = Sha256Digest::of(&[config]);
    let mut gateway = Gateway::start(Evidence::Honest).await;
    gateway.configure(config);
    gateway.serve_documents(vec![(format!("/attestation/manifests/{digest}"), config.to_vec())]);
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
    let mut gateway = Gateway::start(Evidence::Honest).await;
    gateway.serve_documents(Vec::new());
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
    let mut gateway = Gateway::start(Evidence::Honest).await;
    gateway.configure(measured);
    let path = format!("/attestation/manifests/{}", Sha256Digest::of(&[measured]));
    gateway.serve_documents(vec![(path, b"something else".to_vec())]);
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
    folder.write("maker.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
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
async fn a_signature_by_an_openssl_key_is_checked() {
    let text = policy_text().await;
    let folder = Folder::with_signed_policy(&text, 1);
    let check = ["policy", "verify-signature", "policy.toml", "--key", "key.pub"];
    let (status, told) = folder.run(&check);
    assert!(status == 0 && told.contains("revision 1"), "{told}");
    let signature = folder.read("policy.toml.sig");
    let bare = signature.split(' ').nth(1).unwrap();
    assert_eq!(folder.run(&["policy", "verify-signature", "policy.toml", "--key", bare]).0, 0);
    assert_eq!((folder.run(&["policy", "verify-signature", "policy.toml", "--key", "none.pub"]).0), 5);

    let refused = |why: &str| {
        let (status, told) = folder.run(&check);
        assert!(status == 4 && told.contains(why), "{status} {told}");
    };
    folder.write("policy.toml", &(folder.read("policy.toml") + "# A remark.\n"));
    refused("the policy was changed after it was signed");
    folder.sign(&text, 1);
    folder.write("policy.toml.sig", &signature.replacen(' ', "  ", 1));
    refused("has to be one line");
    fs::remove_file(folder.path("policy.toml.sig")).unwrap();
    refused("(policy_signature_missing)");
    folder.openssl_key("key", "other.pub");
    folder.sign(&text, 1);
    refused("and you trust");
}

#[tokio::test]
async fn only_what_may_be_signed_is_signed() {
    let text = policy_text().await;
    let folder = Folder::with_signed_policy(&text, 1);
    fs::remove_file(folder.path("policy.toml.sig")).unwrap();
    let refused = |key: &str, expected: i32, why: &str| {
        let (status, told) = folder.run(&["policy", "sign", "policy.toml", "--key", key]);
        assert!(status == expected && told.contains(why), "{status} {told}");
        assert!(!folder.path("policy.toml.sig").exists());
    };
    refused("key.pub", 5, "others than you can use it");
    fs::set_permissions(folder.path("key.pub"), Permissions::from_mode(0o600)).unwrap();
    refused("key.pub", 5, "Ed25519 private key");
    fs::set_permissions(folder.path("key"), Permissions::from_mode(0o640)).unwrap();
    refused("key", 5, "its mode is 0640");
    fs::set_permissions(folder.path("key"), Permissions::from_mode(0o600)).unwrap();
    folder.write("policy.toml", &text);
    refused("key", 4, "needs a revision");
    folder.write("policy.toml", "version = 1");
    refused("key", 4, "missing field");
}

const SIGNED: [&str; 4] = ["--policy", "policy.toml", "--policy-key", "key.pub"];

/// Verifies against a gateway, under the signed policy of the folder.
async fn verify(folder: Folder, url: &str) -> (Folder, i32, String) {
    let [a, b, c, d] = SIGNED;
    folder.run_beside(["verify", "--gateway", url, a, b, c, d]).await
}

#[tokio::test]
async fn an_older_policy_never_comes_back() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let (text, url) = (gateway.policy_toml(), gateway.url().to_string());
    let folder = Folder::with_signed_policy(&text, 2);
    for _ in 0..2 {
        let (status, told) = folder.run(&["policy", "verify-signature", "policy.toml", "--key", "key.pub"]);
        assert!(status == 0 && !folder.path("state").exists(), "checking a signature remembers nothing: {told}");
    }
    let mut folder = folder;
    for revision in [2, 2, 5] {
        folder.sign(&text, revision);
        let (again, status, told) = verify(folder, &url).await;
        assert_eq!(status, 0, "revision {revision}: {told}");
        folder = again;
    }
    let state: Value = serde_json::from_str(&folder.read("state/policies.json")).unwrap();
    let seen = state["policies"].as_object().unwrap().values().next().unwrap();
    assert_eq!(seen["revision"], 5);
    assert_eq!((mode(&folder.path("state")), mode(&folder.path("state/policies.json"))), (0o700, 0o600));

    let attestations = gateway.attestations();
    folder.sign(&text, 4);
    let (folder, status, told) = verify(folder, &url).await;
    assert!(status == 4 && told.contains("(policy_rolled_back)") && told.contains("revision 5"), "{told}");
    folder.sign(&(text.clone() + "# A remark.\n"), 5);
    let (folder, status, told) = verify(folder, &url).await;
    assert!(status == 4 && told.contains("(policy_revision_reused)"), "{told}");
    assert_eq!(gateway.attestations(), attestations, "a gateway was asked under a policy that must not be used");

    folder.openssl_key("key", "key.pub");
    folder.sign(&text, 1);
    let (_, status, told) = verify(folder, &url).await;
    assert_eq!(status, 0, "another key counts for itself: {told}");
}

#[tokio::test]
async fn only_what_was_signed_is_remembered() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let (text, url) = (gateway.policy_toml(), gateway.url().to_string());
    let folder = Folder::with_signed_policy(&text, 1);
    folder.write("policy.toml", &with_revision(&text, 9));
    let (folder, status, told) = verify(folder, &url).await;
    assert!(status == 4 && told.contains("(policy_signature_invalid)"), "{told}");
    fs::remove_file(folder.path("policy.toml.sig")).unwrap();
    let (folder, status, told) = verify(folder, &url).await;
    assert!(status == 4 && told.contains("(policy_signature_missing)"), "{told}");
    folder.sign(&text, 1);
    let (_, status, told) = verify(folder, &url).await;
    assert_eq!(status, 0, "{told}");
}

#[tokio::test]
async fn a_memory_that_cannot_be_read_refuses() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let url = gateway.url().to_string();
    let mut folder = Folder::with_signed_policy(&gateway.policy_toml(), 1);
    fs::create_dir(folder.path("state")).unwrap();
    for broken in ["", "{", r#"{"version":2,"policies":{}}"#, r#"{"version":1,"policies":{},"more":1}"#] {
        folder.write("state/policies.json", broken);
        let (again, status, told) = verify(folder, &url).await;
        assert!(status == 5 && told.contains("(policy_history_unusable)"), "{broken}: {told}");
        assert_eq!(again.read("state/policies.json"), broken);
        folder = again;
    }
    fs::remove_dir_all(folder.path("state")).unwrap();
    folder.write("state", "in the way");
    let (_, status, told) = verify(folder, &url).await;
    assert!(status == 5 && told.contains("(policy_history_unusable)"), "{told}");
}

#[tokio::test]
async fn connect_holds_to_the_policy_key_too() {
    let folder = Folder::with_signed_policy(&policy_text().await, 1);
    fs::remove_file(folder.path("policy.toml.sig")).unwrap();
    let [a, b, c, d] = SIGNED;
    let (status, told) = folder.run(&["connect", "--gateway", "https://gateway", "--listen", "127.0.0.1:0", a, b, c, d]);
    assert!(status == 4 && told.contains("(policy_signature_missing)"), "{told}");
}
