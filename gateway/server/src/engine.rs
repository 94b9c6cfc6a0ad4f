//! The engine's settings, from the gateway's configuration; and its other processes.

use std::{path::Path, process::ExitCode};

use blindllama_engine_vllm::{AdapterSettings, Device, Helper, PythonEnvironment, VllmSettings, run_helper};
use blindllama_gateway::config::{self, AdapterConfig, GatewayConfig};

use crate::{error::GatewayError, invocation::Invocation, memory};

/// vLLM as the configuration describes it, in an environment that was measured.
pub(crate) fn settings(config: &GatewayConfig, python: PythonEnvironment, invocation: &Invocation) -> VllmSettings {
    let helper = helper_arguments(python.executable(), invocation.logs_json());
    VllmSettings {
        python,
        model: config.model.path.clone(),
        adapters: config.model.adapters.iter().map(adapter).collect(),
        engine_args: config.engine.vllm.as_map().clone(),
        queue: config.engine.max_requests.get(),
        own_process: config.engine.own_process,
        helper,
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
pub(crate) fn run_process(python: &Path, helper: Helper, log_json: bool) -> Result<ExitCode, GatewayError> {
    memory::keep_off_disk().map_err(GatewayError::CoreDumps)?;
    let arguments = helper_arguments(python, log_json);
    Ok(ExitCode::from(run_helper(&PythonEnvironment::find(python)?, helper, &arguments)?))
}

/// The command line with which this program is a process of the engine, but for what Python adds.
fn helper_arguments(python: &Path, log_json: bool) -> Vec<String> {
    let mut arguments = vec!["engine-process".to_owned(), "--python".to_owned(), python.to_string_lossy().into_owned()];
    arguments.extend(log_json.then(|| "--log-json".to_owned()));
    arguments
}

fn adapter(AdapterConfig { name, path }: &AdapterConfig) -> AdapterSettings {
    AdapterSettings { name: name.as_str().to_owned(), path: path.clone() }
}
