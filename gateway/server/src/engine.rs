//! The engine's settings, from the gateway's configuration.

use blindllama_engine_vllm::{Device, PythonEnvironment, VllmSettings};
use blindllama_gateway::config::{self, GatewayConfig};

/// vLLM as the configuration describes it, in an environment that was measured.
pub(crate) fn settings(config: &GatewayConfig, python: PythonEnvironment) -> VllmSettings {
    VllmSettings {
        python,
        model: config.model.path.clone(),
        engine_args: config.engine.vllm.as_map().clone(),
        queue: config.engine.max_requests.get(),
        device: match config.engine.device {
            config::Device::Cpu => Device::Cpu,
            config::Device::Cuda => Device::Cuda,
        },
    }
}
