//! What the gateway needs to know of a loaded model.

/// The loaded model, as the engine sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// What it does.
    pub task: ModelTask,
    /// The most tokens of prompt and answer together.
    pub max_model_len: usize,
    /// Size of the vocabulary: token ids are below it.
    pub vocab_size: usize,
    /// The most likely tokens that a request may ask to have reported, for each token.
    pub max_logprobs: u32,
    /// Whether requests are scheduled by priority rather than in the order of arrival.
    pub schedules_by_priority: bool,
    /// Whether requests with the same `cache_salt` share a prefix cache.
    pub prefix_caching: bool,
    /// The weights' data type, as the engine names it (`float32`, `bfloat16`).
    pub dtype: String,
    /// The engine and its version, for example `vllm 0.32.0`.
    pub engine: String,
    /// What the model's author recommends where a request is silent.
    pub sampling_defaults: SamplingDefaults,
    /// The names of the LoRA adapters that are loaded beside it, each one's only.
    pub adapters: Vec<String>,
}

impl ModelInfo {
    /// The adapter of this name.
    #[must_use]
    pub fn adapter(&self, name: &str) -> Option<AdapterId> {
        self.adapters.iter().position(|adapter| adapter == name).map(AdapterId)
    }
}

/// A LoRA adapter that an engine has loaded. Only [`ModelInfo::adapter`] gives one, so there is none for what was not loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdapterId(usize);

impl AdapterId {
    /// Its place in [`ModelInfo::adapters`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What a model does with a sequence of tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ModelTask {
    /// It goes on.
    #[default]
    Generate,
    /// It makes one vector of the whole.
    Embed(EmbeddingModel),
}

/// What there is to know of a model's vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingModel {
    /// Dimensions of a vector.
    pub dimensions: usize,
    /// Whether there are shorter ones.
    pub shortening: Shortening,
    /// Whether texts are written in lower case before they are tokenised, in addition to what the tokenizer itself does.
    pub lower_case: bool,
}

/// To which lengths a model's vectors can be cut and still be of use ("Matryoshka" embeddings).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shortening {
    /// To none.
    None,
    /// To any.
    Any,
    /// To these.
    To(Vec<usize>),
}

/// Defaults from the model's `generation_config.json`, as vLLM's server applies them; `None` where it is silent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SamplingDefaults {
    /// Softmax temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Number of most likely tokens considered.
    pub top_k: Option<i64>,
    /// Smallest probability relative to the most likely token.
    pub min_p: Option<f64>,
    /// Penalty on tokens already in the output.
    pub presence_penalty: Option<f64>,
    /// Penalty on tokens by their count in the output.
    pub frequency_penalty: Option<f64>,
    /// Penalty on tokens seen in prompt or output.
    pub repetition_penalty: Option<f64>,
    /// Limit on new tokens.
    pub max_tokens: Option<usize>,
}
