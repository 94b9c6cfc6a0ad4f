//! Several answers, what ends them, and what is told of their tokens.

use blindllama_engine::{Constraint, FinishReason, Finished, GenerateRequest, Logprobs, TokenLogprob, TokenOutput};
use blindllama_gateway::config::{ApiConfig, StructuredLimits, UnknownParameters};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    chat::{hello, with},
    client::Answer,
    harness::{Gateway, MAX_REQUESTS, MODEL, Setup, Size},
    streaming::events,
};

/// [`hello`] with more parameters.
pub(crate) fn asking(parameters: Value) -> Value {
    let mut request = hello();
    request.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    request
}

/// Sends `body`, and answers the engine's requests with `texts`, in their order.
pub(crate) async fn ask(gateway: &mut Gateway, body: &Value, texts: &[&str]) -> (Answer, Vec<GenerateRequest>) {
    let mut client = gateway.connect().await;
    tokio::join!(client.chat(body), async {
        let mut requests = Vec::new();
        for text in texts {
            requests.push(gateway.answer(text).await);
        }
        requests
    })
}

/// The error of a request that is refused before the engine sees it.
pub(crate) async fn refused(gateway: &Gateway, parameters: Value) -> Value {
    let answer = gateway.connect().await.chat(&asking(parameters.clone())).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{parameters}");
    answer.error()
}

/// What each choice of a stream says, by its index.
fn told(events: &[Value], choices: usize) -> Vec<String> {
    let mut texts = vec![String::new(); choices];
    for choice in events.iter().filter_map(|event| event["choices"].get(0)) {
        let index: usize = choice["index"].as_u64().unwrap().try_into().unwrap();
        texts[index].push_str(choice["delta"]["content"].as_str().unwrap_or_default());
    }
    texts
}

#[tokio::test]
async fn n_answers_are_n_requests_whose_seeds_differ() {
    let mut gateway = Gateway::start();
    let body = asking(json!({"n": 3, "seed": 5}));
    let (answer, requests) = ask(&mut gateway, &body, &["one", "two", "three"]).await;
    assert_eq!(requests.iter().map(|request| request.sampling.seed).collect::<Vec<_>>(), [Some(5), Some(6), Some(7)]);
    let answer = answer.json();
    let texts: Vec<_> = answer["choices"].as_array().unwrap().iter().map(|choice| &choice["message"]["content"]).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    let indexes: Vec<_> = answer["choices"].as_array().unwrap().iter().map(|choice| &choice["index"]).collect();
    assert_eq!(indexes, [0, 1, 2]);
    let tokens = |text: &str| gateway.tokenizer.encode(text, false).unwrap().len() + 1;
    assert_eq!(answer["usage"]["prompt_tokens"], requests[0].prompt.len());
    assert_eq!(answer["usage"]["completion_tokens"], tokens("one") + tokens("two") + tokens("three"));
    gateway.stop().await;
}

#[tokio::test]
async fn n_answers_stream_side_by_side_and_end_together() {
    let mut gateway = Gateway::start();
    let body = asking(json!({"n": 2, "stream": true,
        "stream_options": {"include_usage": true, "continuous_usage_stats": true}}));
    let (answer, requests) = ask(&mut gateway, &body, &["one", "two 😀"]).await;
    let events = events(&answer.body);
    assert_eq!(told(&events, 2), ["one", "two 😀"]);
    let ends = events.iter().filter_map(|event| event["choices"].get(0)).filter(|choice| !choice["finish_reason"].is_null());
    assert_eq!(ends.count(), 2);
    assert!(answer.body.ends_with("data: [DONE]\n\n"));
    let last = events.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert!(events.iter().all(|event| event["usage"]["prompt_tokens"] == requests[0].prompt.len()));
    gateway.stop().await;
}

#[tokio::test]
async fn a_stop_string_ends_the_answer_and_the_request() {
    let mut gateway = Gateway::start();
    for (parameters, text, stop) in [
        (json!({"stop": "END"}), "before ", "END"),
        (json!({"stop": ["x", "END"], "include_stop_str_in_output": true}), "before END", "END"),
        (json!({"stop": ["D af"]}), "before EN", "D af"),
    ] {
        let (answer, requests) = ask(&mut gateway, &asking(parameters.clone()), &["before END after"]).await;
        let choice = answer.json()["choices"][0].clone();
        assert_eq!(choice["message"]["content"], text, "{parameters}");
        assert_eq!((&choice["finish_reason"], &choice["stop_reason"]), (&json!("stop"), &json!(stop)));
        // The engine is not told: it sees no text.
        assert!(requests[0].stopping == blindllama_engine::Stopping::default());
    }
    let body = asking(json!({"stop": "END", "stream": true}));
    let (answer, _) = ask(&mut gateway, &body, &["before END after"]).await;
    let events = events(&answer.body);
    assert_eq!(told(&events, 1), ["before "]);
    assert_eq!(events.last().unwrap()["choices"][0]["stop_reason"], "END");
    gateway.stop().await;
}

