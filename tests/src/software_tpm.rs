//! A real TPM 2.0 in software (swtpm), one for each test that wants one.

#![allow(clippy::expect_used, clippy::panic, reason = "a test kit fails by panicking")]

use std::{
    fs::File,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use blindllama_attest::digest::Sha256Digest;

use crate::tpm_proxy::{SwtpmSockets, TpmProxy};

/// How long swtpm may take to listen; it normally takes some 50 ms.
const START: Duration = Duration::from_secs(20);

/// A running swtpm that several programs can use at the same time. It is killed when dropped; its state stays in its folder.
pub struct SoftwareTpm {
    folder: PathBuf,
    process: Child,
    proxy: TpmProxy,
}

impl SoftwareTpm {
    /// Makes a TPM with an EK certificate in `folder`, unless there is one, and starts it.
    ///
    /// # Panics
    /// If swtpm is missing or does not start.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        let provisioned = script().arg("provision").arg(folder).status().expect("bash is there");
        assert!(provisioned.success(), "scripts/tpm.sh provision failed");
        let (process, proxy) = launch(folder);
        Self { folder: folder.to_owned(), process, proxy }
    }

    /// Kills the TPM and starts it again, as a power cut would: PCRs are zero afterwards, and nothing is loaded. It is found
    /// at another address then.
    ///
    /// # Panics
    /// As for [`SoftwareTpm::start`].
    pub fn reset(&mut self) {
        self.kill();
        (self.process, self.proxy) = launch(&self.folder);
    }

    /// Where the gateway, or tpm2-tools, find this TPM.
    #[must_use]
    pub fn tcti(&self) -> String {
        self.proxy.tcti()
    }

    /// A tpm2-tools program that talks to this TPM, for what a test does beside a running gateway.
    #[must_use]
    pub fn tool(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("TPM2TOOLS_TCTI", self.tcti()).env("TSS2_LOG", "all+none");
        command
    }

    /// Extends a PCR behind the gateway's back.
    ///
    /// # Panics
    /// If tpm2_pcrextend is missing or fails.
    pub fn extend(&self, pcr: u8, digest: Sha256Digest) {
        let status = self.tool("tpm2_pcrextend").arg(format!("{pcr}:sha256={digest}")).status().expect("tpm2-tools are there");
        assert!(status.success(), "tpm2_pcrextend failed");
    }

    /// The data port, for tests that send raw commands.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.proxy.port()
    }

    /// Where swtpm itself listens, for a test that puts a proxy of its own before it.
    #[must_use]
    pub fn sockets(&self) -> SwtpmSockets {
        sockets(&self.folder)
    }

    fn kill(&mut self) {
        // It may have ended already; waiting reaps it either way.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drop for SoftwareTpm {
    fn drop(&mut self) {
        self.kill();
    }
}

fn script() -> Command {
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/tpm.sh"))
}

fn sockets(folder: &Path) -> SwtpmSockets {
    SwtpmSockets { data: folder.join("data.socket"), control: folder.join("control.socket") }
}

/// Starts swtpm and waits until it listens.
fn launch(folder: &Path) -> (Child, TpmProxy) {
    let sockets = sockets(folder);
    // Among its errors, swtpm says whenever a client goes.
    let log = File::create(folder.join("swtpm.log")).expect("the TPM's folder");
    let mut process = script().arg("start").arg(folder).stderr(log).spawn().expect("bash is there");
    let deadline = Instant::now() + START;
    // A connection to the control socket does not keep commands out.
    while UnixStream::connect(&sockets.control).is_err() {
        let ended = process.try_wait().expect("our own child");
        let said = || std::fs::read_to_string(folder.join("swtpm.log")).unwrap_or_default();
        assert!(ended.is_none(), "swtpm ended, {ended:?}: {}", said());
        assert!(Instant::now() < deadline, "swtpm did not listen below {} within {START:?}", folder.display());
        thread::sleep(Duration::from_millis(5));
    }
    (process, TpmProxy::start(&sockets))
}
