//! LoRA adapters of the tiny chat model.

use std::{
    fs,
    path::{Path, PathBuf},
};

use blindllama_engine::{Engine as _, EngineError, FinishReason, GenerateRequest, Logprobs};
use blindllama_engine_vllm::{AdapterSettings, Device, PythonEnvironment, VllmEngine, VllmSettings};
use pyo3::Python;
use serde_json::{Value, json};

use crate::{collect, greedy, helper, models, own_process, run_apart, run_with_own_process};

/// Several blocks of vLLM's prefix cache.
const LONG: u32 = 300;

#[test]
fn an_adapter_answers_as_if_it_were_merged_into_the_model() {
    let answers = |printed: String| {
        assert!(printed.contains("part done"), "{printed}");
        printed.lines().filter(|line| line.starts_with("answer")).map(str::to_owned).collect::<Vec<_>>()
    };
    let merged = answers(run_apart("adapters::part_the_merged_model"));
    assert_eq!(merged.len(), prompts().len());
    assert_eq!(answers(run_apart("adapters::part_three_adapters")), merged);
    assert_eq!(answers(run_with_own_process("adapters::part_three_adapters")), merged);
}

#[test]
fn embeddings_have_no_adapters() {
    let printed = run_apart("adapters::part_embeddings_have_no_adapters");
    assert!(printed.contains("part done"), "{printed}");
}

fn prompts() -> Vec<Vec<u32>> {
    [5, 17, 40, LONG].map(|length| (1..=length).map(|token| 10 + token * 37 % 900).collect()).into()
}

fn settings(model: &str, adapters: &[(&str, PathBuf)], more: &Value) -> VllmSettings {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut engine_args = json!({"dtype": "float32", "max_model_len": 512, "kv_cache_memory_bytes": 64 << 20});
    engine_args.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    VllmSettings {
        python: PythonEnvironment::find(Path::new(env!("PYO3_PYTHON"))).unwrap(),
        model: models().join(model),
        adapters: adapters.iter().map(|(name, path)| AdapterSettings { name: (*name).to_owned(), path: path.clone() }).collect(),
        engine_args: engine_args.as_object().unwrap().clone(),
        queue: 64,
        own_process: own_process(),
        helper: helper(),
        device: Device::Cpu,
    }
}

/// 24 tokens after `prompt`, by the adapter of this name or by the model itself.
fn asked(engine: &VllmEngine, prompt: &[u32], adapter: Option<&str>) -> GenerateRequest {
    let mut request = greedy(prompt, 24);
    request.stopping.ignore_eos = true;
    request.adapter = adapter.map(|name| engine.model().adapter(name).unwrap());
    request
}

async fn answer(engine: &VllmEngine, request: GenerateRequest) -> Vec<u32> {
    let (tokens, end) = collect(engine.generate(request).unwrap()).await;
    assert_eq!(end, Ok(FinishReason::Length));
    tokens
}

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_the_merged_model() {
    let engine = VllmEngine::start(settings("tiny-merged", &[], &json!({}))).unwrap();
    for prompt in prompts() {
        eprintln!("answer {:?}", answer(&engine, asked(&engine, &prompt, None)).await);
    }
    engine.shutdown();
    eprintln!("part done");
}

/// The adapter of the tiny models, in a folder of its own, with another scale.
fn adapter(folder: &Path, name: &str, alpha: u32) -> PathBuf {
    let (original, copy) = (models().join("tiny-lora"), folder.join(name));
    fs::create_dir_all(&copy).unwrap();
    fs::copy(original.join("adapter_model.safetensors"), copy.join("adapter_model.safetensors")).unwrap();
    let mut config: Value = serde_json::from_slice(&fs::read(original.join("adapter_config.json")).unwrap()).unwrap();
    config["lora_alpha"] = json!(alpha);
    fs::write(copy.join("adapter_config.json"), config.to_string()).unwrap();
    copy
}

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_three_adapters() {
    let folder = tempfile::tempdir().unwrap();
    // The scale of the first is that of the merged model. One place fewer than there are adapters: they have to take turns.
    let adapters = [("first", 3), ("second", 6), ("third", 9)].map(|(name, alpha)| (name, adapter(folder.path(), name, alpha)));
    let arguments = json!({"max_loras": 2, "enable_prefix_caching": true});
    let engine = VllmEngine::start(settings("tiny-chat", &adapters, &arguments)).unwrap();
    assert_eq!(engine.model().adapters, ["first", "second", "third"]);
    folder.close().unwrap();

    for prompt in prompts() {
        eprintln!("answer {:?}", answer(&engine, asked(&engine, &prompt, Some("first"))).await);
    }
    keep_to_themselves(&engine).await;
    share_no_cache(&engine).await;
    prompts_have_probabilities_beside_adapters(&engine).await;
    // What takes an adapter away has to be in the process that has it.
    if !own_process() {
        come_back_from_no_file(&engine).await;
    }
    engine.shutdown();
    eprintln!("part done");
}

