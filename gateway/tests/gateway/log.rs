//! Everything that is logged, at every level, in all tests of this binary; and that none of it is content.

use std::{
    fmt::{Debug, Write as _},
    sync::{Mutex, Once},
};

use http::Method;
use serde_json::json;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{
    chat::with,
    client::{chat_request, request},
    engine::{last, tokens},
    harness::Gateway,
};

static LOG: Mutex<String> = Mutex::new(String::new());

/// Collects the whole log from now on.
pub(crate) fn collect() {
    static START: Once = Once::new();
    START.call_once(|| tracing::subscriber::set_global_default(Collector).unwrap());
}

struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Writer);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Writer);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Writer);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Writer;

impl Visit for Writer {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(LOG.lock().unwrap(), "{field}={value:?}").unwrap();
    }
}

#[tokio::test]
async fn no_content_is_logged() {
    let mut gateway = Gateway::start();
    let id = [("x-request-id", "the-logged-request")];
    gateway.connect().await.ask(request(Method::GET, "/log-canary?log-canary", "log-canary".into(), &id)).await;
    let mut prompt = with("messages", json!([{"role": "user", "content": "log-canary"}]));
    let mut client = gateway.connect().await;
    tokio::join!(client.chat(&prompt), gateway.answer("log-canary"));
    prompt["stream"] = json!(true);
    tokio::join!(client.chat(&prompt), async {
        let (_, sender) = gateway.next_request().await;
        sender.send(tokens(&gateway.tokenizer.encode("log-canary", false).unwrap())).unwrap();
        sender.send(last(&[], blindllama_engine::FinishReason::Error)).unwrap();
    });
    for refused in [with("log-canary", json!(1)), with("temperature", json!("log-canary")), with("model", json!("log-canary"))] {
        client.ask(chat_request(&refused)).await;
    }
    gateway.stop().await;
    let log = LOG.lock().unwrap();
    assert!(log.contains("the-logged-request") && log.contains("a stream failed"), "{log}");
    assert!(!log.contains("log-canary"), "{log}");
}
