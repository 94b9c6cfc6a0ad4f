//! `serve`: from nothing to a measured, sealed, listening gateway; then until a signal or the engine's death.

use std::{io, panic, path::Path, sync::Arc, thread};

use blindllama_attest::{application::Manifest, binding::Binding, digest::Sha256Digest, evidence::encoding::Base64Array};
use blindllama_attest_tpm::{ApplicationLog, Tpm, launch::Launch, measure::PackagesSnapshot};
use blindllama_engine_vllm::{PythonEnvironment, VllmEngine, VllmSettings};
use blindllama_gateway::{
    App, Limits, ServedModel,
    config::{Device, GatewayConfig},
    server,
    tls::ServerIdentity,
};
use blindllama_gateway_attester::TpmAttester;

use crate::{
    address::HeldAddress,
    certificates::read_certificates,
    engine,
    error::GatewayError,
    invocation::Invocation,
    logging,
    machine::{launch_pcrs, load_config, open_tpm, read_firmware_log},
    release::{MeasuredCode, MeasuredModel, find_weights, hash_weights},
};

/// Runs the gateway until SIGINT or SIGTERM.
///
/// # Errors
/// Whatever keeps it from starting; and [`GatewayError::EngineDied`], after which the process exits non-zero.
pub(crate) fn serve(config: &Path, invocation: &Invocation) -> Result<(), GatewayError> {
    let config = load_config(config)?;
    // First of all: an address that is taken should not cost a launch.
    let address = HeldAddress::hold(config.server.listen)?;
    let gateway = Gateway::start(&config, invocation)?;
    let engine = Arc::clone(&gateway.engine);
    let outcome = actix_web::rt::System::new().block_on(gateway.run(&config, address));
    // A thread of the server may hold the engine a moment longer, and the process's end would overtake it while vLLM frees the model.
    engine.shutdown();
    outcome
}

/// A gateway whose launch is sealed: from here on nothing about it may change.
struct Gateway {
    engine: Arc<VllmEngine>,
    model: ServedModel,
    attester: TpmAttester,
    identity: ServerIdentity,
}

impl Gateway {
    /// Measures, loads and seals (ADR 11). Code is hashed and extended before any of it runs. The model is hashed while it is
    /// loaded; its files are found before. Before the seal, all files are compared with what was found, and all code that is
    /// mapped must have been hashed.
    fn start(config: &GatewayConfig, invocation: &Invocation) -> Result<Self, GatewayError> {
        let tpm = open_tpm(config)?;
        let firmware_log = read_firmware_log(config)?;
        let python = PythonEnvironment::find(&config.engine.python)?;
        let code = MeasuredCode::measure(config, &python, invocation)?;
        let launch = Launch::begin(open_log(config, &tpm, firmware_log.as_deref())?)?.code(code.events)?;

        let Loaded { engine, served, weights } = Loaded::load(config, engine::settings(config, python, invocation))?;
        code.packages.unchanged().map_err(GatewayError::PackagesChanged)?;
        check_mapped_code(config, &code.packages, &engine)?;
        let model = MeasuredModel::new(&weights, served.template_source())?;
        let launch = launch.model(model.weights, model.chat_template)?;

        let identity = ServerIdentity::generate()?;
        let launch = launch.seal(identity.tls_spki_sha256(), identity.receipt_public_key())?;
        let binding = binding(&identity, model.weights.manifest_sha256);
        let documents = [code.documents, model.documents].concat();
        let certificates = read_certificates(&config.tpm, &tpm)?;
        let attester = TpmAttester::new(tpm, certificates, binding, firmware_log, launch, documents)?;
        Ok(Self { engine: Arc::new(engine), model: served, attester, identity })
    }

