//! Receipts, checked as a user would: with what was sent, what came back, and the attested key.

use blindllama_attest::{
    digest::Sha256Digest,
    receipt::{ExpectedReceipt, Receipt, ReceiptError, split_stream, verify_receipt},
};
use blindllama_engine::{EngineError, FinishReason};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    bad_input::post_large,
    chat::{hello, with},
    client::{Answer, CHAT, chat_request, request},
    engine::{last, tokens},
    harness::{Gateway, MAX_BODY_BYTES, MAX_REQUESTS, MODEL},
};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// What the receipt of `answer` says, once it was verified for exactly this exchange.
pub(crate) fn receipt(
    gateway: &Gateway,
    (method, path): (&str, &str),
    sent: &[u8],
    answer: &Answer,
) -> Result<Receipt, ReceiptError> {
    let receipt = receipt_of_any(gateway, (method, path), sent, answer)?;
    assert_eq!(receipt.model.name, MODEL);
    Ok(receipt)
}

/// The same, whatever model or adapter it names.
pub(crate) fn receipt_of_any(
    gateway: &Gateway,
    (method, path): (&str, &str),
    sent: &[u8],
    answer: &Answer,
) -> Result<Receipt, ReceiptError> {
    let streamed = answer.headers["content-type"] == "text/event-stream";
    assert_eq!(answer.headers.contains_key("x-blindllama-receipt"), !streamed);
    let (hashed, jws) = if streamed {
        let split = split_stream(answer.body.as_bytes())?;
        (split.hashed, split.jws)
    } else {
        (answer.body.as_bytes(), answer.headers["x-blindllama-receipt"].to_str().unwrap())
    };
    let expected = ExpectedReceipt {
        method,
        path,
        status: answer.status.as_u16(),
        request_id: Some(answer.headers["x-request-id"].to_str().unwrap()),
        request_sha256: Sha256Digest::of(&[sent]),
        response_sha256: Sha256Digest::of(&[hashed]),
        binding_digest: gateway.binding.digest().digest(),
    };
    let verified = verify_receipt(jws, gateway.binding.receipt_public_key.as_bytes(), &expected)?;
    assert_eq!(verified.claims().model.weights_sha256, gateway.binding.model_sha256);
    assert!(verified.claims().received_at <= verified.claims().completed_at);
    Ok(verified.claims().clone())
}

pub(crate) fn chat_receipt(gateway: &Gateway, sent: &Value, answer: &Answer) -> Receipt {
    receipt(gateway, ("POST", CHAT), sent.to_string().as_bytes(), answer).unwrap()
}

fn streaming() -> Value {
    with("stream", json!(true))
}

