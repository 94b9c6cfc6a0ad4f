//! Tools and thoughts.

use blindllama_engine::Constraint;
use blindllama_gateway::config::{ApiConfig, FormatChoice, ReasoningFormat, ToolFormat};
use serde_json::{Value, json};

use crate::{
    answers::{ask, asking, refused},
    harness::{Gateway, Setup},
    streaming::events,
};

fn tools() -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    json!([{"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": parameters}}])
}

fn hermes() -> Gateway {
    let tools = FormatChoice::Format(ToolFormat::Hermes);
    let reasoning = FormatChoice::Format(ReasoningFormat::Qwen3);
    Gateway::start_with(Setup { tools, reasoning, ..Setup::default() })
}

const CALLS: &str = "Let me see. <tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>\
                     <tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"\u{6771}\u{4eac} \u{1f600}\"}}</tool_call>";

/// Name and arguments of each call of a message.
fn calls(message: &Value) -> Vec<(String, Value)> {
    let call = |call: &Value| {
        assert!(call["id"].as_str().unwrap().starts_with("call_"));
        assert_eq!(call["type"], "function");
        let arguments = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
        (call["function"]["name"].as_str().unwrap().to_owned(), arguments)
    };
    message["tool_calls"].as_array().map(|calls| calls.iter().map(call).collect()).unwrap_or_default()
}

fn both() -> Vec<(String, Value)> {
    vec![("weather".into(), json!({"city": "Paris"})), ("weather".into(), json!({"city": "\u{6771}\u{4eac} \u{1f600}"}))]
}

/// Puts the deltas of a stream together, as a client does.
fn assembled(events: &[Value]) -> Value {
    let mut message = json!({"content": "", "reasoning": "", "tool_calls": []});
    for delta in events.iter().filter_map(|event| event["choices"].get(0)).map(|choice| &choice["delta"]) {
        for part in ["content", "reasoning"] {
            let text = format!("{}{}", message[part].as_str().unwrap(), delta[part].as_str().unwrap_or_default());
            message[part] = json!(text);
        }
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index: usize = call["index"].as_u64().unwrap().try_into().unwrap();
            let calls = message["tool_calls"].as_array_mut().unwrap();
            if index == calls.len() {
                calls.push(json!({"id": call["id"], "type": call["type"], "function": call["function"]}));
            } else {
                assert!(call.get("id").is_none() && call["function"].get("name").is_none(), "{call}");
                let function = &mut calls[index]["function"];
                let arguments = function["arguments"].as_str().unwrap().to_owned();
                function["arguments"] = json!(arguments + call["function"]["arguments"].as_str().unwrap());
            }
        }
    }
    message
}

