//! `provision`: a policy for this very machine, written on it.

use std::{collections::BTreeMap, path::Path};

use blindllama_attest::{
    application::LaunchPcr,
    digest::Sha256Digest,
    firmware::FirmwareLog,
    hash::HashAlgorithm,
    pcr_banks::PcrBanks,
    policy::{self, ApplicationMeasurements, Platform, PolicyDocument, ReleaseStatus, TpmKind, TrustedAk, WeakeningSwitches},
    tpm::AttestationKey,
};
use blindllama_attest_tpm::Tpm;
use blindllama_engine_vllm::PythonEnvironment;
use blindllama_gateway::{ServedModel, config::GatewayConfig};

use crate::{
    error::GatewayError,
    invocation::Invocation,
    machine::{launch_pcrs, load_config, open_tpm, parse_firmware_log, read_firmware_log},
    release::{MeasuredCode, MeasuredModel, find_weights, hash_weights, parts},
};

/// Seconds from a nonce to its verdict: a slow TPM quotes in under one.
const MAX_EVIDENCE_AGE_SECONDS: u32 = 30;
/// Seconds after which a shim asks for fresh evidence.
const REATTEST_AFTER_SECONDS: u32 = 300;

/// Measures this machine and writes a policy that allows exactly it.
///
/// The policy calls the TPM a program and the measurements self-reported: nothing that this step can see proves more.
pub(crate) fn provision(config: &Path, policy: &Path, invocation: Invocation) -> Result<(), GatewayError> {
    let config = load_config(config)?;
    let tpm = open_tpm(&config)?;
    let document = PolicyDocument {
        version: 1,
        revision: None,
        max_evidence_age_seconds: MAX_EVIDENCE_AGE_SECONDS,
        reattest_after_seconds: REATTEST_AFTER_SECONDS,
        weakening: WeakeningSwitches { allow_software_tpm: true, allow_self_reported: true, ..WeakeningSwitches::default() },
        trusted_ak: vec![trusted_ak(&tpm)?],
        trusted_root: Vec::new(),
        platform: vec![platform(&config, &tpm)?],
        release: vec![release(&config, &invocation.of_serve())?],
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
    let firmware_log = read_firmware_log(config)?;
    let launch = launch_pcrs(config, firmware_log.as_deref())?;
    let mut values = tpm.read_pcrs_blocking()?;
    values.retain(|pcr, _| ![launch.application.pcr, launch.identity.pcr].contains(pcr));
    let firmware_log = parse_firmware_log(config, firmware_log.as_deref())?;
    let start = |register: LaunchPcr| (register.start != Sha256Digest::ZERO).then_some(register.start);
    Ok(Platform {
        name: "this machine, as booted".to_owned(),
        application_measurements: ApplicationMeasurements::SelfReported,
        application_pcr: launch.application.pcr,
        application_pcr_start: start(launch.application),
        identity_pcr: launch.identity.pcr,
        identity_pcr_start: start(launch.identity),
        firmware_log_pcrs: firmware_log.map(|log| explained_pcrs(&log, &values)).unwrap_or_default(),
        firmware_log_bank: None,
        pcrs: PcrBanks::sha256(values),
    })
}

/// The boot PCRs that the firmware log explains now; others have been extended by something else (IMA, a boot loader).
fn explained_pcrs(log: &FirmwareLog, values: &BTreeMap<u8, Sha256Digest>) -> Vec<u8> {
    let explained = |(pcr, value): (&u8, &Sha256Digest)| {
        let fits = log.measures(*pcr) && log.replay(HashAlgorithm::Sha256, *pcr) == Some((*value).into());
        fits.then_some(*pcr)
    };
    values.iter().filter_map(explained).collect()
}

fn release(config: &GatewayConfig, invocation: &Invocation) -> Result<policy::Release, GatewayError> {
    let python = PythonEnvironment::find(&config.engine.python)?;
    let code = MeasuredCode::measure(config, &python, invocation)?;
    let weights = hash_weights(&find_weights(&config.model)?)?;
    let served = ServedModel::load(config.model.served_name(), &config.model.path)?;
    let model = MeasuredModel::new(&weights, served.template_source())?;
    Ok(policy::Release::new(config.model.served_name(), ReleaseStatus::Serving, parts(&code.events, &model)))
}
