//! `[api]`: how requests are read, and answers are written.

use serde::{Deserialize, Serialize};

/// `[api]`: how requests are read, and answers are written. All of it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiConfig {
    /// What becomes of parameters that are not known.
    pub unknown_parameters: UnknownParameters,
    /// Whether a request may bring a chat template of its own (`chat_template`).
    pub request_chat_template: bool,
    /// Whether a request may set variables of the chat template (`chat_template_kwargs`).
    pub request_chat_template_kwargs: bool,
    /// Whether thoughts are also written as `reasoning_content`, DeepSeek's spelling.
    pub reasoning_content: bool,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            unknown_parameters: UnknownParameters::Refuse,
            // A template is a program: one that strangers bring may at least not be the rule.
            request_chat_template: false,
            request_chat_template_kwargs: true,
            reasoning_content: false,
        }
    }
}

/// What becomes of parameters that are not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UnknownParameters {
    /// The request is refused, and told which.
    #[default]
    Refuse,
    /// A header of the response names them.
    Ignore,
}
