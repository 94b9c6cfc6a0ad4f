//! OpenAI's Responses: whole, streamed, refused, cut off.

use std::collections::BTreeSet;

use blindllama_attest::receipt::Receipt;
use blindllama_engine::{EngineError, FinishReason, GenerateRequest, TokenLogprob, TokenOutput};
use blindllama_gateway::config::{ApiConfig, FormatChoice, ReasoningFormat, ToolFormat, UnknownParameters};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    client::{Answer, request},
    disconnect::{nothing_runs, until_closed},
    engine::{MAX_MODEL_LEN, last, tokens},
    harness::{Gateway, MODEL, Setup},
    receipts::receipt,
};

const RESPONSES: &str = "/v1/responses";

fn with(more: Value) -> Value {
    let mut body = json!({"model": MODEL, "input": "Hello"});
    let Value::Object(more) = more else { panic!("{more} is no object") };
    body.as_object_mut().unwrap().extend(more);
    body
}

async fn ask(gateway: &mut Gateway, body: &Value, text: &str) -> (Answer, GenerateRequest) {
    let mut client = gateway.connect().await;
    let body = body.to_string();
    tokio::join!(client.post(RESPONSES, &body), gateway.answer(text))
}

fn receipt_of(gateway: &Gateway, sent: &Value, answer: &Answer) -> Receipt {
    receipt(gateway, ("POST", RESPONSES), sent.to_string().as_bytes(), answer).unwrap()
}

