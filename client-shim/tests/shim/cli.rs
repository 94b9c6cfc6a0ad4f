//! The command line: what it prints, and its exit status.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::task::spawn_blocking;

use crate::kit::{Client, Evidence, Gateway, unreachable_url};

pub(crate) fn policy_file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

pub(crate) fn blindllama(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blindllama"));
    command.args(arguments).env_clear();
    command
}

async fn verify(gateway: &Gateway, url: &str, more: &[&str]) -> Output {
    let policy = policy_file(&gateway.policy_toml());
    let mut command = blindllama(&["verify", "--gateway", url, "--policy", policy.path().to_str().unwrap()]);
    command.args(more);
    let output = spawn_blocking(move || command.output().unwrap()).await.unwrap();
    drop(policy);
    output
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn verify_tells_each_check_and_the_weakenings() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let output = verify(&gateway, &gateway.url().to_string(), &[]).await;
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(&output.stderr));
    for number in 1..=16 {
        assert!(printed.contains(&format!("✓ {number:>2}  ")), "check {number} in {printed}");
    }
    for words in ["Verified.", "the TPM is a program", "the gateway measures itself", &gateway.binding_digest()] {
        assert!(printed.contains(words), "{words:?} in {printed}");
    }
    assert!(!printed.contains('\u{1b}'), "colours without a terminal: {printed:?}");
}

#[tokio::test]
async fn verify_speaks_json() {
    let gateway = Gateway::start(Evidence::Honest).await;
    let output = verify(&gateway, &gateway.url().to_string(), &["--json"]).await;
    let verdict: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{verdict}");
    assert_eq!((&verdict["verified"], verdict["checks"].as_array().unwrap().len()), (&true.into(), 16));
    assert_eq!(verdict["checks"][2]["code"], "nonce");
    assert_eq!(verdict["weakened"][0]["code"], "allow_software_tpm");
    assert_eq!(format!("sha256:{}", verdict["binding_digest"].as_str().unwrap()), gateway.binding_digest());
    for key in ["release", "platform", "machine", "ak_name", "tpm_kind"] {
        assert!(!verdict[key].as_str().unwrap().is_empty(), "{key}");
    }
}

#[tokio::test]
async fn verify_tells_a_refusal_from_an_absence() {
    let gateway = Gateway::start(Evidence::Replayed("00".repeat(32))).await;
    let refused = verify(&gateway, &gateway.url().to_string(), &["--json"]).await;
    let verdict: Value = serde_json::from_slice(&refused.stdout).unwrap();
    assert_eq!(
        (refused.status.code(), &verdict["code"], &verdict["failed_check"]),
        (Some(1), &"nonce_mismatch".into(), &3.into())
    );
    assert_eq!((&verdict["verified"], &verdict["weakened"][1]["code"]), (&false.into(), &"allow_self_reported".into()));

    let absent = verify(&gateway, &unreachable_url().await.to_string(), &[]).await;
    assert_eq!(absent.status.code(), Some(3));
    assert!(text(&absent.stdout).starts_with("Not verified: the gateway cannot be reached"), "{}", text(&absent.stdout));
}

#[tokio::test]
async fn a_gateway_cannot_steer_the_terminal() {
    let gateway = Gateway::start(Evidence::Body(br#"{"\u001b[2J": 1}"#.to_vec())).await;
    let output = verify(&gateway, &gateway.url().to_string(), &[]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stdout.contains(&0x1b) && !output.stderr.contains(&0x1b), "{output:?}");
}

fn status_and_stderr(arguments: &[&str]) -> (i32, String) {
    let output = blindllama(arguments).output().unwrap();
    (output.status.code().unwrap(), text(&output.stderr))
}

#[test]
fn wrong_usage_is_told() {
    let policy = policy_file("");
    let policy = policy.path().to_str().unwrap();
    let (status, told) = status_and_stderr(&["verify", "--gateway", "http://gateway", "--policy", policy]);
    assert!(status == 2 && told.contains("the gateway must be reached over TLS"), "{status} {told}");
    let connect = ["connect", "--gateway", "https://gateway", "--policy", policy, "--listen", "0.0.0.0:0"];
    let (status, told) = status_and_stderr(&connect);
    assert!(status == 2 && told.contains("--allow-remote-clients"), "{status} {told}");
}

#[test]
fn a_policy_that_cannot_be_used_is_told() {
    for policy in [policy_file("version = 1\nsurprise = true"), policy_file("version =")] {
        let (status, told) =
            status_and_stderr(&["verify", "--gateway", "https://gateway", "--policy", policy.path().to_str().unwrap()]);
        assert!(status == 4 && told.contains("cannot be used"), "{status} {told}");
    }
    let (status, told) = status_and_stderr(&["connect", "--gateway", "https://gateway", "--policy", "no/such/file"]);
    assert!(status == 4 && told.contains("no/such/file"), "{status} {told}");
}

/// A running `blindllama connect`; killed when dropped.
struct Connect {
    child: Child,
    _policy: NamedTempFile,
}

impl Connect {
    fn start(gateway: &Gateway) -> Self {
        let policy = policy_file(&gateway.policy_toml());
        let (url, path) = (gateway.url().to_string(), policy.path().to_str().unwrap().to_owned());
        let mut command = blindllama(&["connect", "--gateway", &url, "--policy", &path, "--listen", "127.0.0.1:0"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, _policy: policy }
    }

    /// All of the banner, and the address at its end.
    async fn banner(&mut self) -> (String, std::net::SocketAddr) {
        let stdout = BufReader::new(self.child.stdout.take().unwrap());
        let banner = spawn_blocking(move || {
            let mut banner = String::new();
            for line in stdout.lines() {
                banner += &(line.unwrap() + "\n");
                if banner.contains("base_url") {
                    break;
                }
            }
            banner
        });
        let banner = banner.await.unwrap();
        let address = banner.split("base_url=\"http://").nth(1).unwrap().split("/v1").next().unwrap().parse().unwrap();
        (banner, address)
    }

    async fn terminate(mut self) -> (Option<i32>, String) {
        let killed = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(killed.success());
        spawn_blocking(move || {
            let logged = std::io::read_to_string(self.child.stderr.take().unwrap()).unwrap();
            (self.child.wait().unwrap().code(), logged)
        })
        .await
        .unwrap()
    }
}

impl Drop for Connect {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn connect_tells_what_was_verified_and_serves_until_stopped() {
    let mut gateway = Gateway::start(Evidence::Honest).await;
    let mut connect = Connect::start(&gateway);
    let (banner, address) = connect.banner().await;
    for words in ["Verified.", "the TPM is a program", "the gateway measures itself"] {
        assert!(banner.contains(words), "{words:?} in {banner}");
    }
    gateway.answer_all("HTTP/1.1 204 No Content\r\n\r\n");
    let mut client = Client::to(address).await;
    client.send_canary().await;
    assert_eq!(client.reply().await.status, 204);
    let (status, logged) = connect.terminate().await;
    assert_eq!(status, Some(0));
    assert!(logged.contains("the TPM is a program") && !logged.contains("canary"), "{logged}");
}

#[tokio::test]
async fn connect_goes_on_where_the_gateway_is_refused() {
    let gateway = Gateway::start(Evidence::Status("503 Service Unavailable")).await;
    let mut connect = Connect::start(&gateway);
    let (banner, address) = connect.banner().await;
    assert!(banner.contains("Not verified: the gateway answered") && banner.contains("evidence_unavailable"), "{banner}");
    let mut client = Client::to(address).await;
    client.send_canary().await;
    assert_eq!(client.reply().await.status, 502);
    assert!(gateway.saw_only_attestation());
}
