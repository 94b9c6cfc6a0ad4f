//! The gateway's configuration: a TOML file, overridden by the environment, read strictly.
//!
//! A variable `BLINDLLAMA_<SECTION>__<KEY>` overrides `<key>` of `[<section>]`: `BLINDLLAMA_SERVER__LISTEN`,
//! `BLINDLLAMA_ENGINE__VLLM__DTYPE`.

mod adapters;
mod api;
mod error;
mod limits;
mod measured;
mod sections;
mod tpm;
mod vllm;

use std::{fs, path::Path};

use figment::{
    Figment, Profile,
    providers::{Env, Serialized},
};
use serde::Deserialize;

pub use adapters::{AdapterConfig, AdapterName};
pub use api::{ApiConfig, UnknownParameters};
pub use error::ConfigError;
pub use limits::{LimitsConfig, StructuredLimits};
pub use sections::{CorsConfig, Device, EngineConfig, FormatChoice, FormatWord, HttpConfig, ModelConfig, ServerConfig};
pub use tpm::{AkKind, EkKind, PcrIndex, TpmConfig};
pub use vllm::VllmArguments;

pub use crate::output::{ReasoningFormat, ToolFormat};

/// Everything the gateway is told.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// The HTTP server.
    #[serde(default)]
    pub server: ServerConfig,
    /// What HTTP clients may do.
    #[serde(default)]
    pub http: HttpConfig,
    /// The model that is served.
    pub model: ModelConfig,
    /// How the model is run.
    pub engine: EngineConfig,
    /// How much one request may ask for.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// How requests are read, and answers are written.
    #[serde(default)]
    pub api: ApiConfig,
    /// Where evidence comes from.
    pub tpm: TpmConfig,
}

impl GatewayConfig {
    /// Reads `file`, and over it the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, the key and what would be right.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(file).map_err(|source| ConfigError::Unreadable { file: file.to_owned(), source })?;
        let table: toml::Table =
            toml::from_str(&text).map_err(|source| ConfigError::NotToml { file: file.to_owned(), source: Box::new(source) })?;
        // Settings live in sections, so a variable without `__` is none of ours: the command line's own, perhaps.
        let environment = Env::prefixed("BLINDLLAMA_").filter(|key| key.as_str().contains("__")).split("__");
        let config: Self = Figment::from(Serialized::from(table, Profile::Default))
            .merge(environment)
            .extract()
            .map_err(|error| ConfigError::invalid(file, error))?;
        let served = config.model.served_name();
        if config.model.adapters.iter().any(|adapter| adapter.name.as_str() == served) {
            return Err(ConfigError::adapter_called_as_model(file, &served));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests;
