//! Tools as the Responses API writes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    error::ApiError,
    tools::{NamedTool, Tool, ToolChoice, ToolChoiceMode, ToolKind},
    unknown::Unknown,
};

/// A tool of any kind, as it came and as the response repeats it.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct ResponseTool {
    /// Its kind; only `function` is understood.
    #[schemars(extend("const" = "function"))]
    #[serde(rename = "type")]
    pub kind: String,
    /// Its name, which a function has.
    #[schemars(required, length(min = 1))]
    pub name: Option<String>,
    /// When and how to call it.
    pub description: Option<String>,
    /// JSON Schema of its arguments, an object.
    pub parameters: Option<Map<String, Value>>,
    /// Whether arguments have to fit `parameters`.
    pub strict: Option<bool>,
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
}

/// Whether and what the model has to call.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = r#"expected "none", "auto", "required" or {"type": "function", "name": …}"#)]
pub enum ResponseToolChoice {
    /// By a word.
    Mode(ToolChoiceMode),
    /// This function.
    Named(NamedResponseTool),
}

/// A function by its name.
#[derive(Deserialize, Serialize, JsonSchema)]
pub struct NamedResponseTool {
    /// Always `function`.
    #[serde(rename = "type")]
    pub kind: ToolKind,
    /// The name of one of the request's tools.
    pub name: String,
    #[serde(flatten, skip_serializing)]
    unknown: Unknown,
}

impl ResponseTool {
    /// The tool as chat templates read it; `index` is its place in the request.
    ///
    /// # Errors
    /// 400 for a tool that the server would have to run, and for a function without a name.
    pub(crate) fn to_tool(&self, index: usize) -> Result<Tool, ApiError> {
        if self.kind != "function" {
            let message = format!(
                "tools[{index}] has the type {:?}: this server runs no tools of its own. Only \"function\" is supported, which the \
                 client runs.",
                self.kind
            );
            return Err(ApiError::invalid(message).param(format!("tools[{index}].type")));
        }
        let Some(name) = self.name.clone().filter(|name| !name.is_empty()) else {
            return Err(ApiError::invalid(format!("tools[{index}].name is missing.")).param(format!("tools[{index}].name")));
        };
        Ok(Tool::function(name, self.description.clone(), self.parameters.clone(), self.strict))
    }

    /// The paths of what is not understood, below `prefix`.
    pub(crate) fn unknown(&self, prefix: &str) -> Vec<String> {
        self.unknown.paths(prefix).collect()
    }
}

impl ResponseToolChoice {
    /// The paths of what is not understood.
    pub(crate) fn unknown(&self) -> Vec<String> {
        match self {
            Self::Mode(_) => Vec::new(),
            Self::Named(named) => named.unknown.paths("tool_choice.").collect(),
        }
    }

    /// The choice as chat completions write it.
    #[must_use]
    pub fn to_choice(&self) -> ToolChoice {
        match self {
            Self::Mode(mode) => ToolChoice::Mode(*mode),
            Self::Named(named) => ToolChoice::Named(NamedTool::new(named.name.clone())),
        }
    }
}
