//! From what was asked to what can be done: every check that needs no tokens.

use blindllama_engine::{Constraint, ModelInfo};
use serde_json::{Value, json};

use crate::{
    App,
    config::{ApiConfig, StructuredLimits},
    models::{AskedModel, generating},
    openai::{
        chat_request::{ChatRequest, ReasoningEffort},
        error::ApiError,
        sampling::SamplingParameters,
        turns::turns,
    },
    output::ToolMode,
    parameters::{Parameters, check_answers, logprob_count, settle_unknown},
    prompt::{PromptSource, beyond_context},
    remarks::Remarks,
    request_body::typed,
    speech::SpeechOptions,
    structured,
    text::{PromptEnd, Rendering},
    tool_choice::ToolUse,
};

/// A request that this gateway can serve. Only [`ValidChat::new`] makes one.
pub(super) struct ValidChat {
    pub(super) model: AskedModel,
    pub(super) source: PromptSource,
    pub(super) parameters: Parameters,
    /// Most likely tokens to report in each place of the answer.
    pub(super) logprobs: Option<u32>,
    /// Limit on new tokens, at least 1; `None` for what is left of the context.
    pub(super) max_tokens: Option<usize>,
    pub(super) constraint: Option<Constraint>,
    pub(super) speech: SpeechOptions,
}

impl ValidChat {
    /// Checks everything that a request says, for the model that is served.
    ///
    /// # Errors
    /// 400 or 404, naming the parameter at fault.
    pub(super) fn new(mut chat: ChatRequest, app: &App, remarks: &mut Remarks) -> Result<Self, ApiError> {
        let mut sampling: SamplingParameters = typed(std::mem::take(&mut chat.rest).into_map())?;
        let unknown = sampling.unknown().chain(chat.unknown()).collect();
        settle_unknown(app.api.unknown_parameters, unknown, remarks)?;
        let asked = generating(app, &chat.model, remarks)?;
        let model = app.engine.model();
        let (format, limits) = (&app.model.output, &app.structured_limits);
        let tool_use = ToolUse::new(chat.tools.as_deref(), chat.tool_choice.as_ref(), chat.parallel_tool_calls, format, limits)?;
        let constraint = constraint(&mut sampling, tool_use.constraint, limits)?;
        let mut parameters = Parameters::new(sampling, model)?;
        check_answers(app, parameters.n as usize, constraint.as_ref())?;
        if matches!(tool_use.mode, ToolMode::Auto) && format.tools.is_some_and(|tools| tools.needs_special_tokens()) {
            parameters.text.skip_special_tokens = false;
        }
        let source = source(&mut chat, &app.api)?;
        let (logprobs, max_tokens) = (logprobs(&chat, model)?, max_tokens(&chat, model.max_model_len)?);
        let (echo, include_reasoning) = (chat.echo.unwrap_or(false), chat.include_reasoning.unwrap_or(true));
        let answered = source.rendering.end == PromptEnd::Assistant;
        let last = source.turns.last();
        let role = last.filter(|_| !answered).map_or("assistant", |turn| turn.speaker.role());
        let echo = last.filter(|turn| echo && turn.speaker.role() == role).map(|turn| turn.text().into_owned());
        let speech = SpeechOptions {
            tools: tool_use.mode,
            parallel: tool_use.parallel,
            reasoning: include_reasoning,
            reasoning_content: app.api.reasoning_content,
            role,
            echo,
        };
        Ok(Self { model: asked, source, parameters, logprobs, max_tokens, constraint, speech })
    }
}

/// What the prompt of a request is made of, for whoever wants no answer to it.
///
/// # Errors
/// As for [`ValidChat::new`].
pub(crate) fn prompt_source(chat: ChatRequest, app: &App, remarks: &mut Remarks) -> Result<PromptSource, ApiError> {
    Ok(ValidChat::new(chat, app, remarks)?.source)
}

