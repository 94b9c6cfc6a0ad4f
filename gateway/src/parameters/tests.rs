//! Each parameter within its bounds, and beyond.

use blindllama_engine::{ModelTask, SamplingDefaults};
use serde_json::{Value, json};

use super::*;
use crate::request_body::typed;

fn model() -> ModelInfo {
    ModelInfo {
        task: ModelTask::Generate,
        max_model_len: 100,
        vocab_size: 10,
        max_logprobs: 5,
        schedules_by_priority: false,
        prefix_caching: false,
        dtype: String::new(),
        engine: String::new(),
        sampling_defaults: SamplingDefaults { temperature: Some(0.6), top_k: Some(50), ..SamplingDefaults::default() },
        adapters: Vec::new(),
    }
}

fn read(parameters: Value, model: &ModelInfo) -> Result<Parameters, ApiError> {
    let Value::Object(parameters) = parameters else { panic!("no object") };
    Parameters::new(typed(parameters)?, model)
}

fn valid(parameters: Value) -> Parameters {
    read(parameters.clone(), &model()).unwrap_or_else(|error| panic!("{parameters}: {:?}", serde_json::to_string(&error.body())))
}

fn refusal(parameters: Value) -> Value {
    let Err(error) = read(parameters.clone(), &model()) else { panic!("{parameters} was accepted") };
    serde_json::to_value(error.body()).unwrap()["error"].clone()
}

#[test]
fn what_is_left_open_comes_from_the_model_then_from_vllm() {
    let parameters = valid(json!({"top_p": null}));
    assert!(parameters.sampling == Sampling { temperature: 0.6, top_k: 50, ..Sampling::default() });
    assert_eq!((parameters.n, parameters.delivery, parameters.stopping), (1, Delivery::Whole, Stopping::default()));
    assert_eq!((parameters.text, parameters.cache_salt), (TextOptions::default(), None));
}

#[test]
fn what_is_given_is_used() {
    let parameters = valid(json!({"temperature": 0, "top_p": 1, "top_k": -1, "min_p": 0.5, "presence_penalty": -2,
        "frequency_penalty": 2, "repetition_penalty": 0.1, "seed": -2, "logit_bias": {"9": -100, "0": 100},
        "bad_words": ["x"], "allowed_token_ids": [0, 9], "n": 2, "stop_token_ids": [9], "ignore_eos": true, "min_tokens": 3,
        "skip_special_tokens": false, "spaces_between_special_tokens": false, "include_stop_str_in_output": true,
        "prompt_logprobs": 5, "return_tokens_as_token_ids": true, "return_token_ids": true, "priority": 0,
        "cache_salt": "s", "user": "u"}));
    let expected = Sampling {
        temperature: 0.0,
        top_p: 1.0,
        top_k: -1,
        min_p: 0.5,
        presence_penalty: -2.0,
        frequency_penalty: 2.0,
        repetition_penalty: 0.1,
        seed: Some(-2),
        logit_bias: vec![(0, 100.0), (9, -100.0)],
        bad_words: vec!["x".to_owned()],
        allowed_token_ids: vec![0, 9],
    };
    assert!(parameters.sampling == expected);
    assert_eq!(parameters.stopping, Stopping { stop_token_ids: vec![9], ignore_eos: true, min_tokens: 3 });
    let text = TextOptions { skip_special_tokens: false, spaces_between_special_tokens: false, include_stop: true };
    assert_eq!((parameters.text, parameters.prompt_logprobs, parameters.n), (text, Some(5), 2));
    assert!(parameters.return_token_ids && parameters.tokens_as_ids);
    assert_eq!(parameters.cache_salt.as_deref(), Some("s"));
    let stream = json!({"stream": true, "stream_options": {"include_usage": true, "continuous_usage_stats": true}});
    assert_eq!(valid(stream).delivery, Delivery::Stream(StreamUsage { at_end: true, continuous: true }));
}

#[test]
fn out_of_range_is_refused_by_name() {
    for (param, value) in [
        ("temperature", json!(2.1)),
        ("temperature", json!(-0.1)),
        ("top_p", json!(0)),
        ("top_p", json!(1.1)),
        ("top_k", json!(-2)),
        ("min_p", json!(-0.1)),
        ("min_p", json!(1.1)),
        ("presence_penalty", json!(-2.1)),
        ("frequency_penalty", json!(2.1)),
        ("repetition_penalty", json!(0)),
        ("logit_bias", json!({"10": 1})),
        ("logit_bias", json!({"1": 101})),
        ("logit_bias", json!({"x": 1})),
        ("logit_bias", json!({"+1": 1})),
        ("logit_bias", json!({"1": 1, "01": 2})),
        ("bad_words", json!([" "])),
        ("bad_words", json!(vec!["x"; 129])),
        ("bad_words", json!(["x".repeat(4097)])),
        ("allowed_token_ids", json!([])),
        ("allowed_token_ids", json!([10])),
        ("allowed_token_ids", json!(vec![1; 1025])),
        ("stop", json!("")),
        ("stop", json!(vec!["x"; 33])),
        ("stop", json!(["x".repeat(4097)])),
        ("stop_token_ids", json!([10])),
        ("stop_token_ids", json!(vec![1; 65])),
        ("n", json!(0)),
        ("n", json!(129)),
        ("prompt_logprobs", json!(6)),
        ("prompt_logprobs", json!(-1)),
        ("prompt_logprobs", json!(-2)),
        ("priority", json!(1)),
        ("cache_salt", json!("")),
        ("cache_salt", json!("a/b")),
        ("cache_salt", json!("x".repeat(129))),
        ("stream_options", json!({})),
        // Of the wrong type.
        ("temperature", json!("1")),
        ("seed", json!(1.5)),
        ("stop", json!(1)),
        ("n", json!(-1)),
    ] {
        assert_eq!(refusal(json!({param: value}))["param"], param, "{value}");
    }
    assert_eq!(refusal(json!({"stream": true, "prompt_logprobs": 0}))["param"], "prompt_logprobs");
}

