//! The parts of a launch that a release pins.

/// A part of a launch that a release pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The gateway's program file.
    GatewayBinary,
    /// Every file that the engine's interpreter can load.
    EnginePackages,
    /// The effective configuration.
    Config,
    /// The command line and the environment.
    Launch,
    /// The model's weights manifest.
    ModelWeights,
    /// The model's chat template.
    ChatTemplate,
}

impl Part {
    /// All parts, in the order in which they are measured and reported.
    pub const ALL: [Self; 6] =
        [Self::GatewayBinary, Self::EnginePackages, Self::Config, Self::Launch, Self::ModelWeights, Self::ChatTemplate];

    /// The key of a release in a policy.
    #[must_use]
    pub const fn policy_key(self) -> &'static str {
        match self {
            Self::GatewayBinary => "gateway_binary",
            Self::EnginePackages => "engine_packages",
            Self::Config => "config",
            Self::Launch => "launch",
            Self::ModelWeights => "model_weights",
            Self::ChatTemplate => "chat_template",
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::GatewayBinary => "gateway binary",
            Self::EnginePackages => "engine packages",
            Self::Config => "configuration",
            Self::Launch => "command line and environment",
            Self::ModelWeights => "model weights",
            Self::ChatTemplate => "chat template",
        })
    }
}

/// One value for each [`Part`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts<T> {
    /// Of [`Part::GatewayBinary`].
    pub gateway_binary: T,
    /// Of [`Part::EnginePackages`].
    pub engine_packages: T,
    /// Of [`Part::Config`].
    pub config: T,
    /// Of [`Part::Launch`].
    pub launch: T,
    /// Of [`Part::ModelWeights`].
    pub model_weights: T,
    /// Of [`Part::ChatTemplate`].
    pub chat_template: T,
}

impl<T: Copy> Parts<T> {
    /// The value of `part`.
    #[must_use]
    pub const fn get(&self, part: Part) -> T {
        match part {
            Part::GatewayBinary => self.gateway_binary,
            Part::EnginePackages => self.engine_packages,
            Part::Config => self.config,
            Part::Launch => self.launch,
            Part::ModelWeights => self.model_weights,
            Part::ChatTemplate => self.chat_template,
        }
    }
}

impl<T> Parts<Option<T>> {
    /// All values, if there are all; otherwise the first part without one.
    pub(crate) fn complete(self) -> Result<Parts<T>, Part> {
        Ok(Parts {
            gateway_binary: self.gateway_binary.ok_or(Part::GatewayBinary)?,
            engine_packages: self.engine_packages.ok_or(Part::EnginePackages)?,
            config: self.config.ok_or(Part::Config)?,
            launch: self.launch.ok_or(Part::Launch)?,
            model_weights: self.model_weights.ok_or(Part::ModelWeights)?,
            chat_template: self.chat_template.ok_or(Part::ChatTemplate)?,
        })
    }
}