/// The events of a stream that is as OpenAI frames it: typed, and numbered from 0.
fn events(body: &str) -> Vec<Value> {
    let frames = body.strip_suffix("\n\n").unwrap().split("\n\n").filter(|frame| !frame.starts_with(':'));
    let events: Vec<Value> = frames
        .map(|frame| {
            let (kind, data) = frame.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            let event: Value = serde_json::from_str(data).unwrap();
            assert_eq!(event["type"], kind);
            event
        })
        .collect();
    for (number, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    events
}

/// The types of `events`, each run of one type once.
fn types(events: &[Value]) -> Vec<&str> {
    let mut types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.dedup();
    types
}

fn deltas(events: &[Value], kind: &str) -> String {
    events.iter().filter(|event| event["type"] == kind).map(|event| event["delta"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_response_is_as_openai_documents_it() {
    let mut gateway = Gateway::start();
    let body = with(json!({"instructions": "Be kind", "metadata": {"a": "b"}, "user": "u", "store": true, "temperature": 0.25}));
    let (answer, generated) = ask(&mut gateway, &body, "Paris, 東京").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let response = answer.json();
    let prompt = "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n";
    assert!(generated.prompt == gateway.tokenizer.encode(prompt, false).unwrap());
    assert!(response["id"].as_str().unwrap().starts_with("resp_"));
    let message = &response["output"][0];
    assert!(message["id"].as_str().unwrap().starts_with("msg_"));
    assert_eq!(
        *message,
        json!({
            "type": "message", "id": message["id"], "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Paris, 東京", "annotations": [], "logprobs": []}],
        })
    );
    let output_tokens = gateway.tokenizer.encode("Paris, 東京", false).unwrap().len() + 1;
    let expected = json!({
        "object": "response", "status": "completed", "error": null, "incomplete_details": null, "model": MODEL, "background": false,
        "instructions": "Be kind", "max_output_tokens": null, "metadata": {"a": "b"}, "parallel_tool_calls": true,
        "previous_response_id": null, "prompt_cache_key": null, "reasoning": {"effort": null, "summary": null},
        "safety_identifier": null, "service_tier": "default", "store": false, "temperature": 0.25,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_logprobs": 0, "top_p": 1.0,
        "truncation": "disabled", "user": "u",
        "usage": {
            "input_tokens": generated.prompt.len(), "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": output_tokens, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": generated.prompt.len() + output_tokens,
        },
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(response[key], *value, "{key}");
    }
    let others: BTreeSet<_> = response.as_object().unwrap().keys().filter(|key| expected.get(key).is_none()).collect();
    assert_eq!(others.into_iter().collect::<Vec<_>>(), ["completed_at", "created_at", "id", "output"]);
    let receipt = receipt_of(&gateway, &body, &answer);
    assert_eq!(json!([receipt.prompt_tokens, receipt.completion_tokens]), json!([generated.prompt.len(), output_tokens]));
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_tells_of_each_item_and_ends_with_its_receipt() {
    let mut gateway = Gateway::start();
    let body = with(json!({"stream": true, "stream_options": {"include_obfuscation": false}}));
    let (answer, generated) = ask(&mut gateway, &body, "Grüße").await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let events = events(&answer.body);
    assert_eq!(
        types(&events),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert_eq!(deltas(&events, "response.output_text.delta"), "Grüße");
    let response = &events.last().unwrap()["response"];
    assert_eq!((&response["status"], &response["output"][0]["content"][0]["text"]), (&json!("completed"), &json!("Grüße")));
    assert_eq!(response["usage"]["input_tokens"], generated.prompt.len());
    assert_eq!(events[0]["response"]["id"], response["id"]);
    assert_eq!((&events[0]["response"]["output"], &events[0]["response"]["usage"]), (&json!([]), &json!(null)));
    assert_eq!(events[2]["item"]["content"], json!([]));
    for event in &events[3..events.len() - 2] {
        assert_eq!((&event["item_id"], &event["output_index"]), (&response["output"][0]["id"], &json!(0)), "{event}");
        assert_eq!(event["content_index"], 0);
    }
    assert_eq!(events[events.len() - 2]["item"], response["output"][0]);
    assert!(!answer.body.contains("[DONE]"));
    let receipt = receipt_of(&gateway, &body, &answer);
    assert_eq!(receipt.completion_tokens, response["usage"]["output_tokens"].as_u64());
    assert!(answer.body.rsplit("\n\n").nth(1).unwrap().starts_with(": receipt eyJ"));
    gateway.stop().await;
}

#[tokio::test]
async fn calls_are_items_of_their_own() {
    let mut gateway = Gateway::start();
    let tool = json!({"type": "function", "name": "f", "description": null, "parameters": {"type": "object"}, "strict": true});
    let text = r#"[{"name": "f", "parameters": {"a": 1}}, {"name": "f", "parameters": {}}]"#;
    let mut outputs = Vec::new();
    for stream in [false, true] {
        let body = with(json!({"tools": [tool], "tool_choice": "required", "stream": stream}));
        let (answer, generated) = ask(&mut gateway, &body, text).await;
        assert!(generated.constraint.is_some());
        let response = if stream {
            let events = events(&answer.body);
            let one = ["output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done"];
            let types: Vec<_> = types(&events).iter().map(|kind| kind.strip_prefix("response.").unwrap().to_owned()).collect();
            assert_eq!(types[2..types.len() - 1], [one, one].concat());
            assert_eq!(deltas(&events, "response.function_call_arguments.delta"), r#"{"a": 1}{}"#);
            events.last().unwrap()["response"].clone()
        } else {
            answer.json()
        };
        assert_eq!((&response["tools"], &response["tool_choice"]), (&json!([tool]), &json!("required")));
        let output = response["output"].as_array().unwrap().clone();
        for item in &output {
            assert!(item["id"].as_str().unwrap().starts_with("fc_") && item["call_id"].as_str().unwrap().starts_with("call_"));
        }
        let told = output.iter().map(|item| json!([item["type"], item["name"], item["arguments"], item["status"]]));
        outputs.push(told.collect::<Vec<_>>());
    }
    let call = |arguments: &str| json!(["function_call", "f", arguments, "completed"]);
    assert_eq!(outputs[0], [call(r#"{"a": 1}"#), call("{}")]);
    assert_eq!(outputs[0], outputs[1]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_response_at_its_limit_is_incomplete() {
    let mut gateway = Gateway::start();
    for stream in [false, true] {
        let mut client = gateway.connect().await;
        let body = with(json!({"max_output_tokens": 2, "stream": stream}));
        let sent = body.to_string();
        let (answer, ()) = tokio::join!(client.post(RESPONSES, &sent), async {
            let (generated, sender) = gateway.next_request().await;
            assert_eq!(generated.max_tokens, 2);
            let ids = gateway.tokenizer.encode("ab", false).unwrap();
            sender.send(tokens(&ids[..1])).unwrap();
            sender.send(last(&ids[1..], FinishReason::Length)).unwrap();
        });
        let response = if stream {
            let events = events(&answer.body);
            assert_eq!(events.last().unwrap()["type"], "response.incomplete");
            events.last().unwrap()["response"].clone()
        } else {
            answer.json()
        };
        assert_eq!((&response["status"], &response["output"][0]["status"]), (&json!("incomplete"), &json!("incomplete")));
        assert_eq!(response["incomplete_details"], json!({"reason": "max_output_tokens"}));
        assert_eq!((&response["output"][0]["content"][0]["text"], &response["completed_at"]), (&json!("ab"), &json!(null)));
        receipt_of(&gateway, &body, &answer);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn thoughts_and_calls_are_items_that_can_be_sent_back() {
    let tools = FormatChoice::Format(ToolFormat::Hermes);
    let reasoning = FormatChoice::Format(ReasoningFormat::Qwen3);
    let mut gateway = Gateway::start_with(Setup { tools, reasoning, ..Setup::default() });
    let function = json!({"type": "function", "name": "weather", "parameters": {"type": "object"}});
    let said =
        "<think>Hm.</think>Let me see. <tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}</tool_call>";
    for stream in [false, true] {
        let include = ["reasoning.encrypted_content"];
        let body = with(json!({"tools": [function], "stream": stream, "include": include}));
        let (answer, _) = ask(&mut gateway, &body, said).await;
        let response = if stream { events(&answer.body).last().unwrap()["response"].clone() } else { answer.json() };
        let output = response["output"].as_array().unwrap().clone();
        let kinds: Vec<_> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["reasoning", "message", "function_call"], "{response}");
        assert_eq!(output[0]["content"][0]["text"], "Hm.");
        assert_eq!(output[1]["content"][0]["text"].as_str().unwrap().trim(), "Let me see.");
        let call = &output[2];
        assert_eq!((&call["name"], &call["arguments"]), (&json!("weather"), &json!("{\"city\": \"Rome\"}")));
        let thinking = response["usage"]["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
        assert!(thinking > 0 && thinking < response["usage"]["output_tokens"].as_u64().unwrap());

        let result = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "27"});
        // As a client does that keeps only what is sealed.
        let mut thought = output[0].clone();
        thought.as_object_mut().unwrap().remove("content");
        let input = json!([{"role": "user", "content": "Hello"}, thought, output[1], call, result]);
        let (answer, generated) = ask(&mut gateway, &with(json!({"input": input, "tools": [function]})), "27 degrees.").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let prompt = gateway.tokenizer.decode(&generated.prompt, false).unwrap();
        assert!(prompt.contains("<|im_start|>assistant\n(Hm.) Let me see."), "{prompt}");
        assert!(prompt.contains("<|im_start|>tool\n27<|im_end|>"), "{prompt}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn formats_and_reasoning_reach_the_engine() {
    let mut gateway = Gateway::start();
    let format = json!({"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true});
    let body = with(json!({"text": {"format": format}, "reasoning": {"effort": "low"}, "top_p": 0.5, "seed": 3}));
    let (answer, generated) = ask(&mut gateway, &body, "{}").await;
    assert!(generated.constraint == Some(blindllama_engine::Constraint::Json(r#"{"type":"object"}"#.to_owned())));
    assert!((generated.sampling.top_p, generated.sampling.seed) == (0.5, Some(3)));
    let response = answer.json();
    assert_eq!((&response["text"], &response["reasoning"]["effort"]), (&json!({"format": format}), &json!("low")));
    gateway.stop().await;
}

#[tokio::test]
async fn probabilities_come_where_they_are_included() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let sent = with(json!({"include": ["message.output_text.logprobs"], "top_logprobs": 1})).to_string();
    let (answer, ()) = tokio::join!(client.post(RESPONSES, &sent), async {
        let (generated, sender) = gateway.next_request().await;
        assert_eq!(generated.logprobs.sampled, Some(1));
        let token_id = gateway.tokenizer.encode("a", false).unwrap()[0];
        let row = |rank| TokenLogprob { token_id, logprob: -0.5, rank };
        let logprobs = Some(vec![vec![row(1), row(1)]]);
        sender.send(Ok(TokenOutput { token_ids: vec![token_id], logprobs, ..TokenOutput::default() })).unwrap();
        let TokenOutput { token_ids, finished, .. } = last(&[gateway.end_token()], FinishReason::Stop).unwrap();
        let logprobs = Some(vec![vec![row(1)]]);
        sender.send(Ok(TokenOutput { token_ids, finished, logprobs, ..TokenOutput::default() })).unwrap();
    });
    let top = json!({"token": "a", "logprob": -0.5, "bytes": [97]});
    let expected = json!([{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [top]}]);
    assert_eq!(answer.json()["output"][0]["content"][0]["logprobs"], expected);
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_name() {
    let gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let function = json!({"type": "function", "name": "f"});
    for (more, param) in [
        (json!({"model": "other"}), "model"),
        (json!({"input": []}), "input"),
        (json!({"input": [{"role": "user", "content": 1}]}), "input[0]"),
        (json!({"input": [{"type": "message", "role": "user", "content": "x", "odd": 1}]}), "input[0].odd"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "x", "odd": 1}]}]}),
            "input[0].content[0].odd",
        ),
        (
            json!({"input": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "x", "odd": 1}]}]}),
            "input[0].summary[0].odd",
        ),
        (json!({"text": {"format": {"type": "json_object"}}, "min_tokens": 1}), "min_tokens"),
        (json!({"input": [{"type": "reasoning", "summary": [{"type": 4, "text": "x"}]}]}), "input[0]"),
        (json!({"input": [{"type": 0, "role": "user", "content": "x"}]}), "input[0]"),
        (json!({"input": "x".repeat(MAX_MODEL_LEN * 40)}), "input"),
        (json!({"input": [{"role": "assistant", "content": "x"}]}), "input"),
        (json!({"previous_response_id": "resp_1"}), "previous_response_id"),
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"background": true}), "background"),
        (json!({"truncation": "auto"}), "truncation"),
        (json!({"include": ["reasoning.encrypted_content"], "top_logprobs": 2}), "top_logprobs"),
        (json!({"input": [{"type": "reasoning", "encrypted_content": "AAAA"}]}), "input[0].encrypted_content"),
        (json!({"include": ["file_search_call.results"]}), "include"),
        (json!({"top_logprobs": 2}), "top_logprobs"),
        (json!({"include": ["message.output_text.logprobs"], "top_logprobs": 6}), "top_logprobs"),
        (json!({"max_output_tokens": 0}), "max_output_tokens"),
        (json!({"max_output_tokens": MAX_MODEL_LEN + 1}), "max_output_tokens"),
        (json!({"max_output_tokens": 2, "min_tokens": 3}), "min_tokens"),
        (json!({"min_tokens": MAX_MODEL_LEN}), "min_tokens"),
        (json!({"temperature": 3}), "temperature"),
        (json!({"n": 2}), "n"),
        (json!({"response_format": {"type": "json_object"}}), "response_format"),
        (json!({"max_tokens": 2}), "max_tokens"),
        (json!({"prompt": {"id": "x"}}), "prompt"),
        (json!({"text": {"verbosity": "low"}}), "text.verbosity"),
        (json!({"text": {"format": {"type": "json_schema", "name": "x", "schema": 3}}}), "text.format.schema"),
        (json!({"reasoning": {"summary": "auto"}}), "reasoning.summary"),
        (json!({"stream": true, "stream_options": {"include_obfuscation": true}}), "stream_options.include_obfuscation"),
        (json!({"stream_options": {"include_usage": true}}), "stream_options.include_usage"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (json!({"tools": [function, {"type": "mcp", "server_label": "x"}]}), "tools[1].type"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"tools": [function]}), "tool_choice"),
        (json!({"tool_choice": "required"}), "tool_choice"),
        (json!({"tools": [function], "tool_choice": {"type": "function", "name": "g"}}), "tool_choice"),
        (json!({"tools": [function], "tool_choice": {"type": "function", "name": "f", "x": 1}}), "tool_choice.x"),
        (json!({"tools": [function], "tool_choice": "required", "text": {"format": {"type": "json_object"}}}), "tool_choice"),
    ] {
        let answer = client.post(RESPONSES, &with(more.clone()).to_string()).await;
        assert!(answer.status.is_client_error(), "{more}: {}", answer.body);
        assert_eq!(answer.error()["param"], param, "{more}: {}", answer.body);
    }
    let answer = client.post(RESPONSES, &with(json!({"tools": [{"type": "web_search"}]})).to_string()).await;
    assert!(answer.error()["message"].as_str().unwrap().contains("\"web_search\""), "{}", answer.body);
    gateway.stop().await;
}

#[tokio::test]
async fn unknown_parameters_are_named_where_they_are_ignored() {
    let mut gateway = Gateway::start_as(ApiConfig { unknown_parameters: UnknownParameters::Ignore, ..ApiConfig::default() });
    let body = with(json!({"text": {"verbosity": "low"}, "n": 2, "odd": 1}));
    let (answer, _) = ask(&mut gateway, &body, "x").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.headers["x-blindllama-ignored-parameters"], "n,odd,text.verbosity");
    gateway.stop().await;
}

#[tokio::test]
async fn a_failure_halfway_is_an_event_without_a_receipt() {
    let mut gateway = Gateway::start();
    for (outcome, code) in [
        (Some(Err(EngineError::Stopped)), "engine_stopped"),
        (Some(last(&[], FinishReason::Error)), "server_error"),
        (None, "engine_stopped"),
    ] {
        let mut client = gateway.connect().await;
        let body = with(json!({"stream": true}));
        let sent = body.to_string();
        let (answer, ()) = tokio::join!(client.post(RESPONSES, &sent), async {
            let (_, sender) = gateway.next_request().await;
            sender.send(tokens(&gateway.tokenizer.encode("a", false).unwrap())).unwrap();
            if let Some(outcome) = outcome {
                sender.send(outcome).unwrap();
            }
        });
        let events = events(&answer.body);
        let error = events.last().unwrap();
        assert_eq!((&error["type"], &error["code"], &error["param"]), (&json!("error"), &json!(code), &json!(null)));
        assert!(error["message"].is_string() && error.get("error").is_none());
        let refused = receipt(&gateway, ("POST", RESPONSES), sent.as_bytes(), &answer).unwrap_err();
        assert_eq!(refused.code(), "receipt_missing");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_aborts_its_response() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let body = Bytes::from(with(json!({"stream": true})).to_string());
    let sent = request(Method::POST, RESPONSES, body, &[("content-type", "application/json")]);
    let (response, (_, sender)) = tokio::join!(client.send(sent), async {
        let (request, sender) = gateway.next_request().await;
        sender.send(tokens(&gateway.tokenizer.encode("a", false).unwrap())).unwrap();
        (request, sender)
    });
    assert!(!sender.is_closed());
    drop((response, client));
    until_closed(&sender).await;
    nothing_runs(&gateway).await;
    gateway.stop().await;
}
