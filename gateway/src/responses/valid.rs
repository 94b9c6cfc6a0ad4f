//! From what was asked to what can be done: every check that needs no tokens.

use blindllama_engine::{Constraint, ModelInfo};
use serde_json::{Map, Value, json};

use super::{
    conversation::turns,
    repeated::{repeated_json, repeated_text},
    sealed_reasoning::ReasoningSeal,
};
use crate::{
    App,
    models::{AskedModel, generating},
    openai::{
        chat_request::ReasoningEffort,
        error::ApiError,
        response::{Asked, AskedReasoning, AskedText},
        response_request::{ENCRYPTED_REASONING, LOGPROBS, ResponseRequest, Truncation},
        response_tools::ResponseToolChoice,
        sampling::SamplingParameters,
        tools::{Tool, ToolChoiceMode},
    },
    output::ToolMode,
    parameters::{Parameters, logprob_count, settle_unknown},
    remarks::Remarks,
    request_body::typed,
    speech::SpeechOptions,
    structured::text_constraint,
    text::{Rendering, Turn},
    tool_choice::ToolUse,
};

/// Sampling parameters that this API does not have, neither with OpenAI nor with vLLM.
pub(crate) const OF_COMPLETIONS: [&str; 5] =
    ["n", "response_format", "prompt_logprobs", "return_token_ids", "return_tokens_as_token_ids"];

/// A request that this gateway can serve. Only [`ValidResponse::new`] makes one.
pub(super) struct ValidResponse {
    pub(super) model: AskedModel,
    pub(super) turns: Vec<Turn>,
    pub(super) rendering: Rendering,
    pub(super) parameters: Parameters,
    /// Most likely tokens to report in each place of the text.
    pub(super) logprobs: Option<u32>,
    /// Limit on new tokens, at least 1; `None` for what is left of the context.
    pub(super) max_tokens: Option<usize>,
    pub(super) constraint: Option<Constraint>,
    pub(super) speech: SpeechOptions,
    /// Whether thoughts are also told in sealed form.
    pub(super) sealed_reasoning: bool,
    /// What the response repeats.
    pub(super) asked: Asked,
}

impl ValidResponse {
    /// Checks everything that a request says, for the model that is served.
    ///
    /// # Errors
    /// 400 or 404, naming the parameter at fault.
    pub(super) fn new(
        mut asked: ResponseRequest,
        app: &App,
        seal: &ReasoningSeal,
        remarks: &mut Remarks,
    ) -> Result<Self, ApiError> {
        refuse_kept(&asked)?;
        let tools = tools(&asked)?;
        let mut rest = std::mem::take(&mut asked.rest).into_map();
        let foreign = of_completions(&mut rest);
        let mut sampling: SamplingParameters = typed(rest)?;
        let unknown = foreign.into_iter().chain(sampling.unknown()).chain(asked.unknown()).collect();
        settle_unknown(app.api.unknown_parameters, unknown, remarks)?;
        let named = generating(app, &asked.model, remarks)?;
        let model = app.engine.model();
        let (format, limits) = (&app.model.output, &app.structured_limits);
        let choice = asked.tool_choice.as_ref().map(ResponseToolChoice::to_choice);
        // OpenAI's default says nothing without tools.
        let choice = choice.filter(|_| tools.is_some() || !is_default(asked.tool_choice.as_ref()));
        let tool_use = ToolUse::new(tools.as_deref(), choice.as_ref(), asked.parallel_tool_calls, format, limits)?;
        let text_format = asked.text.take().unwrap_or_default().format.unwrap_or_default();
        let by_format = text_constraint(Some(&text_format), sampling.structured_outputs.take(), limits)?;
        if by_format.is_some() && tool_use.constraint.is_some() {
            let message = "tool_choice demands a call, and so leaves no room for another format of the answer.";
            return Err(ApiError::invalid(message).param("tool_choice"));
        }
        let mut parameters = Parameters::new(sampling, model)?;
        if matches!(tool_use.mode, ToolMode::Auto) && format.tools.is_some_and(|tools| tools.needs_special_tokens()) {
            parameters.text.skip_special_tokens = false;
        }
        let Included { logprobs: with_logprobs, sealed_reasoning } = Included::new(asked.include.as_deref())?;
        let logprobs = logprobs(with_logprobs, asked.top_logprobs, model)?;
        let max_tokens = match asked.max_output_tokens {
            Some(0) => return Err(ApiError::invalid("max_output_tokens must be at least 1.").param("max_output_tokens")),
            limit => limit,
        };
        let effort = asked.reasoning.as_ref().and_then(|reasoning| reasoning.effort);
        let repeated = Asked {
            background: false,
            instructions: asked.instructions,
            max_output_tokens: max_tokens,
            metadata: asked.metadata.unwrap_or_default(),
            parallel_tool_calls: tool_use.parallel,
            previous_response_id: None,
            prompt_cache_key: repeated_text("prompt_cache_key", asked.prompt_cache_key)?,
            reasoning: AskedReasoning { effort, summary: None },
            safety_identifier: repeated_text("safety_identifier", asked.safety_identifier)?,
            service_tier: "default",
            store: false,
            temperature: parameters.sampling.temperature,
            text: AskedText { format: repeated_json("text", &text_format)? },
            tool_choice: asked.tool_choice.unwrap_or(ResponseToolChoice::Mode(ToolChoiceMode::Auto)),
            tools: repeated_json("tools", &asked.tools.unwrap_or_default())?,
            top_logprobs: logprobs.unwrap_or(0),
            top_p: parameters.sampling.top_p,
            truncation: "disabled",
            user: repeated_text("user", asked.user)?,
        };
        let speech = SpeechOptions {
            tools: tool_use.mode,
            parallel: tool_use.parallel,
            reasoning: true,
            reasoning_content: false,
            role: "assistant",
            echo: None,
        };
        Ok(Self {
            model: named,
            turns: turns(repeated.instructions.as_deref(), asked.input, seal)?,
            rendering: rendering(tools.as_deref(), effort),
            parameters,
            logprobs,
            max_tokens,
            constraint: by_format.or(tool_use.constraint),
            speech,
            sealed_reasoning,
            asked: repeated,
        })
    }
}

