//! The real gateway under test, with its own software TPM behind a proxy that tests can share.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use blindllama_attest::digest::Sha256Digest;
use tempfile::TempDir;

use crate::{process::Process, project, reserved_address::ReservedAddress, software_tpm::SoftwareTpm};

/// How long the gateway may take to measure and load, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(300);

/// What differs from the default configuration, and from the program and model as they were built.
#[derive(Clone)]
pub struct Setup {
    /// The gateway's program file.
    pub program: PathBuf,
    /// The configuration file, as the command line names it.
    pub config: PathBuf,
    /// The model's folder.
    pub model: PathBuf,
    /// Variables of the environment, most of them overrides of the configuration.
    pub overrides: Vec<(String, String)>,
    /// A TCG log that explains the TPM's boot PCRs.
    pub firmware_log: Option<PathBuf>,
}

impl Setup {
    /// The program, model and configuration that `make run` uses, in float32.
    pub fn default_model() -> Self {
        Self::greedy(project::default_model(), "1073741824")
    }

    /// The same with a model of `scripts/model.sh tiny`, served under its folder's name.
    pub fn tiny_model(name: &str) -> Self {
        let mut setup = Self::greedy(project::model(name), "67108864");
        // Random weights would go on with white space wherever JSON allows it.
        let constraints = "{disable_any_whitespace=true}".to_owned();
        setup.overrides.push(("BLINDLLAMA_ENGINE__VLLM__STRUCTURED_OUTPUTS_CONFIG".to_owned(), constraints));
        setup.overrides.push(("BLINDLLAMA_MODEL__NAME".to_owned(), name.to_owned()));
        setup
    }

    fn greedy(model: PathBuf, kv_cache_bytes: &str) -> Self {
        let overrides = [
            ("DTYPE", "float32"),
            ("KV_CACHE_MEMORY_BYTES", kv_cache_bytes),
            ("OVERRIDE_GENERATION_CONFIG", "{temperature=0.0}"),
        ];
        let mut overrides = overrides.map(|(key, value)| (format!("BLINDLLAMA_ENGINE__VLLM__{key}"), value.to_owned())).to_vec();
        // As many OpenMP threads as vLLM's own server had when its answers were recorded.
        overrides.push(("OMP_NUM_THREADS".to_owned(), "2".to_owned()));
        let config = PathBuf::from("configs/gateway.toml");
        let program = project::program("blindllama-gateway");
        Self { program, config, model, overrides, firmware_log: None }
    }
}

/// A machine: a TPM that has booted, and the gateway's state on it.
pub struct Machine {
    folder: TempDir,
    tpm: SoftwareTpm,
    address: ReservedAddress,
}

impl Machine {
    /// Boots a machine with a fresh software TPM.
    pub fn boot() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tpm = SoftwareTpm::start(&folder.path().join("tpm"));
        Self { folder, tpm, address: ReservedAddress::reserve() }
    }

    /// Does what this machine's firmware would have done at boot: extends the TPM with every event of `log`.
    pub fn measure_firmware(&self, log: &Path) {
        let log = std::fs::read(log).expect("the firmware's log");
        for (pcr, digest) in crate::firmware::extends(&log) {
            self.tpm.extend(pcr, Sha256Digest::from_bytes(digest));
        }
    }

    /// Extends a PCR behind the gateway's back.
    pub fn extend(&self, pcr: u8, digest: Sha256Digest) {
        self.tpm.extend(pcr, digest);
    }

    /// The certificate of the authority at the root of this TPM's EK certificates, PEM.
    pub fn ek_authority(&self) -> PathBuf {
        self.path("tpm/ca/swtpm-localca-rootca-cert.pem")
    }

    /// The TCTI that the gateway uses, and anybody else on this machine.
    pub fn tcti(&self) -> String {
        self.tpm.tcti()
    }

    /// Where the gateway keeps the blobs of its attestation key.
    pub fn gateway_state(&self) -> PathBuf {
        self.folder.path().join("gateway")
    }

    /// A path in the machine's own folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The gateway's address, the same for every gateway that runs on this machine.
    pub fn address(&self) -> SocketAddr {
        self.address.get()
    }

    /// The gateway's URL.
    pub fn url(&self) -> String {
        format!("https://{}", self.address())
    }

    /// Writes the policy that trusts this machine and `setup`, as `make run` does.
    pub fn provision(&self, setup: &Setup) -> PathBuf {
        let policy = self.path("policy.toml");
        let output = self.command(setup, "provision").arg("--policy").arg(&policy).output().expect("the gateway's program");
        assert!(output.status.success(), "provisioning failed:\n{}", String::from_utf8_lossy(&output.stderr));
        policy
    }

    /// Starts a gateway and waits until it serves.
    pub fn start_gateway(&self, setup: &Setup) -> Process {
        Process::start("gateway", &mut self.command(setup, "serve"), "the gateway is ready", START_LIMIT)
    }

    /// Starts a gateway without waiting for anything.
    pub fn spawn_gateway(&self, setup: &Setup) -> Process {
        Process::spawn("gateway", &mut self.command(setup, "serve"))
    }

    /// Starts a gateway that must not come to serve; gives all that it says before its end.
    ///
    /// # Panics
    /// If it ends as if all were well.
    pub fn refused_gateway(&self, setup: &Setup) -> String {
        let output = self.command(setup, "serve").output().expect("the gateway's program");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "the gateway ended in order:\n{said}");
        said
    }

    fn command(&self, setup: &Setup, subcommand: &str) -> Command {
        let mut command = Command::new(&setup.program);
        command.current_dir(project::root()).arg(subcommand).arg("--config").arg(&setup.config);
        // The gateway refuses variables that it does not know.
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("TSS2_LOG", "all+NONE").env("NO_COLOR", "1");
        command.env("BLINDLLAMA_SERVER__LISTEN", self.address().to_string());
        command.env("BLINDLLAMA_MODEL__PATH", &setup.model);
        command.env("BLINDLLAMA_TPM__TCTI", self.tcti());
        command.env("BLINDLLAMA_TPM__STATE_DIR", self.gateway_state());
        command.env("BLINDLLAMA_TPM__APPLICATION_LOG", self.path("run/application.log"));
        let intermediate = self.path("tpm/ca/issuercert.pem");
        command.env("BLINDLLAMA_TPM__EK_INTERMEDIATES", format!("[\"{}\"]", intermediate.display()));
        if let Some(log) = &setup.firmware_log {
            command.env("BLINDLLAMA_TPM__FIRMWARE_LOG", log);
        }
        command.envs(setup.overrides.iter().map(|(key, value)| (key, value)));
        command
    }
}

/// Copies a model's folder, so that one file of it can be changed.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("the copy's folder");
    for entry in std::fs::read_dir(from).expect("the model's folder").map(|entry| entry.expect("an entry")) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a copied file");
    }
}