#[tokio::test]
async fn nothing_stops_the_answer_before_its_least_number_of_tokens() {
    let mut gateway = Gateway::start();
    let (answer, requests) = ask(&mut gateway, &asking(json!({"stop": "a", "min_tokens": 3})), &["a b a b a b"]).await;
    assert_eq!(requests[0].stopping.min_tokens, 3);
    let text = answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert!(text.starts_with("a b") && text.len() > 2, "{text:?}");
    let error = refused(&gateway, json!({"max_tokens": 2, "min_tokens": 3})).await;
    assert_eq!(error["param"], "min_tokens");
    gateway.stop().await;
}

#[tokio::test]
async fn a_stop_token_is_named() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let body = with("stop_token_ids", json!([7]));
    let (answer, request) = tokio::join!(client.chat(&body), async {
        let (request, sender) = gateway.next_request().await;
        let ids = [gateway.tokenizer.encode("a", false).unwrap(), vec![7]].concat();
        let finished = Some(Finished { reason: FinishReason::Stop, stop_token: Some(7) });
        sender.send(Ok(TokenOutput { token_ids: ids, finished, ..TokenOutput::default() })).unwrap();
        request
    });
    assert_eq!(request.stopping.stop_token_ids, [7]);
    let choice = answer.json()["choices"][0].clone();
    assert_eq!((&choice["message"]["content"], &choice["stop_reason"]), (&json!("a"), &json!(7)));
    gateway.stop().await;
}

/// One token of each of `texts`, with itself and a less likely one.
fn with_logprobs(gateway: &Gateway, texts: &[&str]) -> Vec<TokenOutput> {
    let id = |text: &str| gateway.tokenizer.encode(text, false).unwrap()[0];
    let output = |text: &&str| {
        let row = vec![
            TokenLogprob { token_id: id(text), logprob: -0.25, rank: 1 },
            TokenLogprob { token_id: id(text), logprob: -0.25, rank: 1 },
            TokenLogprob { token_id: id("z"), logprob: f64::NEG_INFINITY, rank: 2 },
            // More than was asked for: another request of the step wanted it.
            TokenLogprob { token_id: id("y"), logprob: -9.0, rank: 3 },
        ];
        TokenOutput { token_ids: vec![id(text)], logprobs: Some(vec![row]), ..TokenOutput::default() }
    };
    let mut outputs: Vec<_> = texts.iter().map(output).collect();
    outputs.last_mut().unwrap().finished = Some(Finished { reason: FinishReason::Length, stop_token: None });
    outputs
}

#[tokio::test]
async fn logprobs_come_with_their_tokens() {
    let mut gateway = Gateway::start();
    let expected = |text: &str| {
        json!({"token": text, "logprob": -0.25, "bytes": text.as_bytes(), "top_logprobs": [
            {"token": text, "logprob": -0.25, "bytes": text.as_bytes()},
            {"token": "z", "logprob": -9999.0, "bytes": b"z"},
        ]})
    };
    for stream in [false, true] {
        let mut client = gateway.connect().await;
        let body = asking(json!({"logprobs": true, "top_logprobs": 2, "stream": stream, "stop": "bc"}));
        let (answer, request) = tokio::join!(client.chat(&body), async {
            let (request, sender) = gateway.next_request().await;
            for output in with_logprobs(&gateway, &["a", "b", "a"]) {
                sender.send(Ok(output)).unwrap();
            }
            request
        });
        assert_eq!(request.logprobs, Logprobs { sampled: Some(2), prompt: None });
        let content: Vec<_> = if stream {
            let events = events(&answer.body);
            let tokens = events.iter().filter_map(|event| event["choices"][0]["logprobs"]["content"].as_array());
            // The text of `b` could begin the stop string and waits; what is told of the token does not.
            assert_eq!(tokens.clone().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
            tokens.flatten().cloned().collect()
        } else {
            answer.json()["choices"][0]["logprobs"]["content"].as_array().unwrap().clone()
        };
        assert_eq!(content, [expected("a"), expected("b"), expected("a")]);
    }
    let error = refused(&gateway, json!({"top_logprobs": 2})).await;
    assert_eq!(error["param"], "top_logprobs");
    gateway.stop().await;
}

#[tokio::test]
async fn token_ids_and_prompt_logprobs_come_where_they_are_asked_for() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let body = asking(json!({"return_token_ids": true, "prompt_logprobs": 1}));
    let (answer, request) = tokio::join!(client.chat(&body), async {
        let (request, sender) = gateway.next_request().await;
        let row = |id: &u32| {
            vec![
                TokenLogprob { token_id: *id, logprob: -2.0, rank: 9 },
                TokenLogprob { token_id: id + 1, logprob: -1.0, rank: 1 },
                TokenLogprob { token_id: id + 2, logprob: -1.5, rank: 2 },
            ]
        };
        let prompt_logprobs = Some(request.prompt[1..].iter().map(row).collect());
        let finished = Some(Finished { reason: FinishReason::Length, stop_token: None });
        sender.send(Ok(TokenOutput { token_ids: vec![7], finished, prompt_logprobs, ..TokenOutput::default() })).unwrap();
        request
    });
    let answer = answer.json();
    assert_eq!((&answer["prompt_token_ids"], &answer["choices"][0]["token_ids"]), (&json!(request.prompt), &json!([7])));
    let rows = answer["prompt_logprobs"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]), (request.prompt.len(), &Value::Null));
    let second = request.prompt[1];
    assert_eq!(rows[1].as_object().unwrap().len(), 2);
    assert_eq!(rows[1][second.to_string()]["rank"], 9);
    assert_eq!(rows[1][(second + 1).to_string()]["logprob"], -1.0);
    gateway.stop().await;
}

