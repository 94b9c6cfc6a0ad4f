//! Vectors instead of text.

use blindllama_engine::{EmbedRequest, Embedding, EmbeddingModel, EmbeddingSender, EngineError, ModelTask, Shortening};
use blindllama_gateway::config::{ApiConfig, UnknownParameters};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    chat::hello,
    client::Answer,
    disconnect::{nothing_runs, until},
    engine::MAX_MODEL_LEN,
    harness::{Gateway, MAX_REQUESTS, MODEL},
    receipts::receipt,
};

const EMBEDDINGS: &str = "/v1/embeddings";

fn start() -> Gateway {
    let embeds = EmbeddingModel { dimensions: 4, shortening: Shortening::To(vec![2]), lower_case: false };
    Gateway::start_to(ModelTask::Embed(embeds))
}

fn of(input: impl Into<Value>) -> Value {
    json!({"model": MODEL, "input": input.into()})
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut request = of("Hello");
    request[key] = value.into();
    request
}

async fn post(gateway: &Gateway, body: &Value) -> Answer {
    gateway.connect().await.post(EMBEDDINGS, &body.to_string()).await
}

async fn next(gateway: &mut Gateway) -> (EmbedRequest, EmbeddingSender) {
    gateway.embeds.recv().await.unwrap()
}

/// Sends `body`, and answers `count` inputs, each with its first token and its length.
async fn ask(gateway: &mut Gateway, body: &Value, count: usize) -> (Answer, Vec<EmbedRequest>) {
    let mut client = gateway.connect().await;
    let body = body.to_string();
    tokio::join!(client.post(EMBEDDINGS, &body), async {
        let mut requests = Vec::new();
        for _ in 0..count {
            let (request, sender) = next(gateway).await;
            sender.send(Ok(vector(&request.prompt)));
            requests.push(request);
        }
        requests
    })
}

fn vector(prompt: &[u32]) -> Embedding {
    Embedding(vec![f32::from(u16::try_from(prompt[0]).unwrap()) + 0.5, f32::from(u16::try_from(prompt.len()).unwrap())])
}

