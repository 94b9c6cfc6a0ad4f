//! The engine's settings, from the gateway's configuration; and its other processes.

use std::{path::Path, process::ExitCode};

use blindllama_engine_vllm::{AdapterSettings, Device, Helper, PythonEnvironment, VllmSettings, run_helper};
use blindllama_gateway::config::{self, AdapterConfig, GatewayConfig};

use crate::{error::GatewayError, logging, memory};

/// vLLM as the configuration describes it, in an environment that was measured.
pub(crate) fn settings(config: &GatewayConfig, python: PythonEnvironment) -> VllmSettings {
    let helper = ["engine-process".into(), "--python".into(), python.executable().to_string_lossy().into_owned()];
    VllmSettings {
        python,
        model: config.model.path.clone(),
        adapters: config.model.adapters.iter().map(adapter).collect(),
        engine_args: config.engine.vllm.as_map().clone(),
        queue: config.engine.max_requests.get(),
        own_process: config.engine.own_process,
        helper: helper.into(),
        device: match config.engine.device {
            config::Device::Cpu => Device::Cpu,
            config::Device::Cuda => Device::Cuda,
        },
    }
}

/// Runs a part of the engine in this process, for the gateway that has started it. Gives the exit status.
///
/// # Errors
/// [`GatewayError`], of which nothing quotes content.
pub(crate) fn run_process(python: &Path, helper: Helper) -> Result<ExitCode, GatewayError> {
    memory::keep_off_disk().map_err(GatewayError::CoreDumps)?;
    logging::silence_all_else().map_err(GatewayError::StandardStreams)?;
    let python = PythonEnvironment::find(python)?;
    Ok(ExitCode::from(run_helper(&python, helper)?))
}

fn adapter(AdapterConfig { name, path }: &AdapterConfig) -> AdapterSettings {
    AdapterSettings { name: name.as_str().to_owned(), path: path.clone() }
}
