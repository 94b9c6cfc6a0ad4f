//! The engine in processes of its own, and what the parts are worth there that also run on an engine in this process.

use std::{fs, path::Path, process::Command};

use blindllama_engine::{Engine as _, EngineError, FinishReason};
use blindllama_engine_vllm::{Device, Exit, PythonEnvironment, VllmEngine, VllmSettings};
use serde_json::{Value, json};

use crate::{CANARY, collect, greedy, helper, models, run_with_own_process};

#[test]
fn answers_aborts_refuses_and_dies_cleanly() {
    let printed = run_with_own_process("part_answers_aborts_refuses_and_dies");
    for expected in ["the engine has failed", "EngineDeadError at", "part done"] {
        assert!(printed.contains(expected), "`{expected}` is missing in: {printed}");
    }
    assert!(!printed.contains(CANARY), "{printed}");
}

/// With a worker in a process of its own too, as each device of several has one.
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
    assert!(!printed.contains("did not shut down"), "{printed}");
}

fn start(more: &Value) -> VllmEngine {
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    let mut engine_args = json!({"dtype": "float32", "max_model_len": 512, "kv_cache_memory_bytes": 64 << 20});
    engine_args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    VllmEngine::start(VllmSettings {
        python: PythonEnvironment::find(Path::new(env!("PYO3_PYTHON"))).unwrap(),
        model: models().join("tiny-chat"),
        adapters: Vec::new(),
        engine_args: engine_args.as_object().unwrap().clone(),
        queue: 16,
        own_process: true,
        helper: helper(),
        device: Device::Cpu,
    })
    .unwrap()
}

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_several_engines() {
    let engine = start(&json!({"data_parallel_size": 2, "max_num_seqs": 2}));
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

    let mut cut = endless();
    futures_util::StreamExt::next(&mut cut).await.unwrap().unwrap();
    engine.shutdown();
    assert_eq!(engine.stopped().await, Exit::ShutDown);
    assert_eq!(collect(cut).await.1, Err(EngineError::Stopped));
    assert!(engine_cores().is_empty());
    eprintln!("part done");
}

/// What the engine's process starts is this program too.
pub(crate) fn assert_workers_are_this_program() {
    let workers: Vec<_> = engine_cores().iter().flat_map(|core| children(core)).collect();
    assert!(!workers.is_empty());
    let own = fs::read_link("/proc/self/exe").unwrap();
    for worker in workers {
        assert_eq!(fs::read_link(format!("/proc/{worker}/exe")).unwrap(), own, "{}", command(&worker));
    }
}

/// As the kernel or an operator would, with nothing left to say.
pub(crate) fn kill_engine_cores() {
    let found = engine_cores();
    assert!(!found.is_empty());
    for process in found {
        assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    }
}

/// The numbers of this process's children that run something of vLLM, which gives them titles: all but the one that cleans up.
fn engine_cores() -> Vec<String> {
    // One that has ended has no command line left.
    let runs = |process: &String| !command(process).is_empty() && !command(process).contains("resource_tracker");
    children("self").into_iter().filter(runs).collect()
}

fn children(process: &str) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let children = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("children")).unwrap_or_default());
    children.flat_map(|children| children.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn command(process: &str) -> String {
    fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default()
}
