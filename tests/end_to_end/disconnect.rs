//! A client that goes away frees its request in the engine within a second, streaming or not.

use std::time::{Duration, Instant};

use blindllama_tests::http;

use crate::world::{World, run};

/// Within which the engine has to be free again.
const LIMIT: Duration = Duration::from_secs(1);

pub fn a_streaming_client_that_goes_frees_its_request(world: &World) {
    run(async {
        let chat = world.chat("Tell me a very long story.", serde_json::json!({"stream": true, "max_tokens": 1500}));
        let mut arriving = http::send(world.shim.address(), http::post("/v1/chat/completions", chat)).await;
        let first = arriving.chunk().await.expect("a first chunk").expect("an unbroken stream");
        assert!(first.starts_with(b"data: "), "{first:?}");
        wait_until(world, 1, Duration::from_secs(30)).await;
        drop(arriving);
        wait_until(world, 0, LIMIT).await;
    });
}

pub fn a_waiting_client_that_goes_frees_its_request(world: &World) {
    run(async {
        let chat = world.chat("Tell me a very long story.", serde_json::json!({"max_tokens": 1500}));
        let address = world.shim.address();
        let waiting = tokio::spawn(async move { drop(http::send(address, http::post("/v1/chat/completions", chat)).await) });
        wait_until(world, 1, Duration::from_secs(30)).await;
        waiting.abort();
        wait_until(world, 0, LIMIT).await;
    });
}

/// Asks `/metrics` until it shows `wanted` running requests, in the server and in the engine.
async fn wait_until(world: &World, wanted: u64, limit: Duration) {
    let started = Instant::now();
    loop {
        let answer = http::send_tls(world.machine.address(), http::get("/metrics")).await.complete().await.expect("metrics");
        let metrics = String::from_utf8(answer.body.to_vec()).expect("text");
        let running = gauge(&metrics, "blindllama_requests_running");
        let active = gauge(&metrics, "blindllama_engine_requests_active");
        if (running, active) == (wanted, wanted) {
            return;
        }
        let waited = started.elapsed();
        assert!(waited < limit, "after {waited:?} there are {running} running requests and {active} in the engine, not {wanted}");
    }
}

fn gauge(metrics: &str, name: &str) -> u64 {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or_else(|| panic!("no {name} in:\n{metrics}"))
}
