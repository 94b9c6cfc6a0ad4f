//! Why the gateway did not start, or stopped.

use std::{error::Error, io, net::SocketAddr, path::PathBuf};

use blindllama_attest::{canonical_json::NotCanonical, firmware::FirmwareLogError, policy::PolicyError, tpm::AkError};
use blindllama_attest_tpm::{
    LogError, TpmError,
    launch::LaunchError,
    measure::{ChangedFile, MeasureError},
};
use blindllama_gateway::{ModelError, config::ConfigError, tls::IdentityError};

/// One variant for each step of the start, so that the message says which one failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error("configuration")]
    Config(#[from] ConfigError),
    #[error("TPM")]
    Tpm(#[from] TpmError),
    #[error("application log")]
    Log(#[from] LogError),
    #[error("launch")]
    Launch(#[from] LaunchError),
    #[error("measuring")]
    Measure(#[from] MeasureError),
    #[error("a measurement has no canonical form")]
    Canonical(#[from] NotCanonical),
    #[error("the model's files changed while they were loaded")]
    ModelChanged(#[from] ChangedFile),
    #[error("model")]
    Model(#[from] ModelError),
    #[error("engine")]
    Engine(#[from] blindllama_engine_vllm::StartError),
    #[error("the engine has died; nothing can be served any more")]
    EngineDied,
    #[error("identity")]
    Identity(#[from] IdentityError),
    #[error("attestation key")]
    AttestationKey(#[from] AkError),
    #[error("firmware log {path:?}")]
    FirmwareLog { path: PathBuf, source: FirmwareLogError },
    #[error("policy")]
    Policy(#[from] PolicyError),
    #[error("{path:?}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path:?} holds no certificate: give one in DER, or one or more in PEM")]
    Certificate { path: PathBuf },
    #[error("evidence")]
    Evidence(#[from] serde_json::Error),
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("HTTP server")]
    Start(#[from] blindllama_gateway::server::StartError),
    #[error("HTTP server")]
    Server(#[source] io::Error),
}

/// The error and everything below it, in one line.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
