//! Token counts.

use schemars::JsonSchema;
use serde::Serialize;

/// Token counts of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens of the answers, those that ended them included.
    pub completion_tokens: usize,
    /// Both.
    pub total_tokens: usize,
    /// More on the prompt, where the engine tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptTokensDetails>,
    /// More on the answers, where the model is one that thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionTokensDetails>,
}

impl Usage {
    /// With the tokens of thoughts.
    #[must_use]
    pub const fn with_reasoning(self, reasoning_tokens: Option<usize>) -> Self {
        let completion_tokens_details = match reasoning_tokens {
            Some(reasoning_tokens) => Some(CompletionTokensDetails { reasoning_tokens }),
            None => None,
        };
        Self { completion_tokens_details, ..self }
    }
}

/// More on the prompt's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PromptTokensDetails {
    /// Tokens found in the prefix cache.
    pub cached_tokens: usize,
}

/// More on the answers' tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CompletionTokensDetails {
    /// Tokens of thoughts.
    pub reasoning_tokens: usize,
}
