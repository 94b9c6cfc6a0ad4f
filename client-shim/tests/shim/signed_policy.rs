//! Policies that have to be signed, and never roll back.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::Barrier,
};

use blindllama_attest::policy::{PolicySignature, PolicySigningKey, SignedPolicy};
use blindllama_shim::policy::history::{History, HistoryError};
use serde_json::Value;

use crate::kit::{Evidence, Folder, Gateway, policy_text, with_revision};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
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

/// The test key of RFC 8032, section 7.1, test 1.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

#[tokio::test]
async fn verifications_at_the_same_time_remember_the_highest_revision() {
    let text = policy_text().await;
    let key = PolicySigningKey::from_pkcs8_pem(KEY).unwrap();
    let signed = |revision| {
        let policy = with_revision(&text, revision).into_bytes();
        PolicySignature::sign(&policy, &key).unwrap().verify(&policy, &key.public()).unwrap()
    };
    // The highest first: one that is still at work on an older memory would then undo it.
    let policies: Vec<_> = (1..=8).rev().map(signed).collect();
    for _ in 0..16 {
        let folder = Folder::new();
        let history = History::in_folder(folder.path("state"));
        admit_all_at_once(&history, &policies);
        let refused = history.admit(&signed(7)).unwrap_err();
        assert!(matches!(refused, HistoryError::RolledBack { given: 7, seen: 8 }), "{refused}");
        assert_eq!(fs::read_dir(folder.path("state")).unwrap().count(), 2, "a temporary file was left");
    }
}

fn admit_all_at_once(history: &History, policies: &[SignedPolicy]) {
    let all_ready = Barrier::new(policies.len());
    std::thread::scope(|scope| {
        for policy in policies {
            scope.spawn(|| {
                all_ready.wait();
                match history.admit(policy) {
                    Ok(()) | Err(HistoryError::RolledBack { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            });
        }
    });
}
