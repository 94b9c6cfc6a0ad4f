//! The real shim under test.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use crate::{process::Process, project};

/// A running `blindllama connect`.
pub struct Shim {
    /// The process, with its output.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Shim {
    /// Starts a shim in front of `gateway` and waits until it listens; verified or not is for the test to see.
    pub fn start(gateway: &str, policy: &Path) -> Self {
        let address: SocketAddr = ([127, 0, 0, 1], project::free_port()).into();
        let mut command = Command::new(project::program("blindllama"));
        command
            .env("NO_COLOR", "1")
            .args(["connect", "--gateway", gateway, "--listen", &address.to_string(), "--policy"])
            .arg(policy);
        let process = Process::start("shim", &mut command, "listening", Duration::from_secs(60));
        Self { process, address }
    }

    /// The base URL for OpenAI's SDKs.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

/// Runs `blindllama verify --json` to its end.
pub fn verify(gateway: &str, policy: &Path) -> (Output, serde_json::Value) {
    let output = Command::new(project::program("blindllama"))
        .args(["verify", "--json", "--gateway", gateway, "--policy"])
        .arg(policy)
        .output()
        .expect("the shim's program");
    let verdict = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("verify --json printed no JSON ({error}): {}", String::from_utf8_lossy(&output.stdout)));
    (output, verdict)
}
