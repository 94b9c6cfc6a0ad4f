//! How a gateway ends that still has answers to give.

use std::time::Duration;

use blindllama_tests::{
    gateway::{Machine, Setup},
    http,
};
use serde_json::json;

use crate::world::run;

const MODEL: &str = "tiny-chat";
const CLIENTS: usize = 16;
/// For whatever follows when somebody goes.
const LIMIT: Duration = Duration::from_secs(30);

/// The server is through as soon as the last client has gone, and the engine is in the middle of a step.
pub fn the_engine_has_shut_down_when_the_process_ends() {
    let machine = Machine::boot();
    let mut gateway = machine.start_gateway(&Setup::tiny_model(MODEL));
    let chat = json!({
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello!"}],
        "max_tokens": 1500,
        "ignore_eos": true,
        "stream": true,
    });
    run(async {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(http::send_tls(machine.address(), http::post("/v1/chat/completions", chat.to_string())).await);
        }
        for client in &mut clients {
            client.chunk().await.expect("a first event").expect("an unbroken stream");
        }
        gateway.ask_to_end();
        gateway.wait_for("stopping", LIMIT);
        drop(clients);
    });
    assert!(gateway.wait(LIMIT).success(), "SIGTERM is an orderly end:\n{}", gateway.output());
    let said = gateway.output();
    assert!(said.contains("vLLM has shut down") && !said.contains("ERROR"), "the engine had no such end:\n{said}");
}
