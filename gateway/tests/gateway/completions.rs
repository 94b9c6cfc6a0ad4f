//! `POST /v1/completions`: prompts without messages.

use blindllama_engine::{FinishReason, GenerateRequest, Logprobs, OutputSender, TokenLogprob, TokenOutput};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Client},
    disconnect::{nothing_runs, until_closed},
    engine::{MAX_MODEL_LEN, last, tokens},
    harness::{Gateway, MODEL},
    receipts::receipt,
};

const COMPLETIONS: &str = "/v1/completions";

/// A request with the members of `more`.
fn request(more: Value) -> Value {
    let mut body = json!({"model": MODEL, "prompt": "ab"});
    let Value::Object(more) = more else { panic!("no object") };
    body.as_object_mut().unwrap().extend(more);
    body
}

async fn complete(client: &mut Client, body: &Value) -> Answer {
    client.post(COMPLETIONS, &body.to_string()).await
}

/// Sends `body`, and answers as many requests as it makes with `texts`.
async fn ask(gateway: &mut Gateway, body: &Value, texts: &[&str]) -> (Answer, Vec<GenerateRequest>) {
    let mut client = gateway.connect().await;
    let (answer, requests) = tokio::join!(complete(&mut client, body), async {
        let mut requests = Vec::new();
        for text in texts {
            requests.push(gateway.answer(text).await);
        }
        requests
    });
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    receipt(gateway, ("POST", COMPLETIONS), body.to_string().as_bytes(), &answer).unwrap();
    (answer, requests)
}

fn ids(gateway: &Gateway, text: &str) -> Vec<u32> {
    gateway.tokenizer.encode(text, false).unwrap()
}