#[test]
fn all_tokens_can_be_reported_where_they_are_few() {
    let few = ModelInfo { vocab_size: 5, ..model() };
    assert_eq!(read(json!({"prompt_logprobs": -1}), &few).ok().and_then(|parameters| parameters.prompt_logprobs), Some(5));
}

#[test]
fn priorities_are_for_engines_that_schedule_by_them() {
    let by_priority = ModelInfo { schedules_by_priority: true, ..model() };
    assert_eq!(read(json!({"priority": -3}), &by_priority).ok().map(|parameters| parameters.priority), Some(-3));
}

#[test]
fn without_a_salt_nobody_shares_a_prefix_cache() {
    let caching = ModelInfo { prefix_caching: true, ..model() };
    let salt = || read(json!({}), &caching).ok().and_then(|parameters| parameters.cache_salt).unwrap();
    let (first, second) = (salt(), salt());
    assert_ne!(first, second);
    assert_eq!(first.len(), 32);
}

#[test]
fn answers_to_one_prompt_differ_in_their_seed_alone() {
    let parameters = valid(json!({"n": 3, "seed": 7, "prompt_logprobs": 1, "min_tokens": 9}));
    let requests = parameters.requests(None, &[1, 2], 9, Some(2), None).unwrap();
    assert_eq!(requests.iter().map(|request| request.sampling.seed).collect::<Vec<_>>(), [Some(7), Some(8), Some(9)]);
    let prompt_logprobs: Vec<_> = requests.iter().map(|request| request.logprobs.prompt).collect();
    assert_eq!(prompt_logprobs, [Some(1), None, None]);
    for request in requests {
        assert_eq!((request.prompt, request.max_tokens, request.logprobs.sampled), (vec![1, 2], 9, Some(2)));
        assert_eq!(request.stopping.min_tokens, 9);
    }
    for seedless in [json!({"n": 2}), json!({"n": 2, "seed": -1})] {
        assert_eq!(valid(seedless).requests(None, &[1], 4, None, None).unwrap()[1].sampling.seed, None);
    }
    // The context may leave less room than was asked for.
    let error = parameters.requests(None, &[1, 2], 8, None, None).err().unwrap();
    assert_eq!(serde_json::to_value(error.body()).unwrap()["error"]["param"], "min_tokens");
}

#[test]
fn constraints_stand_alone() {
    let constrained = |parameters| valid(parameters).requests(None, &[1], 4, None, Some(&Constraint::JsonObject));
    let requests = constrained(json!({"n": 2})).unwrap();
    assert!(requests.iter().all(|request| request.constraint == Some(Constraint::JsonObject)));
    for (param, value) in [("min_tokens", json!(1)), ("allowed_token_ids", json!([1]))] {
        let error = constrained(json!({param: value})).err().unwrap();
        assert_eq!(serde_json::to_value(error.body()).unwrap()["error"]["param"], param);
    }
}

/// Each bound that the schema tells is the one that is checked.
#[test]
fn bounds_are_as_described() {
    let few = ModelInfo { vocab_size: 5, ..model() };
    let checked = |name: &str, value: Value, within: bool| {
        let refused = read(json!({name: value}), &few).err().map(|error| serde_json::to_value(error.body()).unwrap());
        assert_eq!(refused.is_none(), within, "{name}: {value}");
        assert!(refused.is_none_or(|body| body["error"]["param"] == name), "{name}: {value}");
    };
    let schema = schemars::schema_for!(SamplingParameters);
    let mut bounds = 0;
    for (name, schema) in schema.get("properties").and_then(Value::as_object).unwrap() {
        let step = if schema["type"][0] == "integer" { 1.0 } else { 0.01 };
        let number = |value: f64| if step < 1.0 { json!(value) } else { json!(value as i64) };
        let item = schema.pointer("/items/type").map_or(json!(1), |kind| if kind == "string" { json!("x") } else { json!(1) });
        let items = |count: u64| json!(vec![&item; usize::try_from(count).unwrap()]);
        let text = |length: u64| json!("x".repeat(usize::try_from(length).unwrap()));
        for (keyword, bound) in schema.as_object().unwrap() {
            let Some(bound) = bound.as_f64() else { continue };
            let count = bound as u64;
            let (within, beyond) = match keyword.as_str() {
                "minimum" => (number(bound), number(bound - step)),
                "maximum" => (number(bound), number(bound + step)),
                "exclusiveMinimum" => (number(bound + step), number(bound)),
                "minItems" => (items(count), items(count - 1)),
                "maxItems" => (items(count), items(count + 1)),
                "minLength" => (text(count), text(count - 1)),
                "maxLength" => (text(count), text(count + 1)),
                _ => continue,
            };
            bounds += 1;
            checked(name, within, true);
            checked(name, beyond, false);
        }
    }
    assert!(bounds >= 20, "only {bounds} bounds were found");
}
