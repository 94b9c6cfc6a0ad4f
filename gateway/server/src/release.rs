//! What this gateway is: the measurements that a policy's `[[release]]` lists.

use blindllama_attest::application::{Manifest, MeasuredFile, MeasuredManifest};
use blindllama_attest_tpm::measure::{FolderSnapshot, measure_document, measure_folder, measure_own_binary};
use blindllama_gateway::config::GatewayConfig;

use crate::error::GatewayError;

/// Binary, configuration and model of one gateway, measured.
pub(crate) struct Release {
    /// The running program file.
    pub(crate) binary: MeasuredFile,
    /// The effective configuration's meaning.
    pub(crate) config: MeasuredFile,
    /// The same, as canonical JSON.
    pub(crate) config_document: Vec<u8>,
    /// The model folder.
    pub(crate) weights: MeasuredManifest,
    /// The list behind `weights`.
    pub(crate) weights_manifest: Manifest,
    /// The model's files as they were when hashed.
    pub(crate) weights_snapshot: FolderSnapshot,
}

impl Release {
    /// Hashes everything.
    pub(crate) fn measure(config: &GatewayConfig) -> Result<Self, GatewayError> {
        tracing::info!(model = %config.model.path.display(), "measuring the binary, the configuration and the model");
        let config_document = config.measured()?;
        let (weights_manifest, weights_snapshot) = measure_folder(&config.model.path)?;
        let weights = weights_manifest.measured()?;
        tracing::info!(files = weights.files, bytes = weights.bytes, "measured");
        Ok(Self {
            binary: measure_own_binary()?,
            config: measure_document(&config_document),
            config_document,
            weights,
            weights_manifest,
            weights_snapshot,
        })
    }
}
