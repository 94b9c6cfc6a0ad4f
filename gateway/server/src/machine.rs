//! The machine that the gateway runs on: its TPM, and what its firmware measured.

use std::path::Path;

use blindllama_attest::{
    application::{LaunchPcr, LaunchPcrs},
    digest::Sha256Digest,
    firmware::FirmwareLog,
    hash::{Digest, HashAlgorithm},
};
use blindllama_attest_tpm::{AkKind, EkKind, Tpm, TpmSettings};
use blindllama_gateway::config::{self, GatewayConfig, PcrIndex};

use crate::error::GatewayError;

/// Reads the configuration, with every link in the paths of the model and its adapters resolved once: what is hashed and what is
/// loaded must not be found by two walks over the same links.
pub(crate) fn load_config(file: &Path) -> Result<GatewayConfig, GatewayError> {
    let mut config = GatewayConfig::load(file)?;
    config.model.name = Some(config.model.served_name());
    let adapters = config.model.adapters.iter_mut().map(|adapter| &mut adapter.path);
    for path in adapters.chain([&mut config.model.path]) {
        *path = path.canonicalize().map_err(|source| GatewayError::File { path: path.clone(), source })?;
    }
    Ok(config)
}

/// Opens the TPM that the configuration names.
pub(crate) fn open_tpm(config: &GatewayConfig) -> Result<Tpm, GatewayError> {
    Ok(Tpm::open(TpmSettings {
        tcti: config.tpm.tcti.clone(),
        state_dir: config.tpm.state_dir.clone(),
        pcrs: config.tpm.pcrs.iter().copied().map(PcrIndex::get).collect(),
        ak: ak_kind(config.tpm.ak),
        ek: ek_kind(config.tpm.ek),
        max_waiting_nonces: config.tpm.max_waiting_nonces.get() as usize,
    })?)
}

const fn ak_kind(configured: config::AkKind) -> AkKind {
    match configured {
        config::AkKind::EcdsaP256 => AkKind::EcdsaP256,
        config::AkKind::EcdsaP384 => AkKind::EcdsaP384,
        config::AkKind::Rsassa2048 => AkKind::Rsassa2048,
        config::AkKind::Rsapss2048 => AkKind::Rsapss2048,
    }
}

const fn ek_kind(configured: config::EkKind) -> EkKind {
    match configured {
        config::EkKind::Rsa2048 => EkKind::Rsa2048,
        config::EkKind::EccP256 => EkKind::EccP256,
        config::EkKind::EccP384 => EkKind::EccP384,
    }
}

/// Reads the firmware's log, where the configuration names one.
pub(crate) fn read_firmware_log(config: &GatewayConfig) -> Result<Option<Vec<u8>>, GatewayError> {
    let Some(path) = &config.tpm.firmware_log else {
        tracing::info!("no firmware log is configured: evidence will explain none of the boot's PCRs");
        return Ok(None);
    };
    std::fs::read(path).map(Some).map_err(|source| GatewayError::File { path: path.clone(), source })
}

/// Parses the firmware's log.
pub(crate) fn parse_firmware_log(config: &GatewayConfig, log: Option<&[u8]>) -> Result<Option<FirmwareLog>, GatewayError> {
    let (Some(log), Some(path)) = (log, &config.tpm.firmware_log) else { return Ok(None) };
    FirmwareLog::parse(log).map(Some).map_err(|source| GatewayError::FirmwareLog { path: path.clone(), source })
}

/// The PCRs of launches, with the values that they had before the first one: what the firmware's log says (`shim`, the boot
/// loader, extends PCR 14), or zero where there is no log.
pub(crate) fn launch_pcrs(config: &GatewayConfig, firmware_log: Option<&[u8]>) -> Result<LaunchPcrs, GatewayError> {
    let log = parse_firmware_log(config, firmware_log)?;
    let explained = |pcr| log.as_ref()?.replay(HashAlgorithm::Sha256, pcr).as_ref().and_then(Digest::as_sha256);
    let start = |pcr| LaunchPcr { pcr, start: explained(pcr).unwrap_or(Sha256Digest::ZERO) };
    Ok(LaunchPcrs { application: start(config.tpm.application_pcr.get()), identity: start(config.tpm.identity_pcr.get()) })
}
