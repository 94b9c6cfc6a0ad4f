//! `serve`: from nothing to a measured, sealed, listening gateway; then until a signal or the engine's death.

use std::{io, net::TcpListener, path::Path, sync::Arc};

use blindllama_attest::{binding::Binding, evidence::encoding::Base64Array};
use blindllama_attest_tpm::{
    ApplicationLog, Tpm,
    launch::{Launch, SealedLaunch},
};
use blindllama_engine_vllm::VllmEngine;
use blindllama_gateway::{App, Limits, ServedModel, config::GatewayConfig, server, tls::ServerIdentity};

use crate::{
    attester::TpmAttester,
    certificates::Certificates,
    engine,
    error::GatewayError,
    machine::{load_config, open_tpm, read_firmware_log},
    release::Release,
};

/// Runs the gateway until SIGINT or SIGTERM.
///
/// # Errors
/// Whatever keeps it from starting; and [`GatewayError::EngineDied`], after which the process exits non-zero.
pub(crate) fn serve(config: &Path) -> Result<(), GatewayError> {
    let config = load_config(config)?;
    // A port that is taken should not cost a launch. It is given back until the gateway is ready, so that whoever connects
    // before that is told so at once.
    drop(listen(&config)?);
    let gateway = Gateway::start(&config)?;
    actix_web::rt::System::new().block_on(gateway.run(&config))
}

/// A gateway whose launch is sealed: from here on nothing about it may change.
struct Gateway {
    engine: Arc<VllmEngine>,
    model: ServedModel,
    attester: TpmAttester,
    identity: ServerIdentity,
}

impl Gateway {
    /// Measures, loads and seals, in this order: hashes are taken and extended before anything is loaded, and files are
    /// compared with what was hashed after loading and before the seal.
    fn start(config: &GatewayConfig) -> Result<Self, GatewayError> {
        let tpm = open_tpm(config)?;
        let firmware_log = read_firmware_log(config)?;
        let release = Release::measure(config)?;
        let launch = Launch::begin(open_log(config, &tpm)?)?;
        let launch = launch.application(release.binary, release.config, release.weights)?;

        tracing::info!("loading the model");
        let model = ServedModel::load(config.model.served_name(), &config.model.path)?;
        let engine = VllmEngine::start(engine::settings(config))?;
        release.weights_snapshot.unchanged()?;

        let identity = ServerIdentity::generate()?;
        let launch = launch.seal(identity.tls_spki_sha256(), identity.receipt_public_key())?;
        let certificates = Certificates::read(&config.tpm, &tpm)?;
        let attester = attester(tpm, certificates, &identity, release, firmware_log, launch)?;
        Ok(Self { engine: Arc::new(engine), model, attester, identity })
    }

    async fn run(self, config: &GatewayConfig) -> Result<(), GatewayError> {
        let limits = Limits {
            max_body_bytes: config.server.max_body_bytes,
            max_requests: config.engine.max_requests,
            activations_per_second: config.tpm.activations_per_second,
        };
        let app = App::new(self.engine.clone(), self.model, Arc::new(self.attester), limits);
        let server = server::serve(app, listen(config)?, &self.identity, config.server.workers)?;
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

fn listen(config: &GatewayConfig) -> Result<TcpListener, GatewayError> {
    let address = config.server.listen;
    TcpListener::bind(address).map_err(|source| GatewayError::Listen { address, source })
}

fn open_log(config: &GatewayConfig, tpm: &Tpm) -> Result<ApplicationLog, GatewayError> {
    let (application, identity) = (config.tpm.application_pcr.get(), config.tpm.identity_pcr.get());
    Ok(ApplicationLog::open(&config.tpm.application_log, tpm.clone(), application, identity)?)
}

fn attester(
    tpm: Tpm,
    certificates: Certificates,
    identity: &ServerIdentity,
    release: Release,
    firmware_log: Option<Vec<u8>>,
    launch: SealedLaunch,
) -> Result<TpmAttester, GatewayError> {
    let binding = Binding {
        tls_spki_sha256: identity.tls_spki_sha256(),
        receipt_public_key: Base64Array(identity.receipt_public_key()),
        hpke_public_key: None,
        model_sha256: release.weights.manifest_sha256,
    };
    let documents = vec![release.weights_manifest.to_bytes()?, release.config_document];
    Ok(TpmAttester::new(tpm, certificates, binding, firmware_log, launch, documents)?)
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
