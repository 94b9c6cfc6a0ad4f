//! What every handler can reach.

use std::{
    num::NonZeroUsize,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use blindllama_engine::Engine;

use crate::{
    admission::Admission,
    attestation::Attester,
    metrics::Metrics,
    text::{ChatTemplate, Tokenizer},
};

/// The running gateway: one model, its engine and its attester.
pub struct App {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) model: ServedModel,
    pub(crate) attestation: Arc<dyn Attester>,
    pub(crate) max_body_bytes: usize,
    pub(crate) admission: Admission,
    pub(crate) metrics: Arc<Metrics>,
    /// Unix time in seconds at which the model became available.
    pub(crate) started: u64,
}

/// Bounds on what clients may ask of the gateway.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest request body, in bytes.
    pub max_body_bytes: NonZeroUsize,
    /// Inference requests admitted at a time.
    pub max_requests: NonZeroUsize,
}

/// The model as clients and the text pipeline know it.
pub struct ServedModel {
    /// The id that clients ask for.
    pub name: String,
    /// Text to token ids and back.
    pub tokenizer: Arc<Tokenizer>,
    /// Messages to prompt.
    pub template: Arc<ChatTemplate>,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(engine: Arc<dyn Engine>, model: ServedModel, attestation: Arc<dyn Attester>, limits: Limits) -> Self {
        let metrics = Arc::new(Metrics::new(Arc::clone(&engine)));
        Self {
            admission: Admission::new(limits.max_requests, Arc::clone(&metrics)),
            engine,
            model,
            attestation,
            max_body_bytes: limits.max_body_bytes.get(),
            metrics,
            started: unix_now(),
        }
    }
}

/// Unix time in seconds, as OpenAI's `created` has it; 0 with a clock before 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
