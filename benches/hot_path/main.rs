//! What happens to each request and to each token outside the engine.

// A benchmark fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod gateway;
#[path = "../ready_engine.rs"]
mod ready_engine;

use std::{hint::black_box, path::Path, sync::Arc};

use blindllama_gateway::text::{ChatTemplate, Detokenizer, Rendering, Speaker, TextOptions, Tokenizer, Turn};
use blindllama_tests::http::{KeptAlive, post};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway/tests/fixtures/tiny-chatml");
const TEXT: &str = "The gateway reads a request, makes a prompt of it, and gives token ids to the engine. ";

/// Text to tokens and back.
fn text(criterion: &mut Criterion) {
    let folder = Path::new(MODEL);
    let tokenizer = Arc::new(Tokenizer::load(folder).unwrap());
    let template = ChatTemplate::load(folder, jiff::Zoned::now).unwrap();
    let turns = [Turn { speaker: Speaker::User, content: Some(vec![TEXT.repeat(12)]), name: None }];
    let mut group = criterion.benchmark_group("text");
    group.bench_function("template, 1 KiB message", |bencher| {
        bencher.iter(|| template.render(black_box(&turns), &Rendering::default()).unwrap());
    });
    let prompt = template.render(&turns, &Rendering::default()).unwrap();
    group.bench_function("tokenise, 1 KiB prompt", |bencher| bencher.iter(|| tokenizer.encode(black_box(&prompt), false)));
    let ids = tokenizer.encode(&TEXT.repeat(4), false).unwrap();
    let beginning = Detokenizer::after_prompt(Arc::clone(&tokenizer), &ids, TextOptions::default()).unwrap();
    group.throughput(Throughput::Elements(ids.len() as u64));
    group.bench_function("detokenise, per token", |bencher| {
        bencher.iter(|| {
            let mut detokenizer = beginning.clone();
            for id in &ids {
                black_box(detokenizer.push(*id).unwrap());
            }
        });
    });
}

/// From the bytes of a request to the last byte of its answer, client and TLS included.
fn server(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let _entered = runtime.enter();
    let mut client = runtime.block_on(async { KeptAlive::connect(gateway::serve()).await });
    let mut group = criterion.benchmark_group("server");
    for (name, tokens, stream) in
        [("JSON, 1 token", 1, false), ("JSON, 512 tokens", 512, false), ("events, 512 tokens", 512, true)]
    {
        let message = json!({"role": "user", "content": TEXT});
        let body = json!({"model": "m", "messages": [message], "max_tokens": tokens, "stream": stream}).to_string();
        group.throughput(Throughput::Elements(tokens));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let answer = runtime.block_on(client.send(post("/v1/chat/completions", body.clone()))).unwrap();
                assert!(answer.status.is_success(), "{answer:?}");
            });
        });
    }
}

criterion_group!(benches, text, server);
criterion_main!(benches);
