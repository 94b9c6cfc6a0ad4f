//! What an engine is asked for.

/// One sequence to generate.
#[derive(Clone, PartialEq)]
pub struct GenerateRequest {
    /// The prompt, as token ids; not empty, and shorter than the model's context.
    pub prompt: Vec<u32>,
    /// Limit on new tokens, at least 1; prompt and answer together fit the model's context.
    pub max_tokens: usize,
    /// How tokens are chosen.
    pub sampling: Sampling,
}

/// Leaves the prompt out: it is content.
impl std::fmt::Debug for GenerateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { prompt, max_tokens, sampling } = self;
        let (prompt_tokens, f) = (prompt.len(), &mut f.debug_struct("GenerateRequest"));
        f.field("prompt_tokens", &prompt_tokens).field("max_tokens", max_tokens).field("sampling", sampling).finish()
    }
}

/// How tokens are chosen, in vLLM's terms and defaults (`vllm.SamplingParams`).
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Softmax temperature, 0 (greedy) to 2.
    pub temperature: f64,
    /// Nucleus sampling, above 0 to 1.
    pub top_p: f64,
    /// Number of most likely tokens considered; 0 for all.
    pub top_k: i64,
    /// Smallest probability relative to the most likely token, 0 to 1.
    pub min_p: f64,
    /// Penalty on tokens already in the output, -2 to 2.
    pub presence_penalty: f64,
    /// Penalty on tokens by their count in the output, -2 to 2.
    pub frequency_penalty: f64,
    /// Penalty on tokens seen in prompt or output, above 0; 1 for none.
    pub repetition_penalty: f64,
    /// Seed of the request's own random generator.
    pub seed: Option<i64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_p: 1.0,
            top_k: 0,
            min_p: 0.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repetition_penalty: 1.0,
            seed: None,
        }
    }
}