/// In one batch each gives the answer that it gives alone, and so does the model itself.
async fn keep_to_themselves(engine: &VllmEngine) {
    let prompt = &prompts()[1];
    let mut alone = Vec::new();
    for name in [None, Some("first"), Some("second"), Some("third")] {
        let tokens = answer(engine, asked(engine, prompt, name)).await;
        assert!(!alone.iter().any(|(_, other)| *other == tokens), "{name:?} answers as another one does");
        alone.push((name, tokens));
    }
    let together: Vec<_> = alone.iter().chain(alone.iter().rev()).collect();
    let streams: Vec<_> = together.iter().map(|(name, _)| engine.generate(asked(engine, prompt, *name)).unwrap()).collect();
    for ((name, expected), (tokens, _)) in
        together.iter().zip(futures_util::future::join_all(streams.into_iter().map(collect)).await)
    {
        assert_eq!(tokens, *expected, "{name:?}");
    }
}

/// What one computed for a prompt is nothing to another, even where both requests have the same salt.
async fn share_no_cache(engine: &VllmEngine) {
    let prompt = &prompts()[3];
    let cached = async |name| {
        let mut request = asked(engine, prompt, name);
        request.cache_salt = Some("the same".to_owned());
        let first = futures_util::StreamExt::next(&mut engine.generate(request).unwrap()).await;
        first.unwrap().unwrap().cached_prompt_tokens
    };
    for name in [None, Some("first"), Some("second")] {
        assert_eq!(cached(name).await, Some(0), "{name:?}");
    }
    for name in [None, Some("first"), Some("second")] {
        assert!(cached(name).await > Some(0), "{name:?}");
    }
}

/// With an adapter of the last layer in place, vLLM's step fails here.
async fn prompts_have_probabilities_beside_adapters(engine: &VllmEngine) {
    let prompt = &prompts()[0];
    let names = [None, Some("first"), Some("second")];
    let request = |name| GenerateRequest { logprobs: Logprobs { sampled: None, prompt: Some(0) }, ..asked(engine, prompt, name) };
    let streams: Vec<_> = names.map(|name| engine.generate(request(name)).unwrap()).into();
    for (name, (tokens, end)) in names.iter().zip(futures_util::future::join_all(streams.into_iter().map(collect)).await) {
        assert_eq!(end, Ok(FinishReason::Length), "{name:?}");
        assert_eq!(tokens, answer(engine, asked(engine, prompt, *name)).await, "{name:?}");
    }
}

/// Takes an adapter away, as vLLM's caches might, and has vLLM load it again from files that are there.
const DROPPED: &std::ffi::CStr = cr#"
import gc
from vllm.lora.request import LoRARequest
from vllm.lora.worker_manager import LRUCacheWorkerLoRAManager

# vLLM freezes what it has made by the end of its start, which hides it from the collector.
gc.unfreeze()
manager, = [found for found in gc.get_objects() if type(found) is LRUCacheWorkerLoRAManager]
assert manager.list_adapters() == {1, 2, 3}
manager.remove_adapter(1)
try:
    manager.add_adapter(LoRARequest("first", 1, path))
except RuntimeError as error:
    assert "never again" in str(error), error
else:
    raise AssertionError("an adapter was loaded after the start")
"#;

async fn come_back_from_no_file(engine: &VllmEngine) {
    Python::attach(|py| {
        let globals = pyo3::types::PyDict::new(py);
        pyo3::types::PyAnyMethods::set_item(&*globals, "path", models().join("tiny-lora")).unwrap();
        py.run(DROPPED, Some(&globals), None).unwrap();
    });
    let prompt = &prompts()[0];
    let base = answer(engine, asked(engine, prompt, None)).await;
    let [beside, lost, other] =
        [Some("second"), Some("first"), None].map(|name| engine.generate(asked(engine, prompt, name)).unwrap());
    let (tokens, end) = collect(lost).await;
    assert!(tokens.is_empty() && matches!(end, Ok(FinishReason::Error) | Err(EngineError::Failed)), "{end:?}");
    assert_eq!(collect(other).await.0, base);
    assert_eq!(collect(beside).await.1, Ok(FinishReason::Length));
    assert!(engine.is_alive());
}

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_embeddings_have_no_adapters() {
    let adapters = [("first", models().join("tiny-lora"))];
    let error = VllmEngine::start(settings("tiny-embedding", &adapters, &json!({"runner": "pooling"}))).unwrap_err().to_string();
    assert!(error.contains("adapters are served with a model that generates"), "{error}");
    eprintln!("part done");
}
