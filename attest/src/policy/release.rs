//! Releases that are allowed.

use serde::{Deserialize, Serialize};

use crate::{
    application::{Part, Parts},
    digest::Sha256Digest,
};

/// A release of the gateway, as a complete tuple: parts of different releases never mix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// What the user calls it.
    pub name: String,
    /// Whether it may serve, or may only have run earlier since boot.
    pub status: ReleaseStatus,
    /// SHA-256 of the gateway's program file.
    pub gateway_binary: Sha256Digest,
    /// SHA-256 of the manifest of all files that the engine's interpreter can load.
    pub engine_packages: Sha256Digest,
    /// SHA-256 of the effective configuration.
    pub config: Sha256Digest,
    /// SHA-256 of the document with the command line and the environment.
    pub launch: Sha256Digest,
    /// SHA-256 of the model's weights manifest.
    pub model_weights: Sha256Digest,
    /// SHA-256 of the chat template's text.
    pub chat_template: Sha256Digest,
}

impl Release {
    /// A release of the parts that a launch measured.
    #[must_use]
    pub const fn new(name: String, status: ReleaseStatus, parts: Parts<Sha256Digest>) -> Self {
        let Parts { gateway_binary, engine_packages, config, launch, model_weights, chat_template } = parts;
        Self { name, status, gateway_binary, engine_packages, config, launch, model_weights, chat_template }
    }

    /// The digests that a launch has to have.
    #[must_use]
    pub const fn parts(&self) -> Parts<Sha256Digest> {
        let Self { gateway_binary, engine_packages, config, launch, model_weights, chat_template, .. } = *self;
        Parts { gateway_binary, engine_packages, config, launch, model_weights, chat_template }
    }

    /// The digest that a launch has to have for `part`.
    #[must_use]
    pub const fn digest(&self, part: Part) -> Sha256Digest {
        self.parts().get(part)
    }
}

/// What a release may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseStatus {
    /// It may be the one that runs.
    Serving,
    /// It may have run before the current one, since the machine's boot.
    Past,
}

impl std::fmt::Display for ReleaseStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Serving => "serving",
            Self::Past => "past",
        })
    }
}
