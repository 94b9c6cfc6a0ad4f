//! Numbers of 16 bits, for which vLLM takes other instructions where the processor has them (AMX).

use std::path::Path;

use blindllama_engine::{Engine as _, FinishReason};
use blindllama_engine_vllm::{Device, PythonEnvironment, VllmEngine, VllmSettings};
use serde_json::json;

use crate::{collect, greedy, helper, models, own_process, run_apart};

#[test]
fn the_first_tokens_may_be_few() {
    let printed = run_apart("bfloat16::part_few_tokens");
    assert!(printed.contains("part done"), "{printed}");
    // Its layers are small (ADR 16).
    assert!(printed.contains("threads=1"), "{printed}");
}

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_few_tokens() {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let engine_args = json!({"dtype": "bfloat16", "max_model_len": 2048, "kv_cache_memory_bytes": 64 << 20});
    let engine = VllmEngine::start(VllmSettings {
        python: PythonEnvironment::find(Path::new(env!("PYO3_PYTHON"))).unwrap(),
        model: models().join("tiny-chat"),
        adapters: Vec::new(),
        engine_args: engine_args.as_object().unwrap().clone(),
        queue: 16,
        own_process: own_process(),
        helper: helper(),
        device: Device::Cpu,
    })
    .unwrap();
    assert_eq!(engine.model().dtype, "bfloat16");
    // One at a time, so that no product is large.
    for prompt in [&[5][..], &[5, 17]] {
        let (_, end) = collect(engine.generate(greedy(prompt, 4)).unwrap()).await;
        assert!(matches!(end, Ok(FinishReason::Length | FinishReason::Stop)), "{end:?}");
    }
    engine.shutdown();
    eprintln!("part done");
}
