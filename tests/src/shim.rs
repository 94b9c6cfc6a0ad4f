//! The real shim under test.

use std::{
    ffi::OsStr,
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use crate::{process::Process, project, reserved_address::ReservedAddress};

/// A running `blindllama connect`.
pub struct Shim {
    /// The process, with its output.
    pub process: Process,
    address: ReservedAddress,
}

impl Shim {
    /// Starts a shim in front of `gateway` and waits until it listens; verified or not is for the test to see.
    pub fn start(gateway: &str, policy: &Path) -> Self {
        let address = ReservedAddress::reserve();
        let mut command = Command::new(project::program("blindllama"));
        command
            .env("NO_COLOR", "1")
            .args(["connect", "--gateway", gateway, "--listen", &address.get().to_string(), "--policy"])
            .arg(policy);
        let process = Process::start("shim", &mut command, "listening", Duration::from_secs(60));
        Self { process, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address.get()
    }

    /// The base URL for OpenAI's SDKs.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address())
    }
}

/// Runs `blindllama` to its end.
pub fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    let mut command = Command::new(project::program("blindllama"));
    command.env("NO_COLOR", "1").args(arguments).output().expect("the shim's program")
}

/// Runs `blindllama` with `--json` to its end: its exit status, and what it said.
///
/// # Panics
/// If that is no JSON.
pub fn told<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> (Option<i32>, serde_json::Value) {
    let arguments = arguments.into_iter().map(|argument| argument.as_ref().to_owned());
    let output = run(arguments.chain(["--json".into()]));
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("blindllama printed no JSON ({error}): {}", String::from_utf8_lossy(&said)));
    (output.status.code(), value)
}

/// Runs `blindllama verify --explain --json` to its end: its exit status, and the verdict.
pub fn verify(gateway: &str, policy: &Path) -> (Option<i32>, serde_json::Value) {
    told(["verify", "--explain", "--gateway", gateway, "--policy"].map(OsStr::new).into_iter().chain([policy.as_os_str()]))
}
