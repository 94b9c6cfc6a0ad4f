//! Which tools the model may call, and whether it has to.

use blindllama_engine::Constraint;

use crate::{
    config::StructuredLimits,
    openai::{
        error::ApiError,
        tools::{Tool, ToolChoice, ToolChoiceMode},
    },
    output::{OutputFormat, ToolMode},
    structured::{named_tool, required_tools},
};

/// What a request says of tools.
pub(crate) struct ToolUse {
    pub(crate) mode: ToolMode,
    /// What makes the model call something.
    pub(crate) constraint: Option<Constraint>,
    /// Whether it may call several at once.
    pub(crate) parallel: bool,
}

impl ToolUse {
    /// # Errors
    /// 400 for a choice without tools or of one that is not there, for tools that a model without a format for calls is left
    /// free to call, and for parameters that cannot be enforced.
    pub(crate) fn new(
        tools: Option<&[Tool]>,
        choice: Option<&ToolChoice>,
        parallel: Option<bool>,
        format: &OutputFormat,
        limits: &StructuredLimits,
    ) -> Result<Self, ApiError> {
        let parallel = parallel.unwrap_or(true);
        let Some(tools) = tools else {
            return match choice {
                None | Some(ToolChoice::Mode(ToolChoiceMode::None)) => {
                    Ok(Self { mode: ToolMode::None, constraint: None, parallel })
                }
                Some(_) => Err(ApiError::invalid("tool_choice is allowed only together with tools.").param("tool_choice")),
            };
        };
        if tools.is_empty() {
            return Err(ApiError::invalid("tools must have at least one tool, or be left out.").param("tools"));
        }
        let (mode, constraint) = match choice {
            Some(ToolChoice::Mode(ToolChoiceMode::None)) => (ToolMode::None, None),
            None | Some(ToolChoice::Mode(ToolChoiceMode::Auto)) if format.tools.is_some() => (ToolMode::Auto, None),
            None | Some(ToolChoice::Mode(ToolChoiceMode::Auto)) => return Err(no_format()),
            Some(ToolChoice::Mode(ToolChoiceMode::Required)) => {
                let functions: Vec<_> =
                    tools.iter().map(|tool| (tool.function.name.as_str(), tool.function.parameters.as_ref())).collect();
                (ToolMode::Required, Some(required_tools(&functions, parallel, limits)?))
            }
            Some(ToolChoice::Named(named)) => {
                let name = &named.function.name;
                let tool = tools.iter().find(|tool| tool.function.name == *name).ok_or_else(|| no_such_tool(name))?;
                (ToolMode::Named(name.clone()), Some(named_tool(tool.function.parameters.as_ref(), limits)?))
            }
        };
        Ok(Self { mode, constraint, parallel })
    }
}

fn no_format() -> ApiError {
    ApiError::invalid(
        "This model's chat template shows no known way to call tools, so tool_choice cannot be \"auto\": \
         use \"required\", a named tool or \"none\", or have the operator set model.tool_call_parser.",
    )
    .param("tool_choice")
}

fn no_such_tool(name: &str) -> ApiError {
    ApiError::invalid(format!("tool_choice names the function `{name}`, which is not among tools.")).param("tool_choice")
}