#[tokio::test]
async fn an_answer_can_continue_the_last_message() {
    let mut gateway = Gateway::start();
    let conversation = json!([{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "The answer is"}]);
    let body =
        asking(json!({"messages": conversation, "continue_final_message": true, "add_generation_prompt": false, "echo": true}));
    let (answer, requests) = ask(&mut gateway, &body, &[" 42"]).await;
    let prompt = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nThe answer is";
    assert_eq!(requests[0].prompt, gateway.tokenizer.encode(prompt, false).unwrap());
    let message = answer.json()["choices"][0]["message"].clone();
    assert_eq!((&message["content"], &message["role"]), (&json!("The answer is 42"), &json!("assistant")));
    let error = refused(&gateway, json!({"continue_final_message": true, "add_generation_prompt": true})).await;
    assert_eq!(error["param"], "continue_final_message");
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_brings_a_template_only_where_it_may() {
    let parameters =
        json!({"chat_template": "{{ greeting }}, {{ messages[0].content }}", "chat_template_kwargs": {"greeting": "Hi"}});
    let mut gateway = Gateway::start();
    assert_eq!(refused(&gateway, parameters.clone()).await["param"], "chat_template");
    let reserved = json!({"chat_template_kwargs": {"messages": []}});
    assert_eq!(refused(&gateway, reserved).await["param"], "chat_template_kwargs");
    gateway.stop().await;

    let api = ApiConfig { request_chat_template: true, ..ApiConfig::default() };
    gateway = Gateway::start_with(Setup { api, ..Setup::default() });
    let (_, requests) = ask(&mut gateway, &asking(parameters), &["x"]).await;
    assert_eq!(requests[0].prompt, gateway.tokenizer.encode("Hi, Hello", false).unwrap());
    for template in ["{{ ", "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"] {
        assert_eq!(refused(&gateway, json!({"chat_template": template})).await["type"], "invalid_request_error");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn unknown_parameters_are_ignored_only_where_the_configuration_says_so() {
    let api = ApiConfig { unknown_parameters: UnknownParameters::Ignore, ..ApiConfig::default() };
    let mut gateway = Gateway::start_with(Setup { api, ..Setup::default() });
    let body = asking(json!({"colour": "blue", "gr\u{f6}\r\nx": 1}));
    let (answer, _) = ask(&mut gateway, &body, &["x"]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["x-blindllama-ignored-parameters"], "colour,gr???x");
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_for_openai_alone_is_accepted_without_effect() {
    let mut gateway = Gateway::start();
    let body = asking(json!({"store": true, "metadata": {"a": "b"}, "user": "u", "service_tier": "auto", "modalities": ["text"],
        "prompt_cache_key": "k", "safety_identifier": "s"}));
    let (answer, requests) = ask(&mut gateway, &body, &["x"]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(requests[0].constraint.is_none() && requests[0].cache_salt.is_none());
    assert_eq!(refused(&gateway, json!({"modalities": ["audio"]})).await["param"], "modalities[0]");
    gateway.stop().await;
}

#[tokio::test]
async fn formats_of_the_answer_reach_the_engine() {
    let mut gateway = Gateway::start();
    for (parameters, expected) in [
        (json!({"response_format": {"type": "text"}}), None),
        (json!({"response_format": {"type": "json_object"}}), Some(Constraint::JsonObject)),
        (json!({"structured_outputs": {"choice": ["a", "b"]}}), Some(Constraint::Choice(vec!["a".into(), "b".into()]))),
        (json!({"structured_outputs": {"regex": "a+"}}), Some(Constraint::Regex("a+".into()))),
    ] {
        let (_, requests) = ask(&mut gateway, &asking(parameters.clone()), &["x"]).await;
        assert!(requests[0].constraint == expected, "{parameters}");
    }
    let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}});
    let (_, requests) = ask(&mut gateway, &with("response_format", schema), &["{}"]).await;
    let Some(Constraint::Json(schema)) = &requests[0].constraint else { panic!("no schema") };
    assert_eq!(serde_json::from_str::<Value>(schema).unwrap(), json!({"type": "object"}));
    for parameters in [
        json!({"response_format": {"type": "json_schema"}}),
        json!({"response_format": {"type": "json_object"}, "structured_outputs": {"regex": "a"}}),
        json!({"structured_outputs": {"regex": "("}}),
    ] {
        refused(&gateway, parameters).await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn each_answer_takes_a_place() {
    let mut gateway = Gateway::start();
    let too_many = refused(&gateway, json!({"n": MAX_REQUESTS + 1})).await;
    assert_eq!(too_many["param"], "n");
    let mut client = gateway.connect().await;
    let body = asking(json!({"n": MAX_REQUESTS}));
    let first = tokio::spawn(async move { client.chat(&body).await });
    let mut running = Vec::new();
    for _ in 0..MAX_REQUESTS {
        running.push(gateway.next_request().await);
    }
    let turned_away = gateway.connect().await.chat(&hello()).await;
    assert_eq!(turned_away.status, StatusCode::SERVICE_UNAVAILABLE);
    for (_, sender) in running {
        gateway.say(&sender, "x");
    }
    assert_eq!(first.await.unwrap().status, StatusCode::OK);
    let (answer, _) = ask(&mut gateway, &hello(), &["x"]).await;
    assert_eq!(answer.status, StatusCode::OK);
    gateway.stop().await;
}

/// Each costs time in every step, which is everybody's.
#[tokio::test]
async fn constrained_answers_of_all_requests_have_a_bound() {
    let structured = StructuredLimits { sequences: 2, ..StructuredLimits::default() };
    let mut gateway = Gateway::start_with(Setup { structured, ..Setup::default() });
    let constrained = |n| asking(json!({"n": n, "response_format": {"type": "json_object"}}));
    let beyond = gateway.connect().await.chat(&constrained(3)).await;
    assert_eq!((beyond.status, beyond.error()["param"].clone()), (StatusCode::BAD_REQUEST, json!("n")));
    let mut client = gateway.connect().await;
    let first = tokio::spawn(async move { client.chat(&constrained(2)).await });
    let running = [gateway.next_request().await, gateway.next_request().await];
    let turned_away = gateway.connect().await.chat(&constrained(1)).await;
    assert_eq!(
        (turned_away.status, &turned_away.headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
    let (free, _) = ask(&mut gateway, &hello(), &["x"]).await;
    assert_eq!(free.status, StatusCode::OK);
    running.iter().for_each(|(_, sender)| gateway.say(sender, "{}"));
    assert_eq!(first.await.unwrap().status, StatusCode::OK);
    let (again, _) = ask(&mut gateway, &constrained(2), &["{}", "{}"]).await;
    assert_eq!(again.status, StatusCode::OK);
    gateway.stop().await;
}

#[tokio::test]
async fn few_answers_to_one_request_can_be_constrained() {
    let gateway = Gateway::start();
    let parameters = json!({"n": 9, "response_format": {"type": "json_object"}});
    assert_eq!(refused(&gateway, parameters).await["param"], "n");
    gateway.stop().await;
}

/// Each is a text of its own in the answer, so all of them have to fit into memory.
#[tokio::test]
async fn probabilities_of_a_prompt_have_a_bound() {
    let size = Size { body_bytes: 4 * 1024 * 1024, context: 200_000, ..Size::default() };
    let gateway = Gateway::start_with(Setup { size, ..Setup::default() });
    let mut client = gateway.connect().await;
    let long = json!({"messages": [{"role": "user", "content": "Paris is old. ".repeat(25_000)}], "prompt_logprobs": 5});
    let chat = client.chat(&asking(long)).await;
    assert_eq!((chat.status, chat.error()["param"].clone()), (StatusCode::BAD_REQUEST, json!("prompt_logprobs")));
    let prompt = json!({"model": MODEL, "prompt": vec![7; 180_000], "prompt_logprobs": 5});
    let completion = client.post("/v1/completions", &prompt.to_string()).await;
    assert_eq!((completion.status, completion.error()["param"].clone()), (StatusCode::BAD_REQUEST, json!("prompt")));
    gateway.stop().await;
}
