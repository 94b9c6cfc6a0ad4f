//! The machine that the gateway runs on: its TPM, and what its firmware measured.

use std::path::Path;

use blindllama_attest::{
    application::{LaunchPcr, LaunchPcrs},
    digest::Sha256Digest,
    firmware::FirmwareLog,
};
use blindllama_attest_tpm::{Tpm, TpmSettings};
use blindllama_gateway::config::{GatewayConfig, PcrIndex};

use crate::error::GatewayError;

/// Reads the configuration, with every link in the model's path resolved once: what is hashed and what is loaded must not be
/// found by two walks over the same links.
pub(crate) fn load_config(file: &Path) -> Result<GatewayConfig, GatewayError> {
    let mut config = GatewayConfig::load(file)?;
    config.model.name = Some(config.model.served_name());
    let resolved = config.model.path.canonicalize();
    config.model.path = resolved.map_err(|source| GatewayError::File { path: config.model.path.clone(), source })?;
    Ok(config)
}

/// Opens the TPM that the configuration names.
pub(crate) fn open_tpm(config: &GatewayConfig) -> Result<Tpm, GatewayError> {
    Ok(Tpm::open(TpmSettings {
        tcti: config.tpm.tcti.clone(),
        state_dir: config.tpm.state_dir.clone(),
        pcrs: config.tpm.pcrs.iter().copied().map(PcrIndex::get).collect(),
    })?)
}

/// Reads the firmware's log, where the configuration names one.
pub(crate) fn read_firmware_log(config: &GatewayConfig) -> Result<Option<Vec<u8>>, GatewayError> {
    let Some(path) = &config.tpm.firmware_log else { return Ok(None) };
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
    let start = |pcr: u8| LaunchPcr { pcr, start: log.as_ref().map_or(Sha256Digest::ZERO, |log| log.replay(pcr)) };
    Ok(LaunchPcrs { application: start(config.tpm.application_pcr.get()), identity: start(config.tpm.identity_pcr.get()) })
}
