//! HTTP/2: many requests over one connection, and clients that leave one of them or all.

use bytes::Bytes;
use http::{Method, Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    chat::{hello, with},
    client::{Answer, chat_request, client_config, connect_tls, request},
    disconnect::{nothing_runs, until, until_closed},
    engine::tokens,
    harness::Gateway,
    receipts::chat_receipt,
};

/// Requests of one connection whose responses are not read to their end.
const MAX_OPEN: usize = 512;

/// One connection, whose requests go side by side.
struct Client {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

impl Client {
    async fn connect(gateway: &Gateway) -> Self {
        Self::connect_with(gateway, &Builder::new(TokioExecutor::new())).await
    }

    /// A client that takes `window` bytes of each body, and more only as it reads them.
    async fn connect_slow(gateway: &Gateway, window: u32) -> Self {
        Self::connect_with(gateway, Builder::new(TokioExecutor::new()).initial_stream_window_size(window)).await
    }

    async fn connect_with(gateway: &Gateway, builder: &Builder<TokioExecutor>) -> Self {
        let mut config = client_config(gateway.binding.tls_spki_sha256, &[&rustls::version::TLS13]);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let stream = connect_tls(gateway.address(), gateway.binding.tls_spki_sha256, Some(config)).await.unwrap();
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            // Closed by either side: the test looks at responses.
            let _closed = connection.await;
        });
        Self { sender, connection }
    }

    /// Another handle on the same connection, which it does not close.
    fn another(&self) -> Self {
        Self { sender: self.sender.clone(), connection: tokio::spawn(async {}) }
    }

    async fn send(&self, mut request: Request<Full<Bytes>>) -> http::Response<Incoming> {
        *request.uri_mut() = format!("https://gateway{}", request.uri()).parse().unwrap();
        request.headers_mut().remove("host");
        *request.version_mut() = Version::HTTP_2;
        self.sender.clone().send_request(request).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::read(self.send(request(Method::GET, path, Bytes::new(), &[])).await).await
    }

    async fn chat(&self, body: &Value) -> Answer {
        Answer::read(self.send(chat_request(body)).await).await
    }

    /// A request that the test can give up: aborting the task resets its stream, and nothing else.
    fn start(&self, body: Value) -> JoinHandle<()> {
        let client = self.another();
        tokio::spawn(async move {
            let response = client.send(chat_request(&body)).await;
            let _broken = response.into_body().collect().await;
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn streaming() -> Value {
    with("stream", json!(true))
}

#[tokio::test]
async fn requests_of_one_connection_go_side_by_side_each_with_its_number() {
    let mut gateway = Gateway::start();
    let client = Client::connect(&gateway).await;
    let (whole, streamed) = (hello(), streaming());
    // The engine gets both before it answers either.
    let (first, second, ()) = tokio::join!(client.chat(&whole), client.chat(&streamed), async {
        let (_, one) = gateway.next_request().await;
        let (_, other) = gateway.next_request().await;
        for sender in [other, one] {
            sender.send(crate::engine::last(&[gateway.end_token()], blindllama_engine::FinishReason::Stop)).unwrap();
        }
    });
    let mut numbers = [(&whole, &first), (&streamed, &second)].map(|(sent, answer)| {
        assert_eq!(answer.status, StatusCode::OK);
        chat_receipt(&gateway, sent, answer).connection_sequence
    });
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 1]);
    let refused = client.chat(&json!({})).await;
    assert_eq!(chat_receipt(&gateway, &json!({}), &refused).connection_sequence, 2);
    drop(client);
    gateway.stop().await;
}

#[tokio::test]
async fn errors_headers_and_limits_are_as_with_http_1_1() {
    let gateway = Gateway::start();
    let client = Client::connect(&gateway).await;
    let unknown = client.get("/v1/none").await;
    assert_eq!(
        (unknown.status, unknown.error()["message"].clone()),
        (StatusCode::NOT_FOUND, json!("Invalid URL (GET /v1/none)"))
    );
    assert_eq!(unknown.headers["openai-version"], "2020-10-01");
    let large = "x".repeat(crate::harness::MAX_BODY_BYTES + 1);
    let answer = client.chat(&with("user", json!(large))).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(client.get("/livez").await.status, StatusCode::OK);
    drop(client);
    gateway.stop().await;
}

/// Whether the client waits for the first token or has seen it, and whether it gives up one stream or the connection.
#[tokio::test]
async fn a_client_that_leaves_aborts_its_request() {
    for body in [hello(), streaming()] {
        for begun in [false, true] {
            for only_the_stream in [true, false] {
                let mut gateway = Gateway::start();
                let client = Client::connect(&gateway).await;
                let waiting = client.start(body.clone());
                let (_, sender) = gateway.next_request().await;
                if begun {
                    sender.send(tokens(&gateway.tokenizer.encode("a", false).unwrap())).unwrap();
                }
                // Longer than the gateway takes between two looks at the stream: it must not look only at first.
                tokio::time::sleep(std::time::Duration::from_millis(150)).await;
                assert!(!sender.is_closed(), "{body} {begun} {only_the_stream}");
                waiting.abort();
                if only_the_stream {
                    until_closed(&sender).await;
                    assert_eq!(client.send(request(Method::GET, "/livez", Bytes::new(), &[])).await.status(), StatusCode::OK);
                    drop(client);
                } else {
                    drop(client);
                    until_closed(&sender).await;
                }
                nothing_runs(&gateway).await;
                let metrics = gateway.connect().await.get("/metrics").await.body;
                assert!(metrics.contains("{route=\"ChatCompletions\",status=\"ClientGone\"} 1\n"), "{metrics}");
                gateway.stop().await;
            }
        }
    }
}

/// A connection's requests are open until their responses are sent: those that wait for evidence that never comes, and those
/// whose client reads nothing.
#[tokio::test]
async fn a_connection_has_a_bound_on_open_requests_and_gets_it_back() {
    let gateway = Gateway::start();
    let client = Client::connect_slow(&gateway, 1).await;
    let never = format!("/attestation?nonce={}", "aa".repeat(16));
    let mut waiting = Vec::new();
    for _ in 0..MAX_OPEN / 2 {
        let (client, never) = (client.another(), never.clone());
        waiting.push(tokio::spawn(async move { client.get(&never).await }));
    }
    let mut unread = Vec::new();
    for _ in 0..MAX_OPEN / 2 {
        unread.push(client.send(request(Method::GET, "/v1/models", Bytes::new(), &[])).await);
    }
    let status = async || client.send(request(Method::GET, "/livez", Bytes::new(), &[])).await.status();
    until(async || status().await == StatusCode::SERVICE_UNAVAILABLE).await;
    let turned_away = client.get("/livez").await;
    assert_eq!((turned_away.status, turned_away.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));
    assert!(turned_away.headers.contains_key("retry-after") && !turned_away.headers.contains_key("content-type"));
    assert_eq!(Client::connect(&gateway).await.get("/livez").await.status, StatusCode::OK);
    waiting.pop().unwrap().abort();
    until(async || status().await == StatusCode::OK).await;
    let again = loop {
        let models = client.send(request(Method::GET, "/v1/models", Bytes::new(), &[])).await;
        if models.status() == StatusCode::OK {
            break models;
        }
    };
    until(async || status().await == StatusCode::SERVICE_UNAVAILABLE).await;
    Answer::read(again).await;
    until(async || status().await == StatusCode::OK).await;
    waiting.iter().for_each(JoinHandle::abort);
    drop((unread, client));
    gateway.stop().await;
}

/// What is made and not sent takes memory, so it takes a place.
#[tokio::test]
async fn a_whole_answer_keeps_its_place_until_it_is_read() {
    let mut gateway = Gateway::start();
    let client = Client::connect_slow(&gateway, 100).await;
    let (body, text) = (hello(), "Paris ".repeat(20));
    let (response, _) = tokio::join!(client.send(chat_request(&body)), gateway.answer(&text));
    let metrics = gateway.connect().await.get("/metrics").await.body;
    assert!(metrics.contains("blindllama_requests_running 1\n"), "{metrics}");
    assert_eq!(Answer::read(response).await.json()["choices"][0]["message"]["content"], text);
    nothing_runs(&gateway).await;
    drop(client);
    gateway.stop().await;
}
