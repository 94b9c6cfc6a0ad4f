//! Tools: what the model may call, and what it called.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::unknown::Unknown;

/// A tool that the model may call.
// It is written for chat templates as vLLM writes it: `description` and `parameters` are `null` where they are absent.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct Tool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// What it does.
    pub function: Function,
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
}

/// The kinds of tools that are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolKind {
    /// A function of the client's.
    Function,
}

/// A function of the client's.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// When and how to call it.
    pub description: Option<String>,
    /// JSON Schema of its arguments, an object.
    pub parameters: Option<Map<String, Value>>,
    /// Whether arguments have to fit `parameters`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
}

impl Tool {
    /// A function of the client's.
    pub(crate) fn function(
        name: String,
        description: Option<String>,
        parameters: Option<Map<String, Value>>,
        strict: Option<bool>,
    ) -> Self {
        let function = Function { name, description, parameters, strict, unknown: Unknown::default() };
        Self { kind: ToolKind::Function, function, unknown: Unknown::default() }
    }

    /// The paths of what is not understood, below `prefix`.
    pub fn unknown(&self, prefix: &str) -> impl Iterator<Item = String> {
        let function = format!("{prefix}function.");
        self.unknown.paths(prefix).chain(self.function.unknown.paths(&function).collect::<Vec<_>>())
    }
}

/// Whether and what the model has to call.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = r#"expected "none", "auto", "required" or {"type": "function", "function": {"name": …}}"#)]
pub enum ToolChoice {
    /// By a word.
    Mode(ToolChoiceMode),
    /// This function.
    Named(NamedTool),
}

/// Whether the model has to call something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ToolChoiceMode {
    /// Nothing is called.
    None,
    /// As the model likes.
    Auto,
    /// At least one call.
    Required,
}

/// The one function to be called.
#[derive(Deserialize, JsonSchema)]
pub struct NamedTool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// Which.
    pub function: NamedFunction,
    #[serde(flatten)]
    unknown: Unknown,
}

/// A function by its name.
#[derive(Deserialize, JsonSchema)]
pub struct NamedFunction {
    /// The name of one of the request's tools.
    pub name: String,
    #[serde(flatten)]
    unknown: Unknown,
}

impl NamedTool {
    /// The function of that name.
    pub(crate) fn new(name: String) -> Self {
        let function = NamedFunction { name, unknown: Unknown::default() };
        Self { kind: ToolKind::Function, function, unknown: Unknown::default() }
    }
}

impl ToolChoice {
    /// The paths of what is not understood.
    pub(crate) fn unknown(&self) -> Vec<String> {
        match self {
            Self::Mode(_) => Vec::new(),
            Self::Named(named) => {
                named.unknown.paths("tool_choice.").chain(named.function.unknown.paths("tool_choice.function.")).collect()
            }
        }
    }
}

/// A call that the model made in an earlier turn.
#[derive(Deserialize, JsonSchema)]
pub struct ToolCall {
    /// The call's id, which the tool's answer repeats.
    pub id: String,
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The function and its arguments.
    pub function: FunctionCall,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}

/// A function and its arguments.
#[derive(Deserialize, JsonSchema)]
pub struct FunctionCall {
    /// The function's name.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
    #[serde(flatten)]
    pub(crate) unknown: Unknown,
}
