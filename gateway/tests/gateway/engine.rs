//! An engine whose answers a test writes.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use blindllama_engine::{
    EmbedRequest, EmbeddingReply, EmbeddingSender, Engine, EngineError, FinishReason, Finished, GenerateRequest, ModelInfo,
    ModelTask, OutputSender, SamplingDefaults, TokenOutput, TokenStream, WorkDone, embedding_reply, token_stream,
};
use tokio::sync::mpsc;

pub(crate) const MAX_MODEL_LEN: usize = 256;
pub(crate) const ACTIVE_REQUESTS: usize = 3;

/// Hands each request to the test, which answers through the sender.
pub(crate) struct ScriptedEngine {
    model: ModelInfo,
    requests: mpsc::UnboundedSender<(GenerateRequest, OutputSender)>,
    embeds: mpsc::UnboundedSender<(EmbedRequest, EmbeddingSender)>,
    refusal: Mutex<Option<EngineError>>,
    alive: AtomicBool,
}

pub(crate) type Requests = mpsc::UnboundedReceiver<(GenerateRequest, OutputSender)>;
pub(crate) type Embeds = mpsc::UnboundedReceiver<(EmbedRequest, EmbeddingSender)>;

impl ScriptedEngine {
    pub(crate) fn new(task: ModelTask, adapters: Vec<String>, max_model_len: usize) -> (Self, Requests, Embeds) {
        let (requests, receiver) = mpsc::unbounded_channel();
        let (embeds, embed_receiver) = mpsc::unbounded_channel();
        let model = ModelInfo {
            task,
            max_model_len,
            vocab_size: 420,
            max_logprobs: 5,
            schedules_by_priority: false,
            prefix_caching: false,
            dtype: "float32".to_owned(),
            engine: "scripted".to_owned(),
            sampling_defaults: SamplingDefaults { temperature: Some(0.5), ..SamplingDefaults::default() },
            adapters,
        };
        let engine = Self { model, requests, embeds, refusal: Mutex::new(None), alive: AtomicBool::new(true) };
        (engine, receiver, embed_receiver)
    }

    /// Refuses the requests that follow.
    pub(crate) fn refuse(&self, error: EngineError) {
        *self.refusal.lock().unwrap() = Some(error);
    }

    pub(crate) fn die(&self) {
        self.alive.store(false, Ordering::SeqCst);
        self.refuse(EngineError::Stopped);
    }
}

impl Engine for ScriptedEngine {
    fn model(&self) -> &ModelInfo {
        &self.model
    }

    fn generate(&self, request: GenerateRequest) -> Result<TokenStream, EngineError> {
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let (sender, stream) = token_stream(request.max_tokens);
        self.requests.send((request, sender)).map_err(|_| EngineError::Stopped)?;
        Ok(stream)
    }

    fn embed(&self, request: EmbedRequest) -> Result<EmbeddingReply, EngineError> {
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        let (sender, reply) = embedding_reply();
        self.embeds.send((request, sender)).map_err(|_| EngineError::Stopped)?;
        Ok(reply)
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }

    fn active_requests(&self) -> usize {
        ACTIVE_REQUESTS
    }

    fn work_done(&self) -> WorkDone {
        WorkDone { steps: 7, stepping: Some(Duration::from_millis(1500)) }
    }
}

/// A step that makes `ids`.
pub(crate) fn tokens(ids: &[u32]) -> Result<TokenOutput, EngineError> {
    Ok(TokenOutput { token_ids: ids.to_vec(), ..TokenOutput::default() })
}

/// A last step that makes `ids`.
pub(crate) fn last(ids: &[u32], reason: FinishReason) -> Result<TokenOutput, EngineError> {
    let finished = Some(Finished { reason, stop_token: None });
    Ok(TokenOutput { token_ids: ids.to_vec(), finished, cached_prompt_tokens: Some(4), ..TokenOutput::default() })
}
