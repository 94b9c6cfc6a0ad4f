//! From what was asked to what can be done: every check that needs no tokens.

use blindllama_engine::{Sampling, SamplingDefaults};

use crate::openai::{
    error::ApiError,
    request::{ChatRequest, Message},
};

/// A request that this gateway can serve. Only [`ValidChat::new`] makes one.
pub(super) struct ValidChat {
    pub(super) messages: Vec<Message>,
    pub(super) sampling: Sampling,
    /// Limit on new tokens, at least 1; `None` for what is left of the context.
    pub(super) max_tokens: Option<usize>,
    pub(super) delivery: Delivery,
}

/// How the answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// One JSON document.
    Whole,
    /// Server-sent events.
    Stream {
        /// Whether token counts come at the end.
        include_usage: bool,
    },
}

impl ValidChat {
    /// Checks everything that `request` says, for the model `served`.
    ///
    /// # Errors
    /// 400 or 404, naming the parameter at fault.
    pub(super) fn new(request: ChatRequest, served: &str, defaults: &SamplingDefaults) -> Result<Self, ApiError> {
        refuse_unsupported(&request)?;
        if request.model != served {
            return Err(ApiError::model_not_found(&request.model));
        }
        if request.messages.is_empty() {
            return Err(ApiError::invalid("messages must have at least one message.").param("messages"));
        }
        if request.n.is_some_and(|n| n != 1) {
            return Err(ApiError::invalid("n must be 1: one answer per request.").param("n"));
        }
        Ok(Self {
            max_tokens: max_tokens(&request)?,
            sampling: sampling(&request, defaults)?,
            delivery: delivery(&request)?,
            messages: request.messages,
        })
    }
}

fn refuse_unsupported(request: &ChatRequest) -> Result<(), ApiError> {
    let unsupported = request.unsupported();
    let Some(first) = unsupported.first() else { return Ok(()) };
    let message = format!("unsupported parameter(s): {}", unsupported.join(", "));
    Err(ApiError::invalid(message).param(first).code("unsupported_parameter"))
}

fn max_tokens(request: &ChatRequest) -> Result<Option<usize>, ApiError> {
    let (older, newer) = (request.max_tokens, request.max_completion_tokens);
    let param = if newer.is_some() { "max_completion_tokens" } else { "max_tokens" };
    if older.is_some() && newer.is_some() && older != newer {
        return Err(ApiError::invalid("max_tokens and max_completion_tokens differ: give one of them.").param(param));
    }
    match newer.or(older) {
        Some(0) => Err(ApiError::invalid(format!("{param} must be at least 1.")).param(param)),
        limit => Ok(limit),
    }
}

/// What the request leaves open comes from the model's author, then from vLLM.
fn sampling(request: &ChatRequest, defaults: &SamplingDefaults) -> Result<Sampling, ApiError> {
    let vllm = Sampling::default();
    let penalty = |param, value: Option<f64>| between(param, value, -2.0, 2.0);
    if request.top_p == Some(0.0) {
        return Err(ApiError::invalid("top_p must be above 0 and at most 1.").param("top_p"));
    }
    Ok(Sampling {
        temperature: between("temperature", request.temperature, 0.0, 2.0)?.or(defaults.temperature).unwrap_or(vllm.temperature),
        top_p: between("top_p", request.top_p, 0.0, 1.0)?.or(defaults.top_p).unwrap_or(vllm.top_p),
        top_k: defaults.top_k.unwrap_or(vllm.top_k),
        min_p: defaults.min_p.unwrap_or(vllm.min_p),
        presence_penalty: penalty("presence_penalty", request.presence_penalty)?
            .or(defaults.presence_penalty)
            .unwrap_or(vllm.presence_penalty),
        frequency_penalty: penalty("frequency_penalty", request.frequency_penalty)?
            .or(defaults.frequency_penalty)
            .unwrap_or(vllm.frequency_penalty),
        repetition_penalty: defaults.repetition_penalty.unwrap_or(vllm.repetition_penalty),
        seed: request.seed,
    })
}