    async fn run(self, config: &GatewayConfig, address: HeldAddress) -> Result<(), GatewayError> {
        let limits = Limits {
            max_body_bytes: config.server.max_body_bytes,
            max_requests: config.engine.max_requests,
            activations_per_second: config.tpm.activations_per_second,
            structured: config.limits.structured.clone(),
        };
        let model = self.model.reading(config.model.tool_call_parser, config.model.reasoning_parser);
        let app = App::new(self.engine.clone(), model, Arc::new(self.attester), config.api.clone(), limits);
        let settings = server::Settings { workers: config.server.workers, allow_origins: config.http.cors.allow_origins.clone() };
        logging::silence_all_else().map_err(GatewayError::StandardStreams)?;
        let server = server::serve(app, address.listen()?, &self.identity, settings)?;
        tracing::info!(address = %server.address(), model = %config.model.served_name(), "the gateway is ready");
        let stop = server.stop_handle();
        // In a task of its own: stopping is an exchange with the server, which has to go on running for it.
        let mut running = actix_web::rt::spawn(server);
        let outcome = tokio::select! {
            ended = &mut running => return ended.map_err(io::Error::other).flatten().map_err(GatewayError::Server),
            outcome = end(signalled(), self.engine.stopped()) => outcome,
        };
        tracing::info!("stopping: no new connections; answers in progress may finish");
        stop.stop().await;
        outcome
    }
}

/// Waits for the first reason to stop: a signal is an orderly end, the engine's own end never is.
async fn end<S>(signalled: impl Future<Output = ()>, engine_stopped: impl Future<Output = S>) -> Result<(), GatewayError> {
    tokio::select! {
        () = signalled => Ok(()),
        _ = engine_stopped => Err(GatewayError::EngineDied),
    }
}

fn open_log(config: &GatewayConfig, tpm: &Tpm, firmware_log: Option<&[u8]>) -> Result<ApplicationLog, GatewayError> {
    let pcrs = launch_pcrs(config, firmware_log)?;
    Ok(ApplicationLog::open(&config.tpm.application_log, tpm.clone(), pcrs)?)
}

/// A model that is ready, and the manifest of exactly the files that it was loaded from.
struct Loaded {
    engine: VllmEngine,
    served: ServedModel,
    weights: Manifest,
}

impl Loaded {
    /// Hashes the model and its adapters while the engine starts, and compares them afterwards with what was there before.
    fn load(config: &GatewayConfig, settings: VllmSettings) -> Result<Self, GatewayError> {
        let found = find_weights(&config.model)?;
        let loaded = thread::scope(|scope| {
            let hashing = scope.spawn(|| hash_weights(&found));
            tracing::info!("loading the model");
            let served = ServedModel::load(config.model.served_name(), &config.model.path)?;
            let engine = VllmEngine::start(settings)?;
            let weights = hashing.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))?;
            Ok::<_, GatewayError>(Self { engine, served, weights })
        })?;
        found.unchanged().map_err(GatewayError::ModelChanged)?;
        Ok(loaded)
    }
}

/// Everything that can be executed now must have been hashed before it ran, in the engine's own processes too. Where there is a
/// GPU, Triton compiles its launchers while the model is loaded, into this launch's private folder: code made by measured code,
/// which nobody else could have put there.
fn check_mapped_code(config: &GatewayConfig, packages: &PackagesSnapshot, engine: &VllmEngine) -> Result<(), GatewayError> {
    let mut unmeasured = packages.unmeasured_code()?;
    for mapped in engine.mapped() {
        unmeasured.extend(packages.unmeasured_code_of(mapped)?);
    }
    if config.engine.device == Device::Cuda {
        unmeasured.retain(|path| !path.starts_with(engine.private_folder()));
    }
    if unmeasured.is_empty() { Ok(()) } else { Err(GatewayError::UnmeasuredCode(unmeasured)) }
}

fn binding(identity: &ServerIdentity, model_sha256: Sha256Digest) -> Binding {
    Binding {
        tls_spki_sha256: identity.tls_spki_sha256(),
        receipt_public_key: Base64Array(identity.receipt_public_key()),
        hpke_public_key: None,
        model_sha256,
    }
}

/// Resolves at SIGINT or SIGTERM.
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => signals.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate => {}
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[actix_web::test]
    async fn only_a_signal_is_an_orderly_end() {
        assert!(end(ready(()), pending::<()>()).await.is_ok());
        assert!(matches!(end(pending(), ready(())).await, Err(GatewayError::EngineDied)));
    }
}