#[tokio::test]
async fn calls_are_told_apart_from_text() {
    let mut gateway = hermes();
    for stream in [false, true] {
        let body = asking(json!({"tools": tools(), "stream": stream}));
        let (answer, requests) = ask(&mut gateway, &body, &[CALLS]).await;
        assert!(requests[0].constraint.is_none());
        let (message, reason) = if stream {
            let events = events(&answer.body);
            (assembled(&events), events.last().unwrap()["choices"][0]["finish_reason"].clone())
        } else {
            let choice = answer.json()["choices"][0].clone();
            (choice["message"].clone(), choice["finish_reason"].clone())
        };
        assert_eq!(calls(&message), both());
        assert_eq!((message["content"].as_str().unwrap().trim(), &reason), ("Let me see.", &json!("tool_calls")));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn only_one_call_where_only_one_is_wanted() {
    let mut gateway = hermes();
    let body = asking(json!({"tools": tools(), "parallel_tool_calls": false}));
    let (answer, _) = ask(&mut gateway, &body, &[CALLS]).await;
    assert_eq!(calls(&answer.json()["choices"][0]["message"]), both()[..1]);
    gateway.stop().await;
}

#[tokio::test]
async fn without_tools_markup_is_text() {
    let mut gateway = hermes();
    for parameters in [json!({}), json!({"tools": tools(), "tool_choice": "none"})] {
        let (answer, _) = ask(&mut gateway, &asking(parameters), &[CALLS]).await;
        let choice = answer.json()["choices"][0].clone();
        assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!(CALLS), &json!("stop")));
        assert!(choice["message"].get("tool_calls").is_none());
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_demanded_call_is_enforced_by_the_engine() {
    // The model needs no format of its own for that.
    let mut gateway = Gateway::start();
    let body = asking(json!({"tools": tools(), "tool_choice": "required"}));
    let text = r#"[{"name": "weather", "parameters": {"city": "Paris"}}]"#;
    let (answer, requests) = ask(&mut gateway, &body, &[text]).await;
    assert!(matches!(&requests[0].constraint, Some(Constraint::Json(schema)) if schema.contains("\"weather\"")));
    let choice = answer.json()["choices"][0].clone();
    assert_eq!(calls(&choice["message"]), both()[..1]);
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &Value::Null));

    let named = json!({"type": "function", "function": {"name": "weather"}});
    let body = asking(json!({"tools": tools(), "tool_choice": named}));
    let (answer, requests) = ask(&mut gateway, &body, &[r#"{"city": "Paris"}"#]).await;
    let parameters = tools()[0]["function"]["parameters"].clone();
    assert!(matches!(&requests[0].constraint, Some(Constraint::Json(schema))
        if serde_json::from_str::<Value>(schema).unwrap() == parameters));
    let choice = answer.json()["choices"][0].clone();
    assert_eq!(calls(&choice["message"]), both()[..1]);
    // The client knew already.
    assert_eq!(choice["finish_reason"], "stop");
    gateway.stop().await;
}

#[tokio::test]
async fn a_demanded_call_leaves_no_room_for_thoughts() {
    let mut gateway = hermes();
    let body = asking(json!({"tools": tools(), "tool_choice": "required"}));
    let (answer, _) = ask(&mut gateway, &body, &[r#"[{"name": "weather", "parameters": {"city": "Paris"}}]"#]).await;
    assert_eq!(calls(&answer.json()["choices"][0]["message"]), both()[..1]);
    gateway.stop().await;
}

#[tokio::test]
async fn choices_that_cannot_be_are_refused() {
    let gateway = Gateway::start();
    let other = json!({"type": "function", "function": {"name": "other"}});
    for (parameters, param) in [
        (json!({"tools": tools()}), "tool_choice"),
        (json!({"tools": tools(), "tool_choice": "auto"}), "tool_choice"),
        (json!({"tool_choice": "auto"}), "tool_choice"),
        (json!({"tools": []}), "tools"),
        (json!({"tools": tools(), "tool_choice": other}), "tool_choice"),
        (json!({"tools": tools(), "tool_choice": "sometimes"}), "tool_choice"),
        (json!({"tools": tools(), "tool_choice": {"type": "function", "function": {"name": "f"}, "x": 1}}), "tool_choice.x"),
        (
            json!({"tools": tools(), "tool_choice": {"type": "function", "function": {"name": "f", "x": 1}}}),
            "tool_choice.function.x",
        ),
        (json!({"tools": tools(), "tool_choice": "required", "response_format": {"type": "json_object"}}), "tool_choice"),
        (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "colour": 1}}], "tool_choice": "none"}),
            "tools[0].function.colour",
        ),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}], "tool_choice": "none"}),
            "tools[0].function.parameters",
        ),
    ] {
        assert_eq!(refused(&gateway, parameters.clone()).await["param"], param, "{parameters}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn results_of_tools_come_back_in_the_next_turn() {
    let mut gateway = Gateway::start();
    let call = json!({"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{\"city\": \"Paris\"}"}});
    let body = json!({"model": crate::harness::MODEL, "messages": [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]});
    let (answer, requests) = ask(&mut gateway, &body, &["Sunny."]).await;
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Sunny.");
    let prompt = gateway.tokenizer.decode(&requests[0].prompt, false).unwrap();
    assert!(prompt.contains("<|im_start|>tool\nsunny<|im_end|>"), "{prompt}");
    gateway.stop().await;
}

#[tokio::test]
async fn thoughts_are_told_apart_from_the_answer() {
    let mut gateway = hermes();
    for stream in [false, true] {
        let body = asking(json!({"stream": stream}));
        let (answer, _) = ask(&mut gateway, &body, &["<think>\nHm.\n</think>\n\nYes."]).await;
        let message = if stream { assembled(&events(&answer.body)) } else { answer.json()["choices"][0]["message"].clone() };
        assert_eq!(message["reasoning"].as_str().unwrap().trim(), "Hm.");
        assert_eq!(message["content"].as_str().unwrap().trim(), "Yes.");
        assert!(message.get("reasoning_content").is_none());
        if !stream {
            let usage = &answer.json()["usage"];
            let thoughts = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap();
            assert!((1..=usage["completion_tokens"].as_u64().unwrap()).contains(&thoughts), "{usage}");
        }
    }
    let body = asking(json!({"include_reasoning": false, "logprobs": false, "return_token_ids": true}));
    let (answer, _) = ask(&mut gateway, &body, &["<think>Hm.</think>Yes."]).await;
    let choice = answer.json()["choices"][0].clone();
    assert!(choice["message"].get("reasoning").is_none() && choice.get("token_ids").is_none(), "{choice}");
    gateway.stop().await;

    let api = ApiConfig { reasoning_content: true, ..ApiConfig::default() };
    let reasoning = FormatChoice::Format(ReasoningFormat::Qwen3);
    gateway = Gateway::start_with(Setup { api, reasoning, ..Setup::default() });
    let (answer, _) = ask(&mut gateway, &asking(json!({})), &["<think>Hm.</think>Yes."]).await;
    assert_eq!(answer.json()["choices"][0]["message"]["reasoning_content"], "Hm.");
    gateway.stop().await;
}
