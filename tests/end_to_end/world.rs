//! What the tests share: a machine with a TPM, a gateway on it, and a shim in front.

use std::{future::Future, path::PathBuf, sync::OnceLock};

use blindllama_tests::{
    gateway::{Machine, Setup},
    process::Process,
    project,
    shim::Shim,
};

/// Started when the first test asks, stopped when the last reference goes.
pub struct SharedWorld {
    start: fn() -> World,
    started: OnceLock<World>,
}

impl SharedWorld {
    /// A world that is not started yet.
    pub const fn new(start: fn() -> World) -> Self {
        Self { start, started: OnceLock::new() }
    }

    /// The world, started if it is not yet.
    pub fn get(&self) -> &World {
        self.started.get_or_init(self.start)
    }
}

/// A verified gateway. Fields drop in this order: shim, gateway, machine.
pub struct World {
    /// The shim in front of the gateway.
    pub shim: Shim,
    /// The gateway's process.
    pub gateway: Process,
    /// The machine it runs on.
    pub machine: Machine,
    /// The policy that trusts it.
    pub policy: PathBuf,
    /// The TCG log that explains its boot PCRs.
    pub firmware_log: PathBuf,
    model: &'static str,
}

impl World {
    /// With the model that `make run` uses.
    pub fn default_model() -> Self {
        Self::start(Setup::default_model(), "smollm2-135m-instruct")
    }

    /// With a chat model that knows tools and thinking, and whose answers make no sense.
    pub fn tiny_chat() -> Self {
        Self::start(Setup::tiny_model("tiny-chat"), "tiny-chat")
    }

    /// With an embedding model, whose vectors have 64 dimensions.
    pub fn tiny_embedding() -> Self {
        Self::start(Setup::tiny_model("tiny-embedding"), "tiny-embedding")
    }

    fn start(setup: Setup, model: &'static str) -> Self {
        let firmware_log = project::root().join("attest/tests/vectors/eventlog/sha256-only-intel-board/eventlog.bin");
        let machine = Machine::boot();
        machine.measure_firmware(&firmware_log);
        let setup = Setup { firmware_log: Some(firmware_log.clone()), ..setup };
        let policy = machine.provision(&setup);
        let gateway = machine.start_gateway(&setup);
        let shim = Shim::start(&machine.url(), &policy);
        Self { shim, gateway, machine, policy, firmware_log, model }
    }

    /// The name that the gateway serves its model under.
    pub fn model(&self) -> &'static str {
        self.model
    }

    /// A chat request with one question.
    pub fn chat(&self, question: &str, more: serde_json::Value) -> String {
        let mut request = serde_json::json!({"model": self.model(), "messages": [{"role": "user", "content": question}]});
        for (key, value) in more.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        request.to_string()
    }
}

/// Runs a test's asynchronous part.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(test)
}
