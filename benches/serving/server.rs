//! The servers that are compared: this project's gateway, and vLLM's own two.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use blindllama_tests::{
    gateway::{Machine, Setup},
    http::{KeptAlive, get},
    process::Process,
    project,
    reserved_address::ReservedAddress,
};
use serde::Serialize;

use crate::{
    load::chat,
    processes::{self, Usage},
};

/// How long a server may take until it answers, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(300);
/// How often a server that starts is asked whether it is there.
const POLL: Duration = Duration::from_millis(10);

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The gateway with vLLM inside its own process, over TLS.
    Gateway,
    /// The gateway with vLLM in a process of its own.
    GatewayApart,
    /// `vllm serve`.
    Serve(Threads),
    /// `vllm serve` with its front end in Rust.
    RustFrontEnd(Threads),
    /// vLLM's engine without a server.
    BareLoop,
}

/// How many OpenMP threads vLLM's worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Threads {
    /// What vLLM takes by itself: one for each core but one.
    Default,
    /// One for each core.
    All,
}

impl Kind {
    /// Whether it is this project's.
    pub(crate) const fn is_gateway(self) -> bool {
        matches!(self, Self::Gateway | Self::GatewayApart)
    }

    /// The column's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "BlindLlama",
            Self::GatewayApart => "BlindLlama, own process",
            Self::Serve(Threads::Default) => "vllm serve",
            Self::Serve(Threads::All) => "vllm serve, all cores",
            Self::RustFrontEnd(Threads::Default) => "vllm-rs",
            Self::RustFrontEnd(Threads::All) => "vllm-rs, all cores",
            Self::BareLoop => "bare loop",
        }
    }
}

/// What every server is given.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    /// The folder's name below `.state/models`.
    pub(crate) name: &'static str,
    pub(crate) dtype: &'static str,
    pub(crate) kv_cache_bytes: u64,
    /// OpenMP threads that the gateway takes by itself.
    pub(crate) threads: usize,
    /// Further variables for the gateway, for trying things out.
    pub(crate) gateway: Vec<(String, String)>,
}

/// A running server.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) model: &'static str,
    pub(crate) address: SocketAddr,
    /// From its start until it answered.
    pub(crate) start: Duration,
    process: Process,
    /// Where the gateway runs.
    pub(crate) machine: Option<Trusted>,
}

/// A machine with a TPM, and the policy that trusts the gateway on it.
pub(crate) struct Trusted {
    pub(crate) machine: Machine,
    pub(crate) policy: PathBuf,
}

impl Trusted {
    fn boot(setup: &Setup) -> Self {
        let machine = Machine::boot();
        let policy = machine.provision(setup);
        Self { machine, policy }
    }
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(crate) async fn start(kind: Kind, model: &Model) -> Self {
        let setup = kind.is_gateway().then(|| gateway_setup(kind, model));
        let machine = setup.as_ref().map(Trusted::boot);
        // Until the server listens.
        let reserved = ReservedAddress::reserve();
        let address = machine.as_ref().map_or_else(|| reserved.get(), |machine| machine.machine.address());
        let started = Instant::now();
        let process = match machine.as_ref().zip(setup) {
            Some((Trusted { machine, .. }, setup)) => machine.spawn_gateway(&setup),
            None => Process::spawn(kind.name(), &mut vllm(kind, model, address)),
        };
        let mut server = Self { kind, model: model.name, address, start: Duration::ZERO, process, machine };
        while !server.answers().await {
            assert!(started.elapsed() < START_LIMIT, "{} does not answer:\n{}", kind.name(), server.process.output());
            assert!(server.process.runs(), "{} has ended:\n{}", kind.name(), server.process.output());
            tokio::time::sleep(POLL).await;
        }
        server.start = started.elapsed();
        server
    }

    async fn answers(&self) -> bool {
        // Nothing listens at first.
        if tokio::net::TcpStream::connect(self.address).await.is_err() {
            return false;
        }
        let answer = self.connect().await.send(get("/v1/models")).await;
        answer.is_ok_and(|answer| answer.status.is_success())
    }

    /// A connection that stays open.
    pub(crate) async fn connect(&self) -> KeptAlive {
        if self.kind.is_gateway() { KeptAlive::connect(self.address).await } else { KeptAlive::connect_plain(self.address).await }
    }