#[tokio::test]
async fn an_answer_is_as_openai_documents_it() {
    let mut gateway = start();
    let (answer, requests) = ask(&mut gateway, &with("user", "somebody"), 1).await;
    assert_eq!((answer.status, &answer.headers["content-type"]), (StatusCode::OK, &"application/json".parse().unwrap()));
    let prompt = gateway.tokenizer.encode("Hello", true).unwrap();
    let tokens = prompt.len();
    let Embedding(numbers) = vector(&prompt);
    assert_eq!(
        answer.json(),
        json!({"object": "list", "model": MODEL, "data": [{"object": "embedding", "index": 0, "embedding": numbers}],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
    );
    assert_eq!(requests, [EmbedRequest { prompt, dimensions: None, priority: 0, cache_salt: None }]);
    gateway.stop().await;
}

#[tokio::test]
async fn inputs_of_every_kind_are_answered_in_their_order() {
    let mut gateway = start();
    let ids = |text: &str| gateway.tokenizer.encode(text, true).unwrap();
    let cases = [
        (of(json!(["one", "two two"])), vec![ids("one"), ids("two two")]),
        (of(json!([5, 6, 7])), vec![vec![5, 6, 7]]),
        (of(json!([[5], [6, 7], [5]])), vec![vec![5], vec![6, 7], vec![5]]),
    ];
    for (body, prompts) in cases {
        let (answer, requests) = ask(&mut gateway, &body, prompts.len()).await;
        let answer = answer.json();
        for (index, prompt) in prompts.iter().enumerate() {
            let expected = json!({"object": "embedding", "index": index, "embedding": vector(prompt).0});
            assert_eq!(answer["data"][index], expected);
        }
        assert_eq!(answer["usage"]["prompt_tokens"], prompts.iter().map(Vec::len).sum::<usize>());
        assert_eq!(requests.into_iter().map(|request| request.prompt).collect::<Vec<_>>(), prompts);
    }
    gateway.stop().await;
}

/// The engine may finish in any order, and holds no more at a time than its queue.
#[tokio::test]
async fn many_inputs_are_answered_in_their_order() {
    let mut gateway = start();
    let inputs: Vec<Vec<u32>> = (0..300).map(|id| vec![id]).collect();
    let mut client = gateway.connect().await;
    let body = of(json!(inputs)).to_string();
    let (answer, ()) = tokio::join!(client.post(EMBEDDINGS, &body), async {
        let mut answered = 0;
        while answered < inputs.len() {
            let mut held = Vec::new();
            for _ in 0..MAX_REQUESTS.min(inputs.len() - answered) {
                held.push(next(&mut gateway).await);
            }
            assert!(gateway.embeds.try_recv().is_err());
            answered += held.len();
            for (request, sender) in held.into_iter().rev() {
                sender.send(Ok(vector(&request.prompt)));
            }
        }
    });
    let answer = answer.json();
    for (index, prompt) in inputs.iter().enumerate() {
        assert_eq!(
            (&answer["data"][index]["index"], &answer["data"][index]["embedding"]),
            (&json!(index), &json!(vector(prompt).0))
        );
    }
    gateway.stop().await;
}

#[tokio::test]
async fn parameters_reach_the_engine() {
    let mut gateway = start();
    let mut body = with("encoding_format", "base64");
    for (key, value) in [("dimensions", json!(2)), ("cache_salt", json!("salt")), ("truncate_prompt_tokens", json!(-1))] {
        body[key] = value;
    }
    let (answer, requests) = ask(&mut gateway, &body, 1).await;
    assert_eq!((requests[0].dimensions, requests[0].cache_salt.as_deref()), (Some(2), Some("salt")));
    let bytes: Vec<u8> = vector(&requests[0].prompt).0.iter().flat_map(|number| number.to_le_bytes()).collect();
    assert_eq!(answer.json()["data"][0]["embedding"], data_encoding::BASE64.encode(&bytes));
    let (_, requests) = ask(&mut gateway, &with("dimensions", 4), 1).await;
    assert_eq!(requests[0].dimensions, None);
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_name() {
    let gateway = start();
    let long = vec![1; MAX_MODEL_LEN + 1];
    for (body, param, mention) in [
        (of(""), json!("input"), "empty"),
        (of(json!([])), json!("input"), "1 to 2048"),
        (of(json!(["a", ""])), json!("input"), "item 1"),
        (of(json!([[1], []])), json!("input"), "item 1"),
        (of(json!(vec!["a"; 2049])), json!("input"), "2049"),
        (of(json!([1, 420])), json!("input"), "420"),
        (of(json!([1, -1])), json!("input"), "expected a text"),
        (of(json!({"a": 1})), json!("input"), "expected a text"),
        (of(json!(long)), json!("input"), "257 tokens"),
        (of("word ".repeat(200)), json!("input"), "256 tokens"),
        (with("dimensions", 3), json!("dimensions"), "one of 2"),
        (with("encoding_format", "bytes"), json!("encoding_format"), "base64"),
        (with("truncate_prompt_tokens", 0), json!("truncate_prompt_tokens"), "256"),
        (with("truncate_prompt_tokens", 1), json!("input"), "does not cut"),
        (with("priority", 1), json!("priority"), "order of arrival"),
        (with("embed_dtype", "float16"), json!("embed_dtype"), "embed_dtype"),
    ] {
        let answer = post(&gateway, &body).await;
        let error = answer.error();
        assert_eq!((answer.status, &error["param"]), (StatusCode::BAD_REQUEST, &param), "{error}");
        assert!(error["message"].as_str().unwrap().contains(mention), "{error}");
    }
    let answer = post(&gateway, &with("model", "other")).await;
    assert_eq!((answer.status, &answer.error()["code"]), (StatusCode::NOT_FOUND, &json!("model_not_found")));
    gateway.stop().await;
}

#[tokio::test]
async fn a_model_does_what_it_is_made_for() {
    let gateway = start();
    let answer = gateway.connect().await.chat(&hello()).await;
    assert_eq!((answer.status, &answer.error()["param"]), (StatusCode::BAD_REQUEST, &json!("model")));
    assert!(answer.error()["message"].as_str().unwrap().contains("makes embeddings"));
    gateway.stop().await;

    let gateway = Gateway::start();
    let answer = post(&gateway, &of("Hello")).await;
    assert_eq!((answer.status, &answer.error()["param"]), (StatusCode::BAD_REQUEST, &json!("model")));
    assert!(answer.error()["message"].as_str().unwrap().contains("generates text"));
    gateway.stop().await;
}

#[tokio::test]
async fn what_the_engine_says_is_passed_on() {
    for (said, status) in [
        (Err(EngineError::Rejected("no".to_owned())), StatusCode::BAD_REQUEST),
        (Err(EngineError::Failed), StatusCode::INTERNAL_SERVER_ERROR),
        (Err(EngineError::Stopped), StatusCode::SERVICE_UNAVAILABLE),
        (Ok(Embedding(vec![f32::NAN])), StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let mut gateway = start();
        let mut client = gateway.connect().await;
        let body = of(json!([[1], [2]])).to_string();
        let (answer, other) = tokio::join!(client.post(EMBEDDINGS, &body), async {
            let (_, sender) = next(&mut gateway).await;
            let (request, other) = next(&mut gateway).await;
            sender.send(said.clone());
            if said.is_ok() {
                other.send(Ok(vector(&request.prompt)));
                return None;
            }
            Some(other)
        });
        assert_eq!(answer.status, status);
        answer.error();
        // Nobody waits for the rest of an answer that has failed.
        assert!(other.is_none_or(|other| other.is_closed()));
        gateway.stop().await;
    }
    let gateway = start();
    gateway.engine.refuse(EngineError::Overloaded);
    assert_eq!(post(&gateway, &of("Hello")).await.status, StatusCode::SERVICE_UNAVAILABLE);
    gateway.stop().await;
}

#[tokio::test]
async fn answers_and_errors_have_receipts() {
    let mut gateway = start();
    let (answer, requests) = ask(&mut gateway, &of("Hello"), 1).await;
    let signed = receipt(&gateway, ("POST", EMBEDDINGS), of("Hello").to_string().as_bytes(), &answer).unwrap();
    assert_eq!((signed.prompt_tokens, signed.completion_tokens), (Some(requests[0].prompt.len() as u64), None));
    let refused = post(&gateway, &of("")).await;
    receipt(&gateway, ("POST", EMBEDDINGS), of("").to_string().as_bytes(), &refused).unwrap();
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_aborts_all_its_inputs() {
    let mut gateway = start();
    let mut client = gateway.connect().await;
    let waiting = tokio::spawn(async move {
        client.post(EMBEDDINGS, &of(json!([[1], [2], [3]])).to_string()).await;
    });
    let mut senders = Vec::new();
    for _ in 0..3 {
        senders.push(next(&mut gateway).await.1);
    }
    assert!(!senders.iter().any(EmbeddingSender::is_closed));
    waiting.abort();
    until(async || senders.iter().all(EmbeddingSender::is_closed)).await;
    nothing_runs(&gateway).await;
    let metrics = gateway.connect().await.get("/metrics").await.body;
    assert!(metrics.contains("blindllama_requests_total{route=\"Embeddings\",status=\"ClientGone\"} 1"), "{metrics}");
    gateway.stop().await;
}

#[tokio::test]
async fn ignored_parameters_are_named_where_they_are_allowed() {
    let gateway = Gateway::start_as(ApiConfig { unknown_parameters: UnknownParameters::Ignore, ..ApiConfig::default() });
    let answer = post(&gateway, &with("embed_dtype", "float16")).await;
    assert_eq!(answer.headers["x-blindllama-ignored-parameters"], "embed_dtype");
    assert_eq!(answer.error()["param"], "model");
    gateway.stop().await;
}
