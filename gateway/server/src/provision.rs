//! `provision`: a policy for this very machine, written on it.

use std::{collections::BTreeMap, path::Path};

use blindllama_attest::{
    digest::Sha256Digest,
    evidence::PcrBanks,
    firmware::FirmwareLog,
    hash::HashAlgorithm,
    policy::{self, ApplicationMeasurements, Platform, PolicyDocument, ReleaseStatus, TpmKind, TrustedAk, WeakeningSwitches},
    tpm::AttestationKey,
};
use blindllama_attest_tpm::Tpm;
use blindllama_gateway::config::GatewayConfig;

use crate::{
    error::GatewayError,
    machine::{load_config, open_tpm, read_firmware_log},
    release::Release,
};

/// Seconds from a nonce to its verdict: a slow TPM quotes in under one.
const MAX_EVIDENCE_AGE_SECONDS: u32 = 30;
/// Seconds after which a shim asks for fresh evidence.
const REATTEST_AFTER_SECONDS: u32 = 300;

/// Measures this machine and writes a policy that allows exactly it.
///
/// The policy calls the TPM a program and the measurements self-reported: nothing that this step can see proves more.
pub(crate) fn provision(config: &Path, policy: &Path) -> Result<(), GatewayError> {
    let config = load_config(config)?;
    let tpm = open_tpm(&config)?;
    let document = PolicyDocument {
        version: 1,
        max_evidence_age_seconds: MAX_EVIDENCE_AGE_SECONDS,
        reattest_after_seconds: REATTEST_AFTER_SECONDS,
        weakening: WeakeningSwitches { allow_software_tpm: true, allow_self_reported: true },
        trusted_ak: vec![trusted_ak(&tpm)?],
        platform: vec![platform(&config, &tpm)?],
        release: vec![release(&config)?],
    };
    std::fs::write(policy, document.to_toml()?).map_err(|source| GatewayError::File { path: policy.to_owned(), source })?;
    tracing::info!(policy = %policy.display(), "written: it trusts this machine and what it would run now");
    Ok(())
}

fn trusted_ak(tpm: &Tpm) -> Result<TrustedAk, GatewayError> {
    let name = AttestationKey::parse(tpm.ak_public())?.name();
    Ok(TrustedAk { name, machine: "this machine".to_owned(), kind: TpmKind::Software })
}

fn platform(config: &GatewayConfig, tpm: &Tpm) -> Result<Platform, GatewayError> {
    let (application_pcr, identity_pcr) = (config.tpm.application_pcr.get(), config.tpm.identity_pcr.get());
    let mut sha256 = tpm.read_pcrs_blocking()?;
    sha256.retain(|pcr, _| ![application_pcr, identity_pcr].contains(pcr));
    Ok(Platform {
        name: "this machine, as booted".to_owned(),
        application_measurements: ApplicationMeasurements::SelfReported,
        application_pcr,
        identity_pcr,
        firmware_log_pcrs: explained_pcrs(config, &sha256)?,
        pcrs: PcrBanks { sha256 },
    })
}

/// The boot PCRs that the firmware log explains now; others have been extended by something else (IMA, a boot loader).
fn explained_pcrs(config: &GatewayConfig, values: &BTreeMap<u8, Sha256Digest>) -> Result<Vec<u8>, GatewayError> {
    let (Some(log), Some(path)) = (read_firmware_log(config)?, &config.tpm.firmware_log) else { return Ok(Vec::new()) };
    let unusable = |source| GatewayError::FirmwareLog { path: path.clone(), source };
    let log = FirmwareLog::parse(&log).map_err(unusable)?;
    let sha256 = log.require_bank(HashAlgorithm::Sha256).map_err(unusable)?;
    let explained = |(pcr, value): (&u8, &Sha256Digest)| (sha256.replay(*pcr) == (*value).into()).then_some(*pcr);
    Ok(values.iter().filter_map(explained).collect())
}

fn release(config: &GatewayConfig) -> Result<policy::Release, GatewayError> {
    let measured = Release::measure(config)?;
    Ok(policy::Release {
        name: config.model.served_name(),
        status: ReleaseStatus::Serving,
        gateway_binary: measured.binary.sha256,
        config: measured.config.sha256,
        model_weights: measured.weights.manifest_sha256,
    })
}
