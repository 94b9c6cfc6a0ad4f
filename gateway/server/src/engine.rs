//! The engine's settings, from the gateway's configuration.

use blindllama_engine_vllm::{AdapterSettings, Device, PythonEnvironment, VllmSettings};
use blindllama_gateway::config::{self, AdapterConfig, GatewayConfig};

/// vLLM as the configuration describes it, in an environment that was measured.
pub(crate) fn settings(config: &GatewayConfig, python: PythonEnvironment) -> VllmSettings {
    VllmSettings {
        python,
        model: config.model.path.clone(),
        adapters: config.model.adapters.iter().map(adapter).collect(),
        engine_args: config.engine.vllm.as_map().clone(),
        queue: config.engine.max_requests.get(),
        device: match config.engine.device {
            config::Device::Cpu => Device::Cpu,
            config::Device::Cuda => Device::Cuda,
        },
    }
}

fn adapter(AdapterConfig { name, path }: &AdapterConfig) -> AdapterSettings {
    AdapterSettings { name: name.as_str().to_owned(), path: path.clone() }
}
