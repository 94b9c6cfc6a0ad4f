//! What an engine is asked for.

use crate::AdapterId;

/// One sequence to generate.
#[derive(Clone, PartialEq)]
pub struct GenerateRequest {
    /// The prompt, as token ids; not empty, and shorter than the model's context.
    pub prompt: Vec<u32>,
    /// Limit on new tokens, at least 1; prompt and answer together fit the model's context.
    pub max_tokens: usize,
    /// The adapter that answers; the model as it is where there is none.
    pub adapter: Option<AdapterId>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Which tokens end the answer.
    pub stopping: Stopping,
    /// Which probabilities are reported.
    pub logprobs: Logprobs,
    /// What the answer's text has to be like.
    pub constraint: Option<Constraint>,
    /// Requests with a smaller number go first, in an engine that schedules by priority; 0 in all others.
    pub priority: i64,
    /// Requests with the same salt may share a prefix cache.
    pub cache_salt: Option<String>,
}

impl GenerateRequest {
    /// A request for at most `max_tokens` after `prompt`, everything else as vLLM has it by default.
    #[must_use]
    pub fn new(prompt: Vec<u32>, max_tokens: usize) -> Self {
        Self {
            prompt,
            max_tokens,
            adapter: None,
            sampling: Sampling::default(),
            stopping: Stopping::default(),
            logprobs: Logprobs::default(),
            constraint: None,
            priority: 0,
            cache_salt: None,
        }
    }
}

/// Lengths only: the rest is content.
impl std::fmt::Debug for GenerateRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (prompt_tokens, max_tokens) = (self.prompt.len(), self.max_tokens);
        f.debug_struct("GenerateRequest")
            .field("prompt_tokens", &prompt_tokens)
            .field("max_tokens", &max_tokens)
            .finish_non_exhaustive()
    }
}

/// How tokens are chosen, in vLLM's terms and defaults (`vllm.SamplingParams`).
#[derive(Clone, PartialEq)]
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
    /// What is added to the logits of single tokens, -100 to 100.
    pub logit_bias: Vec<(u32, f64)>,
    /// Texts that must not come about.
    pub bad_words: Vec<String>,
    /// The only tokens that may come, where there are any.
    pub allowed_token_ids: Vec<u32>,
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
            logit_bias: Vec::new(),
            bad_words: Vec::new(),
            allowed_token_ids: Vec::new(),
        }
    }
}

/// Which tokens end the answer. Stop strings are not the engine's business: it sees no text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stopping {
    /// Tokens that end the answer beside the model's own.
    pub stop_token_ids: Vec<u32>,
    /// Whether the model's end-of-sequence token does not end the answer.
    pub ignore_eos: bool,
    /// New tokens before which nothing ends the answer; at most `max_tokens`.
    pub min_tokens: usize,
}

/// Which probabilities are reported, in natural logarithms.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Logprobs {
    /// For each new token: its own, and those of so many most likely ones.
    pub sampled: Option<u32>,
    /// For each token of the prompt: its own, and those of so many most likely ones.
    pub prompt: Option<u32>,
}

/// What the answer's text has to be like (`vllm.StructuredOutputsParams`). All of it is content.
#[derive(Clone, PartialEq, Eq)]
pub enum Constraint {
    /// JSON that fits this JSON Schema, itself JSON text.
    Json(String),
    /// Any JSON object.
    JsonObject,
    /// A text that this regular expression matches as a whole.
    Regex(String),
    /// One of these texts.
    Choice(Vec<String>),
    /// A text of this context-free grammar, in EBNF.
    Grammar(String),
}
