//! Why the gateway did not start, or stopped.

use std::{error::Error, io, net::SocketAddr, os::unix::ffi::OsStrExt as _, path::PathBuf};

use blindllama_attest::{canonical_json::NotCanonical, firmware::FirmwareLogError, policy::PolicyError, tpm::AkError};
use blindllama_attest_tpm::{
    LogError, TpmError,
    launch::LaunchError,
    measure::{ChangedFile, MeasureError},
};
use blindllama_engine_vllm::{EnvironmentError, HelperError, StartError};
use blindllama_gateway::{ModelError, config::ConfigError, tls::IdentityError};

use crate::invocation::InvocationError;

/// One variant for each step of the start, so that the message says which one failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error("start")]
    Invocation(#[from] InvocationError),
    #[error("core dumps cannot be turned off")]
    CoreDumps(#[source] io::Error),
    #[error("standard output and standard error cannot be closed to what is not the log")]
    StandardStreams(#[source] io::Error),
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
    #[error("engine.python")]
    Environment(#[from] EnvironmentError),
    #[error("the model's files changed while they were loaded")]
    ModelChanged(#[source] ChangedFile),
    #[error("the engine's packages changed while they were loaded")]
    PackagesChanged(#[source] ChangedFile),
    #[error(
        "code was loaded that is not measured: {}. If it belongs to the system, add it to `libraries` under [engine]; else \
         find out what loads it", printable(.0)
    )]
    UnmeasuredCode(Vec<PathBuf>),
    #[error("model")]
    Model(#[from] ModelError),
    #[error("engine")]
    Engine(#[from] StartError),
    #[error("a process of the engine")]
    EngineProcess(#[from] HelperError),
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

/// Paths for people: what cannot be printed is escaped.
fn printable(paths: &[PathBuf]) -> String {
    let escaped = paths.iter().map(|path| path.as_os_str().as_bytes().escape_ascii().to_string());
    escaped.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_unmeasured_code_is_named_at_once() {
        let error = GatewayError::UnmeasuredCode(vec!["/lib/liba.so".into(), "/lib/\u{1b}b.so".into()]);
        assert!(with_causes(&error).contains(r"not measured: /lib/liba.so, /lib/\x1bb.so. If"), "{error}");
    }
}
