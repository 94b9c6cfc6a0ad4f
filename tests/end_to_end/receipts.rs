//! Receipts of the running gateway, verified from files by `blindllama receipt verify`.

use std::path::PathBuf;

use blindllama_tests::{
    http::{self, Answer},
    shim,
};
use serde_json::{Value, json};

use crate::{
    plain_tools::{save_evidence, text},
    world::{World, run},
};

/// A request, its response and the gateway's evidence, each in a file.
struct Exchange {
    folder: tempfile::TempDir,
    receipt: Option<String>,
}

impl Exchange {
    /// Asks through the shim, as any client would.
    fn record(world: &World, stream: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let chat = world.chat("Hi", json!({"max_tokens": 3, "stream": stream}));
        let request = http::post("/v1/chat/completions", chat.clone());
        let answer = run(async { http::send(world.shim.address(), request).await.complete().await }).expect("an answer");
        let Answer { status, headers, body } = answer;
        assert_eq!(status.as_u16(), 200, "{body:?}");
        let receipt = headers.get("x-blindllama-receipt").map(|value| value.to_str().expect("a JWS").to_owned());
        let exchange = Self { folder, receipt };
        exchange.write("request", chat.as_bytes());
        exchange.write("response", &body);
        save_evidence(world, exchange.path("evidence"));
        exchange
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).expect("writes");
    }

    /// Replaces a text in the response.
    fn alter(&self, from: &str, to: &str) {
        let response = std::fs::read_to_string(self.path("response")).expect("text");
        assert!(response.contains(from), "{response}");
        self.write("response", response.replacen(from, to, 1).as_bytes());
    }

    /// What `blindllama receipt verify` says.
    fn verify(&self) -> (Option<i32>, Value) {
        let files = ["request", "response", "evidence"].map(|name| [format!("--{name}"), text(&self.path(name)).to_owned()]);
        let receipt = self.receipt.iter().flat_map(|receipt| ["--receipt".to_owned(), receipt.clone()]);
        shim::told(["receipt".to_owned(), "verify".to_owned()].into_iter().chain(files.into_iter().flatten()).chain(receipt))
    }

    /// Verified as it is, refused once something of it is changed.
    fn holds(&self, world: &World) {
        let (status, told) = self.verify();
        assert_eq!((status, &told["code"]), (Some(0), &json!("verified")), "{told}");
        assert_eq!(told["receipt"]["model"]["name"], world.model(), "{told}");
        assert_eq!(told["receipt"]["completion_tokens"], 3, "{told}");
        self.alter("chat.completion", "chat.Completion");
        let (status, told) = self.verify();
        assert_eq!((status, &told["code"]), (Some(1), &json!("receipt_response_mismatch")), "{told}");
        self.alter("chat.Completion", "chat.completion");
        self.write("request", b"{}");
        assert_eq!(self.verify().1["code"], "receipt_request_mismatch");
    }
}

pub fn a_whole_answer_has_a_receipt(world: &World) {
    let exchange = Exchange::record(world, false);
    assert!(exchange.receipt.is_some());
    exchange.holds(world);
}

pub fn a_stream_has_its_receipt_inside(world: &World) {
    let exchange = Exchange::record(world, true);
    assert_eq!(exchange.receipt, None);
    exchange.holds(world);
}
