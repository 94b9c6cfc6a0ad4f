//! An engine that has every answer ready, for benchmarks of all that is around an engine.

use blindllama_engine::{
    EmbedRequest, EmbeddingReply, Engine, EngineError, FinishReason, Finished, GenerateRequest, ModelInfo, ModelTask,
    SamplingDefaults, TokenOutput, TokenStream, WorkDone, token_stream,
};

/// Gives letters, one token a step, as many as are asked for.
pub(crate) struct ReadyEngine(ModelInfo);

impl ReadyEngine {
    pub(crate) fn new() -> Self {
        Self(ModelInfo {
            task: ModelTask::Generate,
            max_model_len: 4096,
            vocab_size: 420,
            max_logprobs: 20,
            schedules_by_priority: false,
            prefix_caching: false,
            dtype: "float32".to_owned(),
            engine: "none".to_owned(),
            sampling_defaults: SamplingDefaults::default(),
            adapters: Vec::new(),
        })
    }
}

impl Engine for ReadyEngine {
    fn model(&self) -> &ModelInfo {
        &self.0
    }

    fn generate(&self, request: GenerateRequest) -> Result<TokenStream, EngineError> {
        let (sender, stream) = token_stream(request.max_tokens);
        for made in 1..=request.max_tokens {
            let finished = (made == request.max_tokens).then_some(Finished { reason: FinishReason::Length, stop_token: None });
            let output = TokenOutput { token_ids: vec![70 + made as u32 % 20], finished, ..TokenOutput::default() };
            sender.send(Ok(output)).unwrap();
        }
        Ok(stream)
    }

    fn embed(&self, _: EmbedRequest) -> Result<EmbeddingReply, EngineError> {
        Err(EngineError::Stopped)
    }

    fn is_alive(&self) -> bool {
        true
    }

    fn active_requests(&self) -> usize {
        0
    }

    fn work_done(&self) -> WorkDone {
        WorkDone::default()
    }
}