/// Taken out of the request.
fn source(chat: &mut ChatRequest, api: &ApiConfig) -> Result<PromptSource, ApiError> {
    Ok(PromptSource {
        rendering: rendering(chat, api)?,
        turns: turns(std::mem::take(&mut chat.messages))?,
        template: chat.chat_template.take(),
        add_special_tokens: chat.add_special_tokens.unwrap_or(false),
    })
}

/// Either what the format of the answer demands, or a call of a tool.
fn constraint(
    sampling: &mut SamplingParameters,
    tools: Option<Constraint>,
    limits: &StructuredLimits,
) -> Result<Option<Constraint>, ApiError> {
    let format = structured::constraint(sampling.response_format.take(), sampling.structured_outputs.take(), limits)?;
    match (format, tools) {
        (Some(_), Some(_)) => {
            Err(ApiError::invalid("tool_choice demands a call, and so leaves no room for another format of the answer.")
                .param("tool_choice"))
        }
        (format, tools) => Ok(format.or(tools)),
    }
}

fn rendering(chat: &ChatRequest, api: &ApiConfig) -> Result<Rendering, ApiError> {
    let refused = |param: &str| Err(ApiError::invalid(format!("{param} is not allowed by this server.")).param(param));
    if chat.chat_template.is_some() && !api.request_chat_template {
        return refused("chat_template");
    }
    if chat.chat_template_kwargs.is_some() && !api.request_chat_template_kwargs {
        return refused("chat_template_kwargs");
    }
    let mut rendering = Rendering {
        tools: chat.tools.as_ref().map(|tools| json!(tools)),
        documents: chat.documents.as_ref().map(|documents| json!(documents)),
        end: end(chat)?,
        ..Rendering::default()
    };
    if let Some(effort) = chat.reasoning_effort {
        rendering.variables.insert("reasoning_effort".to_owned(), json!(effort));
        rendering.variables.insert("enable_thinking".to_owned(), Value::Bool(effort != ReasoningEffort::None));
    }
    for (name, value) in chat.chat_template_kwargs.iter().flatten() {
        if Rendering::RESERVED.contains(&name.as_str()) {
            let message = format!("chat_template_kwargs cannot set `{name}`: it has a parameter of its own, or none.");
            return Err(ApiError::invalid(message).param("chat_template_kwargs"));
        }
        rendering.variables.insert(name.clone(), value.clone());
    }
    Ok(rendering)
}

fn end(chat: &ChatRequest) -> Result<PromptEnd, ApiError> {
    match (chat.add_generation_prompt, chat.continue_final_message.unwrap_or(false)) {
        (Some(true), true) => Err(ApiError::invalid("continue_final_message and add_generation_prompt exclude each other.")
            .param("continue_final_message")),
        (_, true) => Ok(PromptEnd::WithinLastMessage),
        (Some(false), false) => Ok(PromptEnd::LastMessage),
        (None | Some(true), false) => Ok(PromptEnd::Assistant),
    }
}

fn logprobs(chat: &ChatRequest, model: &ModelInfo) -> Result<Option<u32>, ApiError> {
    match (chat.logprobs.unwrap_or(false), chat.top_logprobs) {
        (true, top) => Ok(logprob_count("top_logprobs", top, model)?.or(Some(0))),
        (false, None | Some(0)) => Ok(None),
        (false, Some(_)) => {
            Err(ApiError::invalid("top_logprobs is allowed only together with logprobs: true.").param("top_logprobs"))
        }
    }
}

fn max_tokens(chat: &ChatRequest, max_model_len: usize) -> Result<Option<usize>, ApiError> {
    let (older, newer) = (chat.max_tokens, chat.max_completion_tokens);
    let param = if newer.is_some() { "max_completion_tokens" } else { "max_tokens" };
    if older.is_some() && newer.is_some() && older != newer {
        return Err(ApiError::invalid("max_tokens and max_completion_tokens differ: give one of them.").param(param));
    }
    match newer.or(older) {
        Some(0) => Err(ApiError::invalid(format!("{param} must be at least 1.")).param(param)),
        Some(limit) if limit > max_model_len => Err(beyond_context(limit, max_model_len).param(param)),
        limit => Ok(limit),
    }
}