fn events(answer: &Answer) -> Vec<Value> {
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{}", answer.body);
    let data = answer.body.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// The whole choices that the chunks of a stream add up to.
fn added_up(events: &[Value], count: usize) -> Vec<Value> {
    let mut choices = vec![json!({"text": "", "finish_reason": null}); count];
    for piece in events.iter().filter_map(|event| event["choices"].get(0)) {
        let index = usize::try_from(piece["index"].as_u64().unwrap()).unwrap();
        let choice = &mut choices[index];
        assert_eq!(choice["finish_reason"], Value::Null, "nothing comes after the end");
        choice["text"] = json!(choice["text"].as_str().unwrap().to_owned() + piece["text"].as_str().unwrap());
        choice["finish_reason"] = piece["finish_reason"].clone();
        for (name, list) in piece["logprobs"].as_object().into_iter().flatten() {
            let known = choice["logprobs"][name].as_array().cloned().unwrap_or_default();
            choice["logprobs"][name] = known.into_iter().chain(list.as_array().unwrap().iter().cloned()).collect();
        }
    }
    choices
}

#[tokio::test]
async fn an_answer_is_as_openai_documents_it() {
    let mut gateway = Gateway::start();
    let (answer, requests) = ask(&mut gateway, &request(json!({})), &["cd, 東京"]).await;
    let completion = answer.json();
    assert!(completion["id"].as_str().unwrap().starts_with("cmpl-"));
    assert!(completion["system_fingerprint"].as_str().unwrap().starts_with("fp_"));
    assert_eq!((&completion["object"], &completion["model"]), (&json!("text_completion"), &json!(MODEL)));
    let choice = json!([{"index": 0, "text": "cd, 東京", "logprobs": null, "finish_reason": "stop", "stop_reason": null}]);
    assert_eq!(completion["choices"], choice);
    let completed = ids(&gateway, "cd, 東京").len() + 1;
    let usage = json!({"prompt_tokens": 2, "completion_tokens": completed, "total_tokens": 2 + completed, "prompt_tokens_details": {"cached_tokens": 4}});
    assert_eq!(completion["usage"], usage);
    assert!(requests[0].prompt == ids(&gateway, "ab") && requests[0].max_tokens == 16);
    gateway.stop().await;
}

#[tokio::test]
async fn each_kind_of_prompt_reaches_the_engine() {
    let mut gateway = Gateway::start();
    let (ab, c) = (ids(&gateway, "ab"), ids(&gateway, "c"));
    for (prompt, expected) in
        [(json!(["ab", "c"]), vec![&ab, &c]), (json!(ab), vec![&ab]), (json!([ab, c]), vec![&ab, &c]), (json!("ab"), vec![&ab])]
    {
        let texts = &["x", "y"][..expected.len()];
        let (answer, requests) = ask(&mut gateway, &request(json!({"prompt": prompt})), texts).await;
        assert!(requests.iter().map(|request| &request.prompt).eq(expected), "{prompt}");
        let told: Vec<_> = answer.json()["choices"].as_array().unwrap().iter().map(|choice| choice["text"].clone()).collect();
        assert_eq!(json!(told), json!(texts));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn several_answers_to_several_prompts_are_numbered_by_prompt() {
    let mut gateway = Gateway::start();
    let mut body = request(json!({"prompt": ["ab", "c"], "n": 2, "seed": 7, "return_token_ids": true}));
    let texts = ["p", "q", "r", "s"];
    let (whole, requests) = ask(&mut gateway, &body, &texts).await;
    let seeds: Vec<_> = requests.iter().map(|request| request.sampling.seed.unwrap()).collect();
    assert_eq!(seeds, [7, 8, 7, 8]);
    let choices = whole.json()["choices"].clone();
    let prompts: Vec<_> = requests.iter().map(|request| request.prompt.clone()).collect();
    for (index, text) in texts.iter().enumerate() {
        let choice = &choices[index];
        assert_eq!((&choice["index"], &choice["text"]), (&json!(index), &json!(text)));
        assert_eq!(choice["prompt_token_ids"], json!(prompts[index]));
        assert_eq!(choice["token_ids"], json!([ids(&gateway, text)[0], gateway.end_token()]));
    }
    assert_eq!(whole.json()["usage"]["prompt_tokens"], 3);
    assert_eq!(whole.json()["usage"]["completion_tokens"], 8);
    assert_eq!(whole.json()["usage"]["prompt_tokens_details"]["cached_tokens"], 8);

    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true, "continuous_usage_stats": true});
    let (streamed, _) = ask(&mut gateway, &body, &texts).await;
    let mut events = events(&streamed);
    let end = events.pop().unwrap();
    assert_eq!((&end["choices"], &end["usage"]), (&json!([]), &whole.json()["usage"]));
    let told = added_up(&events, 4);
    assert!(told.iter().map(|choice| choice["text"].as_str().unwrap()).eq(texts));
    assert!(told.iter().all(|choice| choice["finish_reason"] == "stop"));
    let third = events.iter().find(|event| event["choices"][0]["index"] == 2).unwrap();
    assert_eq!(third["choices"][0]["prompt_token_ids"], json!(ids(&gateway, "c")));
    assert_eq!(third["usage"]["prompt_tokens"], 1, "its own prompt's");
    assert!(events.iter().all(|event| event["id"] == end["id"] && event["object"] == "text_completion"));
    gateway.stop().await;
}

fn row(likeliest: &[(u32, f64)], chosen: usize) -> Vec<TokenLogprob> {
    let ranked = likeliest.iter().zip(1..).map(|(&(token_id, logprob), rank)| TokenLogprob { token_id, logprob, rank });
    let ranked: Vec<_> = ranked.collect();
    [vec![ranked[chosen]], ranked].concat()
}

/// Answers a request for "é" after "ab" with "éd", each token the second likeliest after `!`, and all at once.
fn tell_probabilities(gateway: &Gateway, sender: &OutputSender) {
    let likeliest = |id: u32| row(&[(3, -0.25), (id, -1.5)], 1);
    let token_ids = ids(gateway, "éd");
    let output = TokenOutput {
        logprobs: Some(token_ids.iter().map(|id| likeliest(*id)).collect()),
        prompt_logprobs: Some(vec![likeliest(ids(gateway, "b")[0])]),
        token_ids,
        ..last(&[], FinishReason::Length).unwrap()
    };
    sender.send(Ok(output)).unwrap();
}

#[tokio::test]
async fn an_echo_has_the_prompt_and_the_probabilities_of_its_tokens() {
    let mut gateway = Gateway::start();
    let whole = request(json!({"echo": true, "logprobs": 1, "max_tokens": 3}));
    let mut streamed = whole.clone();
    streamed["stream"] = json!(true);
    for body in [whole, streamed] {
        let mut client = gateway.connect().await;
        let (answer, request) = tokio::join!(complete(&mut client, &body), async {
            let (request, sender) = gateway.next_request().await;
            tell_probabilities(&gateway, &sender);
            request
        });
        assert!(request.logprobs == Logprobs { sampled: Some(1), prompt: Some(1) });
        let choice =
            if body["stream"] == true { added_up(&events(&answer), 1) } else { vec![answer.json()["choices"][0].clone()] };
        assert_eq!((&choice[0]["text"], &choice[0]["finish_reason"]), (&json!("abéd"), &json!("length")));
        assert!(choice[0].get("prompt_logprobs").is_none());
        let logprobs = &choice[0]["logprobs"];
        let told = ["a", "b", "", "é", "d"];
        assert_eq!(logprobs["tokens"], json!(told));
        assert_eq!(logprobs["token_logprobs"][0], Value::Null);
        assert_eq!(logprobs["top_logprobs"][0], Value::Null);
        assert_eq!(logprobs["token_logprobs"][1], -1.5);
        assert_eq!(logprobs["top_logprobs"][1], json!({"b": -1.5, "!": -0.25}));
        let mut offset = 0;
        for (index, text) in told.iter().enumerate() {
            assert_eq!(logprobs["text_offset"][index], offset);
            offset += text.chars().count();
        }
        assert_eq!(logprobs["top_logprobs"][told.len() - 1], json!({"d": -1.5, "!": -0.25}));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_echo_alone_drops_what_the_engine_makes() {
    let mut gateway = Gateway::start();
    let whole = request(json!({"prompt": ids(&gateway, "<|im_start|>ab"), "echo": true, "max_tokens": 0, "logprobs": 0}));
    let mut streamed = whole.clone();
    streamed["stream"] = json!(true);
    for body in [whole, streamed] {
        let mut client = gateway.connect().await;
        let (answer, request) = tokio::join!(complete(&mut client, &body), async {
            let (request, sender) = gateway.next_request().await;
            let rows = request.prompt[1..].iter().map(|id| row(&[(*id, -0.5)], 0)).collect();
            let end = last(&[gateway.end_token()], FinishReason::Stop).unwrap();
            sender.send(Ok(TokenOutput { prompt_logprobs: Some(rows), ..end })).unwrap();
            request
        });
        assert!(request.max_tokens == 1 && request.logprobs == Logprobs { sampled: None, prompt: Some(0) });
        let choice =
            if body["stream"] == true { added_up(&events(&answer), 1) } else { vec![answer.json()["choices"][0].clone()] };
        assert_eq!((&choice[0]["text"], &choice[0]["finish_reason"]), (&json!("<|im_start|>ab"), &json!("length")));
        assert_eq!(choice[0]["logprobs"]["tokens"], json!(["<|im_start|>", "a", "b"]));
        assert_eq!(choice[0]["logprobs"]["token_logprobs"], json!([null, -0.5, -0.5]));
        let receipt = receipt(&gateway, ("POST", COMPLETIONS), body.to_string().as_bytes(), &answer).unwrap();
        assert_eq!((receipt.prompt_tokens, receipt.completion_tokens), (Some(3), Some(0)));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn each_choice_has_the_probabilities_of_its_own_prompt() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let body = request(json!({"prompt": ["ab", "cd"], "prompt_logprobs": 0}));
    let (answer, ()) = tokio::join!(complete(&mut client, &body), async {
        for logprob in [-1.0, -2.0] {
            let (request, sender) = gateway.next_request().await;
            let rows = vec![row(&[(request.prompt[1], logprob)], 0)];
            let end = last(&[gateway.end_token()], FinishReason::Stop).unwrap();
            sender.send(Ok(TokenOutput { prompt_logprobs: Some(rows), ..end })).unwrap();
        }
    });
    for (index, (text, logprob)) in [("b", -1.0), ("d", -2.0)].into_iter().enumerate() {
        let told = json!({ids(&gateway, text)[0].to_string(): {"logprob": logprob, "rank": 1, "decoded_token": text}});
        assert_eq!(answer.json()["choices"][index]["prompt_logprobs"], json!([null, told]));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn nothing_predicts_a_prompt_of_one_token() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let body = request(json!({"prompt": ids(&gateway, "a"), "echo": true, "logprobs": 1, "prompt_logprobs": 1}));
    let (answer, ()) = tokio::join!(complete(&mut client, &body), async {
        let (_, sender) = gateway.next_request().await;
        let logprobs = Some(vec![row(&[(gateway.end_token(), -0.5)], 0)]);
        sender.send(Ok(TokenOutput { logprobs, ..last(&[gateway.end_token()], FinishReason::Stop).unwrap() })).unwrap();
    });
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let choice = &answer.json()["choices"][0];
    assert_eq!((&choice["text"], &choice["prompt_logprobs"]), (&json!("a"), &json!([null])));
    assert_eq!(choice["logprobs"]["token_logprobs"], json!([null, -0.5]));
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_is_refused_by_name() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    for (more, param) in [
        (json!({"prompt": ""}), json!("prompt")),
        (json!({"prompt": [[]]}), json!("prompt")),
        (json!({"prompt": []}), json!("prompt")),
        (json!({"prompt": ["a", 1]}), json!("prompt[1]")),
        (json!({"prompt": [1, 420]}), json!("prompt")),
        (json!({"prompt": "a ".repeat(MAX_MODEL_LEN)}), json!("prompt")),
        (json!({"prompt": [vec![3; MAX_MODEL_LEN]]}), json!("prompt")),
        (json!({"prompt": vec!["a"; 65], "n": 2}), json!("prompt")),
        (json!({"suffix": "z"}), json!("suffix")),
        (json!({"best_of": 2}), json!("best_of")),
        (json!({"max_tokens": 0}), json!("max_tokens")),
        (json!({"min_tokens": 17}), json!("min_tokens")),
        (json!({"max_tokens": 0, "echo": true, "min_tokens": 1}), json!("min_tokens")),
        (json!({"max_tokens": MAX_MODEL_LEN + 1}), json!("max_tokens")),
        (json!({"logprobs": 6}), json!("logprobs")),
        (json!({"logprobs": true}), json!("logprobs")),
        (json!({"temperature": 3}), json!("temperature")),
        (json!({"prompt_logprobs": 1, "stream": true}), json!("prompt_logprobs")),
        (json!({"truncate_prompt_tokens": 4}), json!("truncate_prompt_tokens")),
        (json!({"messages": []}), json!("messages")),
    ] {
        let answer = complete(&mut client, &request(more.clone())).await;
        assert_eq!((answer.status, &answer.error()["param"]), (StatusCode::BAD_REQUEST, &param), "{more} {}", answer.body);
        receipt(&gateway, ("POST", COMPLETIONS), request(more).to_string().as_bytes(), &answer).unwrap();
    }
    let long = complete(&mut client, &request(json!({"prompt": [vec![3; MAX_MODEL_LEN]]}))).await;
    assert_eq!(long.error()["code"], "context_length_exceeded");
    let other = complete(&mut client, &request(json!({"model": "other"}))).await;
    assert_eq!((other.status, other.error()["code"].clone()), (StatusCode::NOT_FOUND, json!("model_not_found")));
    assert!(gateway.requests.try_recv().is_err(), "the engine was asked");
    gateway.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_aborts_the_answers_to_all_prompts() {
    for streams in [false, true] {
        let mut gateway = Gateway::start();
        let mut client = gateway.connect().await;
        let body = request(json!({"prompt": ["ab", "c"], "n": 2, "stream": streams}));
        let waiting = tokio::spawn(async move { complete(&mut client, &body).await });
        let mut senders = Vec::new();
        for _ in 0..4 {
            let (_, sender) = gateway.next_request().await;
            sender.send(tokens(&ids(&gateway, "a"))).unwrap();
            senders.push(sender);
        }
        assert!(senders.iter().all(|sender| !sender.is_closed()));
        waiting.abort();
        for sender in &senders {
            until_closed(sender).await;
        }
        nothing_runs(&gateway).await;
        gateway.stop().await;
    }
}
