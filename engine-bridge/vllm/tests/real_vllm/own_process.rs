//! The engine in processes of its own, and what the parts are worth there that also run on an engine in this process.

use std::{fs, path::Path, process::Command};

use blindllama_engine::{Engine as _, FinishReason};
use blindllama_engine_vllm::{Device, PythonEnvironment, VllmEngine, VllmSettings};
use serde_json::json;

use crate::{CANARY, collect, greedy, helper, models, run_with_own_process};

#[test]
fn answers_aborts_refuses_and_dies_cleanly() {
    let printed = run_with_own_process("part_answers_aborts_refuses_and_dies");
    for expected in ["the engine has failed", "EngineDeadError at", "part done"] {
        assert!(printed.contains(expected), "`{expected}` is missing in: {printed}");
    }
    assert!(!printed.contains(CANARY), "{printed}");
}

#[test]
fn shuts_down_while_it_generates() {
    let printed = run_with_own_process("part_shuts_down_while_it_generates");
    assert!(printed.contains("part done"), "{printed}");
    assert!(!printed.contains("did not shut down"), "{printed}");
}

#[test]
fn embeds() {
    let printed = run_with_own_process("part_embeds");
    assert!(printed.contains("part done"), "{printed}");
}

#[test]
fn several_engines_share_the_requests() {
    let printed = run_with_own_process("own_process::part_several_engines");
    for expected in ["processes=2", "part done"] {
        assert!(printed.contains(expected), "`{expected}` is missing in: {printed}");
    }
}

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_several_engines() {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let engine_args = json!({
        "dtype": "float32", "max_model_len": 512, "kv_cache_memory_bytes": 64 << 20, "data_parallel_size": 2, "max_num_seqs": 2,
    });
    let engine = VllmEngine::start(VllmSettings {
        python: PythonEnvironment::find(Path::new(env!("PYO3_PYTHON"))).unwrap(),
        model: models().join("tiny-chat"),
        adapters: Vec::new(),
        engine_args: engine_args.as_object().unwrap().clone(),
        queue: 16,
        own_process: true,
        helper: helper(),
        device: Device::Cpu,
    })
    .unwrap();
    assert_eq!(engine.mapped().len(), 2);
    // One engine has room for two at a time: the third and fourth answer while the first two go on only if there are two engines.
    let endless = || {
        let mut request = greedy(&[5, 17, 40], 400);
        request.stopping.ignore_eos = true;
        engine.generate(request).unwrap()
    };
    let mut streams: Vec<_> = (0..4).map(|_| endless()).collect();
    for stream in &mut streams {
        let first = futures_util::StreamExt::next(stream).await.unwrap().unwrap();
        assert!(first.finished.is_none());
    }
    let ends = futures_util::future::join_all(streams.into_iter().map(collect)).await;
    assert!(ends.iter().all(|(tokens, end)| *end == Ok(FinishReason::Length) && *tokens == ends[0].0), "{ends:?}");
    engine.shutdown();
    assert!(engine_cores().is_empty());
    eprintln!("part done");
}

/// As the kernel or an operator would, with nothing left to say.
pub(crate) fn kill_engine_cores() {
    let found = engine_cores();
    assert!(!found.is_empty());
    for process in found {
        assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    }
}

/// The numbers of this process's children that have vLLM's libraries loaded.
fn engine_cores() -> Vec<String> {
    let children = fs::read_dir("/proc/self/task").unwrap().flat_map(|task| {
        let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    });
    let loaded =
        |process: &String| fs::read_to_string(format!("/proc/{process}/maps")).is_ok_and(|maps| maps.contains("libtorch"));
    children.filter(loaded).collect()
}
