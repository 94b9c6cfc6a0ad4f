//! `POST /tokenize` and `POST /detokenize`.

use blindllama_gateway::config::{ApiConfig, UnknownParameters};
use http::StatusCode;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{
    chat::hello,
    client::{Answer, Client},
    engine::MAX_MODEL_LEN,
    harness::{Gateway, MODEL},
    receipts::receipt,
};

const TOKENIZE: &str = "/tokenize";
const DETOKENIZE: &str = "/detokenize";

async fn post(gateway: &Gateway, client: &mut Client, path: &str, body: &Value) -> Answer {
    let answer = client.post(path, &body.to_string()).await;
    let receipt = receipt(gateway, ("POST", path), body.to_string().as_bytes(), &answer).unwrap();
    assert_eq!((receipt.prompt_tokens, receipt.completion_tokens), (None, None));
    answer
}

#[tokio::test]
async fn a_text_is_tokenised_as_the_model_reads_it() {
    let gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let ids = gateway.tokenizer.encode("a <|im_end|>é", false).unwrap();
    let answer = post(&gateway, &mut client, TOKENIZE, &json!({"prompt": "a <|im_end|>é"})).await;
    let told = json!({"count": ids.len(), "max_model_len": MAX_MODEL_LEN, "tokens": ids, "token_strs": null});
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, told));
    let body = json!({"model": MODEL, "prompt": "a <|im_end|>", "add_special_tokens": false, "return_token_strs": true});
    let answer = post(&gateway, &mut client, TOKENIZE, &body).await;
    assert_eq!(answer.json()["token_strs"], json!(["a", "Ġ", "<|im_end|>"]));
    gateway.stop().await;
}

#[tokio::test]
async fn a_conversation_has_the_tokens_that_the_engine_would_get() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    for (name, value) in [
        ("temperature", json!(0)),
        ("add_generation_prompt", json!(false)),
        ("continue_final_message", json!(true)),
        ("chat_template_kwargs", json!({"enable_thinking": false})),
    ] {
        let mut body = hello();
        body[name] = value;
        let counted = post(&gateway, &mut client, TOKENIZE, &body).await;
        let (answer, request) = tokio::join!(client.chat(&body), gateway.answer("x"));
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(counted.json()["tokens"], json!(request.prompt), "{name}");
        assert_eq!(counted.json()["count"], answer.json()["usage"]["prompt_tokens"]);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_conversation_is_read_as_the_configuration_allows() {
    let api = ApiConfig { request_chat_template: true, unknown_parameters: UnknownParameters::Ignore, ..ApiConfig::default() };
    let gateway = Gateway::start_as(api);
    let mut client = gateway.connect().await;
    let mut body = hello();
    body["chat_template"] = json!("{{ messages[0].content }}, {{ messages[0].role }}");
    body["nonsense"] = json!(1);
    let answer = post(&gateway, &mut client, TOKENIZE, &body).await;
    assert_eq!(answer.json()["tokens"], json!(gateway.tokenizer.encode("Hello, user", false).unwrap()));
    assert_eq!(answer.headers["x-blindllama-ignored-parameters"], "nonsense");
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_name() {
    let gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let messages = json!([{"role": "user", "content": "Hello"}]);
    for (path, body, param) in [
        (TOKENIZE, json!({}), Value::Null),
        (TOKENIZE, json!({"prompt": 1}), json!("prompt")),
        (TOKENIZE, json!({"prompt": "a", "messages": messages}), json!("prompt")),
        (TOKENIZE, json!({"prompt": "a", "tools": []}), json!("tools")),
        (TOKENIZE, json!({"messages": []}), json!("messages")),
        (TOKENIZE, json!({"messages": messages, "nonsense": 1}), json!("nonsense")),
        (TOKENIZE, json!({"messages": messages, "chat_template": "x"}), json!("chat_template")),
        (TOKENIZE, json!({"messages": messages, "temperature": 3}), json!("temperature")),
        (DETOKENIZE, json!({}), Value::Null),
        (DETOKENIZE, json!({"tokens": [1, -1]}), json!("tokens[1]")),
        (DETOKENIZE, json!({"tokens": [420]}), json!("tokens")),
        (DETOKENIZE, json!({"tokens": [], "nonsense": 1}), json!("nonsense")),
    ] {
        let answer = post(&gateway, &mut client, path, &body).await;
        assert_eq!((answer.status, &answer.error()["param"]), (StatusCode::BAD_REQUEST, &param), "{body} {}", answer.body);
    }
    for (path, body) in [
        (TOKENIZE, json!({"model": "other", "prompt": "a"})),
        (TOKENIZE, json!({"model": "other", "messages": messages})),
        (DETOKENIZE, json!({"model": "other", "tokens": []})),
    ] {
        assert_eq!(post(&gateway, &mut client, path, &body).await.status, StatusCode::NOT_FOUND, "{body}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn many_tokens_are_written_too() {
    let gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let answer = post(&gateway, &mut client, DETOKENIZE, &json!({"tokens": vec![3; 9000]})).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"prompt": "!".repeat(9000)})));
    gateway.stop().await;
}

/// The fixture's tokenizer reads bytes, so nothing is lost.
#[test]
fn a_text_that_is_tokenised_and_written_again_is_the_same() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (gateway, client) = runtime.block_on(async {
        let gateway = Gateway::start();
        let client = Mutex::new(gateway.connect().await);
        (gateway, client)
    });
    let again = async |text: &str| {
        let mut client = client.lock().await;
        let tokens = post(&gateway, &mut client, TOKENIZE, &json!({"prompt": text})).await.json()["tokens"].clone();
        post(&gateway, &mut client, DETOKENIZE, &json!({"tokens": tokens})).await.json()["prompt"].clone()
    };
    proptest!(ProptestConfig::with_cases(64), |(text in r"(\PC|[ \n\t]|<\|im_end\|>|[äß€漢😀👩‍👩‍👧]){0,40}")| {
        let written = runtime.block_on(again(&text));
        prop_assert_eq!(written.as_str(), Some(text.as_str()));
    });
    runtime.block_on(gateway.stop());
}