fn between(param: &str, value: Option<f64>, least: f64, most: f64) -> Result<Option<f64>, ApiError> {
    match value {
        Some(value) if !(least..=most).contains(&value) => {
            Err(ApiError::invalid(format!("{param} must be between {least} and {most}, not {value}.")).param(param))
        }
        value => Ok(value),
    }
}

fn delivery(request: &ChatRequest) -> Result<Delivery, ApiError> {
    match (request.stream.unwrap_or(false), &request.stream_options) {
        (true, options) => {
            let include_usage = options.as_ref().and_then(|options| options.include_usage).unwrap_or(false);
            Ok(Delivery::Stream { include_usage })
        }
        (false, None) => Ok(Delivery::Whole),
        (false, Some(_)) => {
            Err(ApiError::invalid("stream_options is allowed only together with stream: true.").param("stream_options"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn valid(extra: Value) -> Result<ValidChat, ApiError> {
        let defaults = SamplingDefaults { temperature: Some(0.6), top_k: Some(50), ..SamplingDefaults::default() };
        let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        ValidChat::new(serde_json::from_value(request).unwrap(), "m", &defaults)
    }

    fn refusal(extra: Value) -> Value {
        let error = valid(extra.clone()).err().unwrap_or_else(|| panic!("{extra} was accepted"));
        serde_json::to_value(error.body()).unwrap()["error"].clone()
    }

    #[test]
    fn what_is_left_open_comes_from_the_model_then_from_vllm() {
        let chat = valid(json!({"top_p": null})).unwrap_or_else(|_| panic!("refused"));
        let expected = Sampling { temperature: 0.6, top_k: 50, ..Sampling::default() };
        assert_eq!((chat.sampling, chat.max_tokens, chat.delivery), (expected, None, Delivery::Whole));
    }

    #[test]
    fn what_is_given_is_used() {
        let given = json!({"temperature": 0, "top_p": 1, "presence_penalty": -2, "frequency_penalty": 2, "seed": -1, "n": 1,
            "max_tokens": 3, "max_completion_tokens": 3, "user": "u", "logprobs": false,
            "stream": true, "stream_options": {"include_usage": true}});
        let chat = valid(given).unwrap_or_else(|_| panic!("refused"));
        assert_eq!((chat.sampling.temperature, chat.sampling.top_p, chat.sampling.seed), (0.0, 1.0, Some(-1)));
        assert_eq!((chat.sampling.presence_penalty, chat.sampling.frequency_penalty), (-2.0, 2.0));
        assert_eq!((chat.max_tokens, chat.delivery), (Some(3), Delivery::Stream { include_usage: true }));
    }

    #[test]
    fn out_of_range_is_refused_by_name() {
        for (param, value) in [
            ("temperature", json!(2.1)),
            ("temperature", json!(-0.1)),
            ("top_p", json!(0)),
            ("top_p", json!(1.1)),
            ("presence_penalty", json!(-2.1)),
            ("frequency_penalty", json!(2.1)),
            ("n", json!(2)),
            ("n", json!(0)),
            ("max_tokens", json!(0)),
            ("max_completion_tokens", json!(0)),
            ("messages", json!([])),
            ("model", json!("other")),
            ("stream_options", json!({})),
        ] {
            assert_eq!(refusal(json!({param: value}))["param"], param);
        }
        assert_eq!(refusal(json!({"max_tokens": 1, "max_completion_tokens": 2}))["param"], "max_completion_tokens");
    }

    #[test]
    fn unsupported_parameters_are_listed_all() {
        let error = refusal(json!({
            "stop": ["x"], "tools": null, "logprobs": true, "stream": true, "stream_options": {"x": 1},
            "messages": [{"role": "user", "name": "n", "refusal": null, "content": [{"type": "text", "text": "t", "y": 1}]}],
        }));
        let expected = "unsupported parameter(s): stop, logprobs, stream_options.x, messages[0].name, messages[0].content[0].y";
        assert_eq!(error["message"], expected);
    }
}