#[tokio::test]
async fn a_whole_answer_has_its_receipt_in_a_header() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let sent = hello();
    let (answer, generated) = tokio::join!(client.chat(&sent), gateway.answer("Paris"));
    let receipt = chat_receipt(&gateway, &sent, &answer);
    let usage = &answer.json()["usage"];
    assert_eq!(receipt.request_sha256, Some(Sha256Digest::of(&[sent.to_string().as_bytes()])));
    assert_eq!(receipt.prompt_tokens, u64::try_from(generated.prompt.len()).ok());
    assert_eq!(
        json!([receipt.prompt_tokens, receipt.completion_tokens]),
        json!([usage["prompt_tokens"], usage["completion_tokens"]])
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_ends_with_finish_usage_receipt_done() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    for include_usage in [false, true] {
        let mut sent = streaming();
        sent["stream_options"] = json!({"include_usage": include_usage});
        let (answer, generated) = tokio::join!(client.chat(&sent), gateway.answer("Grüße"));
        let receipt = chat_receipt(&gateway, &sent, &answer);
        assert_eq!(receipt.prompt_tokens, u64::try_from(generated.prompt.len()).ok());
        assert_eq!(receipt.completion_tokens, u64::try_from(gateway.tokenizer.encode("Grüße", false).unwrap().len() + 1).ok());
        let mut events: Vec<&str> = answer.body.strip_suffix("\n\n").unwrap().split("\n\n").collect();
        assert_eq!(events.pop(), Some("data: [DONE]"));
        assert!(events.pop().unwrap().starts_with(": receipt eyJ"));
        assert_eq!(events.pop().unwrap().contains("\"prompt_tokens\":"), include_usage);
        assert_eq!(answer.body.matches("receipt").count(), 1);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_in_many_writes_is_hashed_whole() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let ids = gateway.tokenizer.encode("abcd", false).unwrap();
    let (response, (_, sender)) = tokio::join!(client.send(chat_request(&streaming())), async {
        let (request, sender) = gateway.next_request().await;
        sender.send(tokens(&ids[..1])).unwrap();
        (request, sender)
    });
    let (head, mut body) = response.into_parts();
    let mut received = Vec::new();
    let mut frames = 0;
    for id in &ids[1..] {
        received.extend_from_slice(&body.frame().await.unwrap().unwrap().into_data().unwrap());
        frames += 1;
        sender.send(tokens(&[*id])).unwrap();
    }
    sender.send(last(&[gateway.end_token()], FinishReason::Stop)).unwrap();
    received.extend_from_slice(&body.collect().await.unwrap().to_bytes());
    assert_eq!(frames, 3, "the test has seen as many writes");
    let answer = Answer { status: head.status, headers: head.headers, body: String::from_utf8(received).unwrap() };
    chat_receipt(&gateway, &streaming(), &answer);
    gateway.stop().await;
}

#[tokio::test]
async fn a_receipt_is_good_for_its_own_exchange_only() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    for sent in [hello(), streaming()] {
        let (mut answer, _) = tokio::join!(client.chat(&sent), gateway.answer("Paris"));
        let sent = sent.to_string();
        let code = |place, sent: &str, answer: &Answer| {
            receipt(&gateway, place, sent.as_bytes(), answer).map(|_| ()).map_err(|error| error.code())
        };
        assert_eq!(code(("POST", CHAT), &sent, &answer), Ok(()));
        assert_eq!(code(("POST", CHAT), &(sent.clone() + " "), &answer), Err("receipt_request_mismatch"));
        assert_eq!(code(("POST", "/v1/completions"), &sent, &answer), Err("receipt_path_mismatch"));
        answer.body = answer.body.replacen("assistant", "essistant", 1);
        assert_eq!(code(("POST", CHAT), &sent, &answer), Err("receipt_response_mismatch"));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn errors_have_receipts() {
    let gateway = Gateway::start();
    let mut client = gateway.connect().await;
    for (sent, status) in [
        ("{".to_owned(), StatusCode::BAD_REQUEST),
        (String::new(), StatusCode::BAD_REQUEST),
        (with("model", json!("gpt-5")).to_string(), StatusCode::NOT_FOUND),
        (with("temperature", json!(9)).to_string(), StatusCode::BAD_REQUEST),
    ] {
        let answer = client.ask(request(Method::POST, CHAT, sent.clone().into(), JSON)).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        let receipt = receipt(&gateway, ("POST", CHAT), sent.as_bytes(), &answer).unwrap();
        assert_eq!(receipt.request_sha256, Some(Sha256Digest::of(&[sent.as_bytes()])));
        assert_eq!((receipt.prompt_tokens, receipt.completion_tokens), (None, None));
    }
    for (refusal, status) in [
        (EngineError::Overloaded, StatusCode::SERVICE_UNAVAILABLE),
        (EngineError::Rejected("odd".to_owned()), StatusCode::BAD_REQUEST),
    ] {
        gateway.engine.refuse(refusal);
        for sent in [hello(), streaming()] {
            let answer = client.chat(&sent).await;
            assert_eq!(answer.status, status);
            chat_receipt(&gateway, &sent, &answer);
        }
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_internal_error_is_signed_as_it_goes_out() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    for sent in [hello(), streaming()] {
        let (answer, ()) = tokio::join!(client.chat(&sent), async {
            let (_, sender) = gateway.next_request().await;
            sender.send(last(&[], FinishReason::Error)).unwrap();
        });
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        let receipt = chat_receipt(&gateway, &sent, &answer);
        assert!(answer.body.contains(&receipt.request_id), "{}", answer.body);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_request_that_was_not_read_has_no_digest() {
    let gateway = Gateway::start();
    let sent = hello().to_string();
    let wrong_type = gateway.connect().await.ask(request(Method::POST, CHAT, sent.clone().into(), &[])).await;
    assert_eq!(wrong_type.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(receipt(&gateway, ("POST", CHAT), sent.as_bytes(), &wrong_type).unwrap().request_sha256, None);

    for method in [Method::GET, Method::PUT] {
        let answer = gateway.connect().await.ask(request(method.clone(), CHAT, Bytes::new(), &[])).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(receipt(&gateway, (method.as_str(), CHAT), b"", &answer).unwrap().request_sha256, None);
    }
    let head = gateway.connect().await.ask(request(Method::HEAD, CHAT, Bytes::new(), &[])).await;
    assert_eq!((head.status, head.body.as_str()), (StatusCode::METHOD_NOT_ALLOWED, ""));
    receipt(&gateway, ("HEAD", CHAT), b"", &head).unwrap();

    for announced in [true, false] {
        let total = MAX_BODY_BYTES * 2;
        let answer = parse(&post_large(&gateway, announced, total).await);
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
        let claims = receipt(&gateway, ("POST", CHAT), &vec![b' '; total], &answer).unwrap();
        assert_eq!(claims.request_sha256, None);
    }
    gateway.stop().await;
}

/// A response as it is on the wire, with an announced length.
fn parse(response: &str) -> Answer {
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let fields = lines.map(|line| line.split_once(": ").unwrap());
    let headers: HeaderMap = fields.map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect();
    Answer { status, headers, body: body.to_owned() }
}

#[tokio::test]
async fn whoever_is_not_let_in_gets_a_receipt_too() {
    let mut gateway = Gateway::start();
    let mut waiting = Vec::new();
    for _ in 0..MAX_REQUESTS {
        let mut client = gateway.connect().await;
        let served = tokio::spawn(async move { client.chat(&hello()).await });
        waiting.push((served, gateway.next_request().await));
    }
    let answer = gateway.connect().await.chat(&hello()).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(chat_receipt(&gateway, &hello(), &answer).request_sha256, None);
    waiting.iter().for_each(|(served, _)| served.abort());
    gateway.stop().await;
}

#[tokio::test]
async fn responses_are_numbered_within_their_connection() {
    let mut gateway = Gateway::start();
    for _ in 0..2 {
        let mut client = gateway.connect().await;
        let (whole, streamed) = (hello(), streaming());
        let (first, _) = tokio::join!(client.chat(&whole), gateway.answer("a"));
        client.get("/v1/models").await;
        let refused = client.chat(&json!({})).await;
        let (last, _) = tokio::join!(client.chat(&streamed), gateway.answer("a"));
        let numbers = [(&whole, &first), (&json!({}), &refused), (&streamed, &last)]
            .map(|(sent, answer)| chat_receipt(&gateway, sent, answer).connection_sequence);
        assert_eq!(numbers, [0, 1, 2]);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_clients_own_id_and_query_are_in_the_receipt() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let (path, sent) = (format!("{CHAT}?a=\\%20&b"), hello().to_string());
    let headers = [JSON[0], ("x-request-id", "my-own.id")];
    let (answer, _) = tokio::join!(client.ask(request(Method::POST, &path, sent.clone().into(), &headers)), gateway.answer("a"));
    assert_eq!(receipt(&gateway, ("POST", &path), sent.as_bytes(), &answer).unwrap().request_id, "my-own.id");

    // A receipt has to repeat the path.
    let (longest, too_long) =
        (format!("{CHAT}?{}", "\\".repeat(2047 - CHAT.len())), format!("{CHAT}?{}", "\\".repeat(2048 - CHAT.len())));
    let answer = gateway.connect().await.ask(request(Method::POST, &longest, "{".into(), JSON)).await;
    receipt(&gateway, ("POST", &longest), b"{", &answer).unwrap();
    let long_method = Method::from_bytes(&[b'A'; 33]).unwrap();
    for refused in [request(Method::POST, &too_long, "{".into(), JSON), request(long_method, CHAT, "{".into(), JSON)] {
        let answer = gateway.connect().await.ask(refused).await;
        assert_eq!(answer.status, StatusCode::URI_TOO_LONG);
        assert!(!answer.headers.contains_key("x-blindllama-receipt") && answer.headers.contains_key("x-blindllama-binding"));
        answer.error();
    }
    gateway.stop().await;
}

#[tokio::test]
async fn responses_are_never_compressed() {
    let mut gateway = Gateway::start();
    let mut client = gateway.connect().await;
    let headers = [JSON[0], ("accept-encoding", "gzip, br, zstd, deflate")];
    let text = "long ".repeat(10);
    for sent in [hello(), streaming()] {
        let asked = request(Method::POST, CHAT, sent.to_string().into(), &headers);
        let (answer, _) = tokio::join!(client.ask(asked), gateway.answer(&text));
        assert!(!answer.headers.contains_key("content-encoding"));
        chat_receipt(&gateway, &sent, &answer);
    }
    gateway.stop().await;
}

#[tokio::test]
async fn other_routes_have_no_receipts() {
    let gateway = Gateway::start();
    let mut client = gateway.connect().await;
    for path in ["/v1/models", "/livez", "/none", "/attestation?nonce=00"] {
        assert!(!client.get(path).await.headers.contains_key("x-blindllama-receipt"), "{path}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn a_stream_that_fails_halfway_has_no_receipt() {
    let mut gateway = Gateway::start();
    for outcome in [Some(Err(EngineError::Stopped)), Some(last(&[], FinishReason::Error)), None] {
        let mut client = gateway.connect().await;
        let sent = streaming();
        let (answer, ()) = tokio::join!(client.chat(&sent), async {
            let (_, sender) = gateway.next_request().await;
            sender.send(tokens(&gateway.tokenizer.encode("a", false).unwrap())).unwrap();
            outcome.map(|outcome| sender.send(outcome));
        });
        assert!(answer.body.contains("\"error\"") && !answer.body.contains("receipt"), "{}", answer.body);
    }
    gateway.stop().await;
}

/// The client closes its side, reads on, and sees the answer break off.
#[tokio::test]
async fn an_answer_that_nobody_waits_for_has_no_receipt() {
    let mut gateway = Gateway::start();
    let mut stream = gateway.connect_raw().await;
    let body = streaming().to_string();
    let head = format!("POST {CHAT} HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/json\r\n");
    stream.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
    let (_, sender) = gateway.next_request().await;
    sender.send(tokens(&gateway.tokenizer.encode("a", false).unwrap())).unwrap();
    let mut received = vec![0; 4096];
    let mut read = 0;
    while !String::from_utf8_lossy(&received[..read]).contains("\"a\"") {
        read += stream.read(&mut received[read..]).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    while !sender.is_closed() {
        tokio::task::yield_now().await;
    }
    let _refused = sender.send(last(&[gateway.end_token()], FinishReason::Stop));
    let mut rest = Vec::new();
    let _broken = stream.read_to_end(&mut rest).await;
    received.truncate(read);
    received.extend(rest);
    let received = String::from_utf8(received).unwrap();
    assert!(!received.contains("receipt") && !received.contains("[DONE]") && !received.ends_with("0\r\n\r\n"), "{received}");
    gateway.stop().await;
}
