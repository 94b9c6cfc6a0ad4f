//! What this gateway is: the measurements that a policy's `[[release]]` lists.

use blindllama_attest::{
    application::{Manifest, MeasuredFile, MeasuredManifest, Parts},
    digest::Sha256Digest,
};
use blindllama_attest_tpm::{
    launch::Code,
    measure::{ModelSnapshot, PackageSources, PackagesSnapshot, SearchedPlace, measure_document, measure_own_binary},
};
use blindllama_engine_vllm::{PythonEnvironment, SearchPathEntry};
use blindllama_gateway::config::{GatewayConfig, ModelConfig};

use crate::{error::GatewayError, invocation::Invocation, libraries, progress};

/// The code of one gateway and how it was started: what is measured before an interpreter runs.
pub(crate) struct MeasuredCode {
    /// What the log says.
    pub(crate) events: Code,
    /// The documents behind those digests: the packages' manifest, the configuration's meaning, command line and environment.
    pub(crate) documents: Vec<Vec<u8>>,
    /// The packages' files as they were when hashed.
    pub(crate) packages: PackagesSnapshot,
}

impl MeasuredCode {
    /// Hashes everything that can be executed.
    pub(crate) fn measure(
        config: &GatewayConfig,
        python: &PythonEnvironment,
        invocation: &Invocation,
    ) -> Result<Self, GatewayError> {
        let (config_document, launch_document) = (config.measured()?, invocation.document()?);
        let snapshot = packages(config, python)?;
        let manifest = progress::shown("the engine's packages", snapshot.bytes(), |progress| snapshot.measure(progress))?;
        let (packages, packages_document) = described(&manifest)?;
        Ok(Self {
            events: Code {
                binary: measure_own_binary()?,
                packages,
                config: measure_document(&config_document),
                launch: measure_document(&launch_document),
            },
            documents: vec![packages_document, config_document, launch_document],
            packages: snapshot,
        })
    }
}

fn packages(config: &GatewayConfig, python: &PythonEnvironment) -> Result<PackagesSnapshot, GatewayError> {
    let search_path: Vec<_> = python.search_path().iter().map(place).collect();
    let libraries = libraries::resolve(&config.engine.libraries);
    let (search_path, interpreter) = (search_path.as_slice(), python.executable());
    Ok(PackagesSnapshot::take(PackageSources { search_path, interpreter, libraries: &libraries })?)
}

fn place(SearchPathEntry { name, path, without }: &SearchPathEntry) -> SearchedPlace<'_> {
    SearchedPlace { name, path, without }
}

/// The model of one gateway.
pub(crate) struct MeasuredModel {
    /// The manifest of its folder, and of its adapters'.
    pub(crate) weights: MeasuredManifest,
    /// Its chat template's text.
    pub(crate) chat_template: MeasuredFile,
    /// The documents behind those digests: the weights' manifest, and the text.
    pub(crate) documents: Vec<Vec<u8>>,
}

impl MeasuredModel {
    /// The model that has this manifest.
    pub(crate) fn new(weights: &Manifest, chat_template: &str) -> Result<Self, GatewayError> {
        let template = chat_template.as_bytes().to_vec();
        let (weights, manifest) = described(weights)?;
        Ok(Self { weights, chat_template: measure_document(&template), documents: vec![manifest, template] })
    }
}

/// Finds the files of the model and of its adapters.
pub(crate) fn find_weights(model: &ModelConfig) -> Result<ModelSnapshot, GatewayError> {
    let adapters = model.adapters.iter().map(|adapter| (adapter.name.as_str(), adapter.path.as_path()));
    Ok(ModelSnapshot::take(&model.path, adapters)?)
}

/// Hashes every file of the model and of its adapters.
pub(crate) fn hash_weights(snapshot: &ModelSnapshot) -> Result<Manifest, GatewayError> {
    Ok(progress::shown("the model", snapshot.bytes(), |progress| snapshot.measure(progress))?)
}

/// The digests of a release, as a policy lists them.
pub(crate) const fn parts(code: &Code, model: &MeasuredModel) -> Parts<Sha256Digest> {
    Parts {
        gateway_binary: code.binary.sha256,
        engine_packages: code.packages.manifest_sha256,
        config: code.config.sha256,
        launch: code.launch.sha256,
        model_weights: model.weights.manifest_sha256,
        chat_template: model.chat_template.sha256,
    }
}

/// What the log says of a manifest, and the manifest as it is served.
fn described(manifest: &Manifest) -> Result<(MeasuredManifest, Vec<u8>), GatewayError> {
    let (measured, document) = manifest.document()?;
    tracing::info!(files = measured.files, bytes = measured.bytes, sha256 = %measured.manifest_sha256, "measured");
    Ok((measured, document))
}