    /// How many tokens a prompt of the load has.
    pub(crate) async fn prompt_tokens(&self) -> usize {
        let answer = self.connect().await.send(chat(self.model, (0, 0), 1, false)).await.unwrap();
        answer.json()["usage"]["prompt_tokens"].as_u64().unwrap().try_into().unwrap()
    }

    /// What all its processes have used so far.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.process.id(), self.kind)
    }

    /// Memory of all its processes in bytes; what several processes of the machine share is divided among them.
    pub(crate) fn memory(&self) -> u64 {
        processes::memory(self.process.id())
    }

    /// Stops it for as long as others are measured: some servers are busy while nobody asks.
    pub(crate) fn pause(&self) {
        processes::signal(self.process.id(), "STOP");
    }

    /// Lets it go on, and waits until it answers: a server that finds its clocks far ahead may take requests for late.
    ///
    /// # Panics
    /// If it has died meanwhile.
    pub(crate) async fn resume(&self) {
        processes::signal(self.process.id(), "CONT");
        let resumed = Instant::now();
        while !self.answers().await {
            assert!(resumed.elapsed() < START_LIMIT, "{} does not answer:\n{}", self.kind.name(), self.process.output());
            tokio::time::sleep(POLL).await;
        }
    }

    /// The value of one of the gateway's metrics.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let answer = self.connect().await.send(get("/metrics")).await.unwrap();
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no metric {name} in {text}")).parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // vLLM's helpers outlive a server that is killed, so all are, those that are stopped too.
        processes::signal(self.process.id(), "KILL");
    }
}

/// The gateway as it is configured by default, with the peers' settings.
fn gateway_setup(kind: Kind, model: &Model) -> Setup {
    let mut setup = Setup::default_model();
    setup.model = project::model(model.name);
    let vllm = |key: &str, value: String| (format!("BLINDLLAMA_ENGINE__VLLM__{key}"), value);
    setup.overrides = vec![
        vllm("DTYPE", model.dtype.to_owned()),
        vllm("KV_CACHE_MEMORY_BYTES", model.kv_cache_bytes.to_string()),
        ("BLINDLLAMA_MODEL__NAME".to_owned(), model.name.to_owned()),
        // As vLLM's servers do, unless they are told otherwise.
        ("BLINDLLAMA_MODEL__REASONING_PARSER".to_owned(), "none".to_owned()),
        ("BLINDLLAMA_MODEL__TOOL_CALL_PARSER".to_owned(), "none".to_owned()),
    ];
    if kind == Kind::GatewayApart {
        setup.overrides.push(("BLINDLLAMA_ENGINE__OWN_PROCESS".to_owned(), "true".to_owned()));
    }
    setup.overrides.extend(model.gateway.iter().cloned());
    setup
}

/// vLLM's own server, with the settings that the gateway gives its engine.
fn vllm(kind: Kind, model: &Model, address: SocketAddr) -> Command {
    let mut command = Command::new(project::state("python/bin/python"));
    command
        .args(["-m", "vllm.entrypoints.cli.main", "serve"])
        .arg(project::model(model.name))
        .args(["--served-model-name", model.name, "--dtype", model.dtype])
        .args(["--host", &address.ip().to_string(), "--port", &address.port().to_string()])
        .args(["--enforce-eager", "--no-enable-prefix-caching", "--disable-log-stats"])
        .args(["--kv-cache-memory-bytes", &model.kv_cache_bytes.to_string()])
        .env("PYTHONPATH", peers().join("metadata"))
        // Compiled code is kept from one start to the next, as in any installation of its own.
        .env("PYTHONPYCACHEPREFIX", peers().join("pycache"))
        .env_remove("PYTHONDONTWRITEBYTECODE")
        .envs([("HF_HUB_OFFLINE", "1"), ("TRANSFORMERS_OFFLINE", "1"), ("VLLM_NO_USAGE_STATS", "1"), ("NO_COLOR", "1")]);
    if matches!(kind, Kind::Serve(Threads::All) | Kind::RustFrontEnd(Threads::All)) {
        let last = std::thread::available_parallelism().unwrap().get() - 1;
        command.env("VLLM_CPU_OMP_THREADS_BIND", format!("0-{last}"));
    }
    if matches!(kind, Kind::RustFrontEnd(_)) {
        command.env("VLLM_USE_RUST_FRONTEND", "1").env("VLLM_RUST_FRONTEND_PATH", peers().join("vllm-rs"));
    }
    command
}

fn peers() -> PathBuf {
    project::state("peers")
}
