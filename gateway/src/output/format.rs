//! Which formats a model writes.

use serde::{Deserialize, Serialize};

use super::{
    reasoning::{END_THINK, THINK},
    tools::{hermes::TOOL_CALL, mistral::TOOL_CALLS},
};

/// The formats of one model; where there is none, markup is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OutputFormat {
    /// How it calls tools.
    pub(crate) tools: Option<ToolFormat>,
    /// How it marks its thinking.
    pub(crate) reasoning: Option<ReasoningFormat>,
}

/// How a model calls tools, by the names of vLLM's `--tool-call-parser`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolFormat {
    /// `<tool_call>{"name": …, "arguments": …}</tool_call>`.
    #[serde(rename = "hermes", alias = "qwen3_json")]
    Hermes,
    /// `{"name": …, "parameters": …}`.
    #[serde(rename = "llama3_json", alias = "llama4_json")]
    LlamaJson,
    /// `[TOOL_CALLS]…`.
    #[serde(rename = "mistral")]
    Mistral,
    /// `[f(a=1), g()]`.
    #[serde(rename = "pythonic")]
    Pythonic,
}

/// How a model marks its thinking, by the names of vLLM's `--reasoning-parser`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningFormat {
    /// `<think>…</think>`, or no thinking at all; the prompt may have opened it. A tool call ends it too.
    Qwen3,
    /// `…</think>`: an answer begins with thinking unless the prompt has closed it.
    DeepseekR1,
}

impl OutputFormat {
    /// Guesses from a chat template: it writes former answers as the model does, or tells the model how to.
    pub(crate) fn from_template(template: &str) -> Self {
        Self { tools: ToolFormat::from_template(template), reasoning: ReasoningFormat::from_template(template) }
    }
}

impl ToolFormat {
    /// Whether calls are marked with tokens that may be special, so answers have to be detokenised with these: as in vLLM,
    /// whose Llama parser does without `<|python_tag|>`.
    pub(crate) const fn needs_special_tokens(self) -> bool {
        matches!(self, Self::Hermes | Self::Mistral)
    }

    /// What every call begins with, if that is never text.
    pub(super) const fn call_marker(self) -> Option<&'static str> {
        match self {
            Self::Hermes => Some(TOOL_CALL),
            Self::Mistral => Some(TOOL_CALLS),
            Self::LlamaJson | Self::Pythonic => None,
        }
    }

    fn from_template(template: &str) -> Option<Self> {
        // XML inside of `<tool_call>`, as Qwen3-Coder and GLM write it; Llama 4's own variant.
        const OTHERS: [&str; 3] = ["<function=", "<arg_key>", "<|python_start|>"];
        const KNOWN: [(&str, ToolFormat); 5] = [
            (TOOL_CALL, ToolFormat::Hermes),
            (TOOL_CALLS, ToolFormat::Mistral),
            ("\"parameters\": dictionary of argument name and its value", ToolFormat::LlamaJson),
            ("<|python_tag|>", ToolFormat::LlamaJson),
            ("[func_name1(", ToolFormat::Pythonic),
        ];
        if OTHERS.iter().any(|other| template.contains(other)) {
            return None;
        }
        KNOWN.iter().find(|(sign, _)| template.contains(sign)).map(|(_, format)| *format)
    }
}

impl ReasoningFormat {
    /// Whether an answer to this prompt starts inside reasoning. The prompt's end is enough.
    ///
    /// Only the very end counts: a user may well write about `<think>`.
    pub(crate) fn prompt_ends_inside(self, prompt_tail: &str) -> bool {
        let tail = prompt_tail.trim_end();
        match self {
            Self::Qwen3 => tail.ends_with(THINK),
            Self::DeepseekR1 => !tail.ends_with(END_THINK),
        }
    }

    /// A template that only cuts thinking off former answers leaves it to the model to open it, and DeepSeek-R1 often does not.
    fn from_template(template: &str) -> Option<Self> {
        match (template.contains(THINK), template.contains(END_THINK)) {
            (true, _) => Some(Self::Qwen3),
            (false, true) => Some(Self::DeepseekR1),
            (false, false) => None,
        }
    }
}
