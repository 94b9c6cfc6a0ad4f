//! What every handler can reach.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use blindllama_engine::Engine;
use bytes::Bytes;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use crate::{
    admission::Admission,
    attestation::Attester,
    config::{ApiConfig, FormatChoice, ReasoningFormat, StructuredLimits, ToolFormat},
    cpu_pool::CpuPool,
    metrics::Metrics,
    openapi,
    output::OutputFormat,
    text::{ChatTemplate, TemplateError, Tokenizer, TokenizerError},
};

/// The running gateway: one model, its engine and its attester.
pub struct App {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) model: ServedModel,
    pub(crate) attestation: Arc<dyn Attester>,
    pub(crate) api: ApiConfig,
    pub(crate) structured_limits: StructuredLimits,
    pub(crate) max_body_bytes: usize,
    pub(crate) admission: Admission,
    /// For all clients together: an activation occupies the TPM, and a verifier needs one in a key's life.
    pub(crate) activations: DefaultDirectRateLimiter,
    pub(crate) metrics: Arc<Metrics>,
    /// For requests whose reading keeps a core busy for more than a moment.
    pub(crate) reading: CpuPool,
    /// The same for the writing of answers, which must not wait for what others send.
    pub(crate) writing: CpuPool,
    /// The OpenAPI document, as it is served.
    pub(crate) openapi: Bytes,
    /// Unix time in seconds at which the model became available.
    pub(crate) started: u64,
}

/// Bounds on what clients may ask of the gateway.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub max_body_bytes: NonZeroUsize,
    /// Inference requests admitted at a time.
    pub max_requests: NonZeroUsize,
    /// Credential activations in a second, on the average; twice as many may come at once.
    pub activations_per_second: NonZeroU32,
    /// What a constraint on an answer may be.
    pub structured: StructuredLimits,
}

/// The model as clients and the text pipeline know it.
pub struct ServedModel {
    /// The id that clients ask for.
    pub name: String,
    /// Text to token ids and back.
    pub tokenizer: Arc<Tokenizer>,
    /// Messages to prompt, where the model has a template for that.
    pub template: Option<Arc<ChatTemplate>>,
    /// How the model writes calls of tools and thoughts.
    pub(crate) output: OutputFormat,
}

/// The model's text files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The tokenizer.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The chat template.
    #[error(transparent)]
    Template(#[from] TemplateError),
}

impl ServedModel {
    /// Loads tokenizer and chat template of the model in `folder`; templates see the system's clock and time zone.
    ///
    /// # Errors
    /// [`ModelError`] names the file at fault.
    pub fn load(name: String, folder: &Path) -> Result<Self, ModelError> {
        let tokenizer = Arc::new(Tokenizer::load(folder)?);
        let template = match ChatTemplate::load(folder, jiff::Zoned::now) {
            Ok(template) => Some(Arc::new(template)),
            Err(TemplateError::Missing { .. }) => None,
            Err(unusable) => return Err(unusable.into()),
        };
        let output = OutputFormat::from_template(template_source(template.as_deref()));
        Ok(Self { name, tokenizer, template, output })
    }

    /// The chat template's text, which is measured; nothing where there is none.
    #[must_use]
    pub fn template_source(&self) -> &str {
        template_source(self.template.as_deref())
    }

    /// The same model, whose answers are read as the configuration says.
    #[must_use]
    pub fn reading(self, tools: FormatChoice<ToolFormat>, reasoning: FormatChoice<ReasoningFormat>) -> Self {
        let output = OutputFormat { tools: tools.of(self.output.tools), reasoning: reasoning.of(self.output.reasoning) };
        Self { output, ..self }
    }
}

fn template_source(template: Option<&ChatTemplate>) -> &str {
    template.map_or("", ChatTemplate::source)
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        engine: Arc<dyn Engine>,
        model: ServedModel,
        attestation: Arc<dyn Attester>,
        api: ApiConfig,
        limits: Limits,
    ) -> Self {
        let metrics = Arc::new(Metrics::new(Arc::clone(&engine)));
        let per_second = limits.activations_per_second;
        let activations = Quota::per_second(per_second).allow_burst(per_second.saturating_mul(NonZeroU32::MIN.saturating_add(1)));
        Self {
            activations: RateLimiter::direct(activations),
            admission: Admission::new(limits.max_requests, limits.structured.sequences, Arc::clone(&metrics)),
            engine,
            model,
            attestation,
            api,
            structured_limits: limits.structured,
            max_body_bytes: limits.max_body_bytes.get(),
            metrics,
            reading: CpuPool::for_this_machine(),
            writing: CpuPool::for_this_machine(),
            openapi: openapi::document().to_string().into(),
            started: unix_now(),
        }
    }

    /// Names what answers, so that a client sees when it changes: the measured weights.
    pub(crate) fn fingerprint(&self) -> String {
        let digest = self.attestation.binding().model_sha256.to_hex();
        format!("fp_{}", digest.get(..12).unwrap_or(&digest))
    }
}

/// Unix time in seconds, as OpenAI's `created` has it; 0 with a clock before 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