/// A confidential service keeps nothing, so whatever needs something that was kept cannot be had.
fn refuse_kept(asked: &ResponseRequest) -> Result<(), ApiError> {
    let obfuscation = asked.stream_options.as_ref().and_then(|options| options.include_obfuscation);
    for (given, param, reason) in [
        (
            asked.previous_response_id.is_some(),
            "previous_response_id",
            "cannot be used: this server keeps no responses. Send the whole conversation as input.",
        ),
        (
            asked.conversation.is_some(),
            "conversation",
            "cannot be used: this server keeps no conversations. Send the whole conversation as input.",
        ),
        (
            asked.background == Some(true),
            "background",
            "cannot be true: this server keeps no responses that could be asked for later.",
        ),
        (
            asked.truncation == Some(Truncation::Auto),
            "truncation",
            "cannot be \"auto\": this server never leaves out parts of a conversation. Shorten it, or leave truncation out.",
        ),
        (obfuscation == Some(true), "stream_options.include_obfuscation", "cannot be true: this server does not fill events up."),
    ] {
        if given {
            return Err(ApiError::invalid(format!("{param} {reason}")).param(param));
        }
    }
    Ok(())
}

/// The tools as templates read them; `None` where there are none.
fn tools(asked: &ResponseRequest) -> Result<Option<Vec<Tool>>, ApiError> {
    let tools = asked.tools.iter().flatten().enumerate();
    let tools = tools.map(|(index, tool)| tool.to_tool(index)).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(tools).filter(|tools| !tools.is_empty()))
}

const fn is_default(choice: Option<&ResponseToolChoice>) -> bool {
    matches!(choice, None | Some(ResponseToolChoice::Mode(ToolChoiceMode::Auto)))
}

/// Takes the parameters that are not of this API, and names those that are set.
fn of_completions(rest: &mut Map<String, Value>) -> Vec<String> {
    let taken = OF_COMPLETIONS.iter().filter(|name| rest.shift_remove(**name).is_some_and(|value| !value.is_null()));
    taken.map(|name| (*name).to_owned()).collect()
}

/// What `include` asks for.
#[derive(Default)]
struct Included {
    logprobs: bool,
    sealed_reasoning: bool,
}

impl Included {
    fn new(include: Option<&[String]>) -> Result<Self, ApiError> {
        let mut included = Self::default();
        for name in include.unwrap_or_default() {
            match name.as_str() {
                LOGPROBS => included.logprobs = true,
                ENCRYPTED_REASONING => included.sealed_reasoning = true,
                _ => {
                    let message = format!("include has {name:?}: only {LOGPROBS:?} and {ENCRYPTED_REASONING:?} can be included.");
                    return Err(ApiError::invalid(message).param("include"));
                }
            }
        }
        Ok(included)
    }
}

/// As with vLLM, probabilities come only where `include` asks for them.
fn logprobs(included: bool, top: Option<i64>, model: &ModelInfo) -> Result<Option<u32>, ApiError> {
    match top {
        top if included => Ok(logprob_count("top_logprobs", top, model)?.or(Some(0))),
        None | Some(0) => Ok(None),
        Some(_) => {
            let message = format!("top_logprobs is allowed only together with include: [{LOGPROBS:?}].");
            Err(ApiError::invalid(message).param("top_logprobs"))
        }
    }
}

fn rendering(tools: Option<&[Tool]>, effort: Option<ReasoningEffort>) -> Rendering {
    let mut rendering = Rendering { tools: tools.map(|tools| json!(tools)), ..Rendering::default() };
    if let Some(effort) = effort {
        rendering.variables.insert("reasoning_effort".to_owned(), json!(effort));
        rendering.variables.insert("enable_thinking".to_owned(), Value::Bool(effort != ReasoningEffort::None));
    }
    rendering
}
