//! LoRA adapters, asked for by their names.

use blindllama_engine::Engine as _;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::{Answer, CHAT, Client},
    harness::{Gateway, MODEL, Setup},
    receipts::receipt_of_any,
};

const ADAPTER: &str = "ft:tiny:pirate";
const OTHER: &str = "other-adapter";

fn gateway() -> Gateway {
    Gateway::start_with(Setup { adapters: vec![OTHER.to_owned(), ADAPTER.to_owned()], ..Setup::default() })
}

/// What each route that generates is asked for one answer by `model`.
fn requests(model: &str, stream: bool) -> [(&'static str, Value); 3] {
    [
        (CHAT, json!({"model": model, "messages": [{"role": "user", "content": "Hello"}], "stream": stream})),
        ("/v1/completions", json!({"model": model, "prompt": "Hello", "stream": stream})),
        ("/v1/responses", json!({"model": model, "input": "Hello", "stream": stream})),
    ]
}

/// Every `model` that an answer, or one of its events, tells.
fn models(answer: &Answer) -> Vec<String> {
    let documents: Vec<Value> = match answer.headers["content-type"].to_str().unwrap() {
        "text/event-stream" => {
            let data = answer.body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
            data.map(|data| serde_json::from_str(data).unwrap()).collect()
        }
        _ => vec![answer.json()],
    };
    let model = |document: &Value| {
        [document, &document["response"]].iter().find_map(|object| object["model"].as_str().map(str::to_owned))
    };
    documents.iter().filter_map(model).collect()
}

#[tokio::test]
async fn an_adapter_answers_under_its_name() {
    let mut gateway = gateway();
    let mut client = gateway.connect().await;
    let info = gateway.engine.model().clone();
    for name in [MODEL, ADAPTER, OTHER] {
        for stream in [false, true] {
            for (path, body) in requests(name, stream) {
                let sent = body.to_string();
                let (answer, asked) = tokio::join!(client.post(path, &sent), gateway.answer("x"));
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
                assert_eq!(asked.adapter, info.adapter(name), "{path}");
                assert_eq!(asked.adapter.is_none(), name == MODEL);
                let told = models(&answer);
                assert!(!told.is_empty() && told.iter().all(|told| told == name), "{path}: {told:?}");
                let receipt = receipt_of_any(&gateway, ("POST", path), sent.as_bytes(), &answer).unwrap();
                assert_eq!(receipt.model.name, name, "{path}");
            }
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_model_and_its_adapters_are_listed() {
    let gateway = gateway();
    let mut client = gateway.connect().await;
    let listed = client.get("/v1/models").await.json();
    let entries: Vec<_> = listed["data"].as_array().unwrap().iter().collect();
    let told: Vec<_> = entries.iter().map(|model| json!([model["id"], model["root"], model["parent"]])).collect();
    assert_eq!(told, [json!([MODEL, MODEL, null]), json!([OTHER, MODEL, MODEL]), json!([ADAPTER, MODEL, MODEL])]);
    for entry in entries {
        assert_eq!(entry["max_model_len"], 256);
        let found = client.get(&format!("/v1/models/{}", entry["id"].as_str().unwrap())).await;
        assert_eq!(&found.json(), entry);
    }
    gateway.stop().await;
}

async fn not_found(client: &mut Client, path: &str, body: &Value) {
    let answer = client.post(path, &body.to_string()).await;
    let error = answer.error();
    assert_eq!(
        (answer.status, &error["code"], &error["param"]),
        (StatusCode::NOT_FOUND, &json!("model_not_found"), &json!("model"))
    );
}

#[tokio::test]
async fn another_name_is_not_found() {
    let gateway = gateway();
    let mut client = gateway.connect().await;
    for name in ["pirate", "", "FT:TINY:PIRATE", "ft:tiny:pirate "] {
        for (path, body) in requests(name, false) {
            not_found(&mut client, path, &body).await;
        }
        not_found(&mut client, "/tokenize", &json!({"model": name, "prompt": "x"})).await;
    }
    assert_eq!(client.get("/v1/models/pirate").await.status, StatusCode::NOT_FOUND);
    gateway.stop().await;
}

#[tokio::test]
async fn an_adapters_tokens_are_the_models() {
    let gateway = gateway();
    let mut client = gateway.connect().await;
    let tokens = async |client: &mut Client, name: &str| {
        client.post("/tokenize", &json!({"model": name, "prompt": "Hello"}).to_string()).await.json()["tokens"].clone()
    };
    assert_eq!(tokens(&mut client, ADAPTER).await, tokens(&mut client, MODEL).await);
    let text = client.post("/detokenize", &json!({"model": ADAPTER, "tokens": [1]}).to_string()).await;
    assert_eq!(text.status, StatusCode::OK);
    gateway.stop().await;
}

#[tokio::test]
async fn what_is_wrong_beside_the_name_is_told_under_that_name() {
    let gateway = gateway();
    let mut client = gateway.connect().await;
    let mut body = requests(ADAPTER, false)[0].1.clone();
    body["temperature"] = json!(9);
    let sent = body.to_string();
    let answer = client.post(CHAT, &sent).await;
    assert_eq!((answer.status, &answer.error()["param"]), (StatusCode::BAD_REQUEST, &json!("temperature")));
    assert_eq!(receipt_of_any(&gateway, ("POST", CHAT), sent.as_bytes(), &answer).unwrap().model.name, ADAPTER);
    let embeddings = client.post("/v1/embeddings", &json!({"model": ADAPTER, "input": "x"}).to_string()).await;
    let error = embeddings.error();
    assert_eq!((embeddings.status, &error["param"]), (StatusCode::BAD_REQUEST, &json!("model")));
    assert!(error["message"].as_str().unwrap().contains("generates text"), "{error}");
    gateway.stop().await;
}
