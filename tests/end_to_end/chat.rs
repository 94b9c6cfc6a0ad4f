//! What a user sees: unmodified clients get right answers through a verified connection.

use std::{path::Path, process::Command};

use blindllama_tests::{http, project, shim};

use crate::world::{World, run};

fn python(script: &str, arguments: &[&str]) -> String {
    let output = Command::new(project::state("sdk/bin/python"))
        .arg(project::root().join("tests/python").join(script))
        .args(arguments)
        .output()
        .expect("the SDK's Python");
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

pub fn openai_sdk(world: &World) {
    assert!(python("openai_chat.py", &[&world.shim.base_url()]).contains("Paris"));
}

pub fn langchain(world: &World) {
    assert!(python("langchain_chat.py", &[&world.shim.base_url(), world.model()]).contains("Paris"));
}

/// What vLLM's own server answers, greedily and in float32 (`scripts/vllm_reference.py`): from the file that
/// `BLINDLLAMA_REFERENCE` names (`make differential`), or as committed. On a processor whose kernels round differently the
/// committed answers say nothing, so vLLM is asked anew.
fn reference() -> serde_json::Value {
    let read = |path: &Path| -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(path).expect("vLLM's answers")).expect("JSON")
    };
    if let Some(path) = std::env::var_os("BLINDLLAMA_REFERENCE") {
        return read(Path::new(&path));
    }
    let committed = read(&project::root().join("tests/data/vllm_reference.json"));
    let vllm_python = || Command::new(project::state("python/bin/python"));
    let question = "import torch; print(torch.backends.cpu.get_cpu_capability(), end='')";
    let capability = vllm_python().args(["-c", question]).output().expect("vLLM's Python");
    if committed["cpu_capability"].as_str().map(str::as_bytes) == Some(capability.stdout.as_slice()) {
        return committed;
    }
    eprintln!("the committed answers are of another kind of processor: asking vLLM's own server anew");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("reference.json");
    let script = project::root().join("scripts/vllm_reference.py");
    let status = vllm_python().arg(script).arg("--output").arg(&path).status().expect("vLLM's Python");
    assert!(status.success(), "scripts/vllm_reference.py failed");
    read(&path)
}

pub fn answers_equal_those_of_vllm(world: &World) {
    let recorded = reference();
    let requests = recorded["requests"].as_array().expect("a list");
    assert!(requests.len() >= 10, "only {} recorded answers", requests.len());
    for expected in requests {
        let request = serde_json::json!({
            "model": world.model(), "messages": expected["messages"], "max_tokens": expected["max_tokens"], "temperature": 0,
        });
        let answer = run(async {
            http::send(world.shim.address, http::post("/v1/chat/completions", request.to_string())).await.complete().await
        });
        let answer = answer.expect("an answer").json();
        let choice = &answer["choices"][0];
        let found = (
            &choice["message"]["content"],
            &choice["finish_reason"],
            &answer["usage"]["completion_tokens"],
            &answer["usage"]["prompt_tokens"],
        );
        let wanted = (&expected["text"], &expected["finish_reason"], &expected["completion_tokens"], &expected["prompt_tokens"]);
        assert_eq!(found, wanted, "to {}", expected["messages"]);
    }
}

pub fn every_answer_names_its_binding(world: &World) {
    let (_, verdict) = shim::verify(&world.machine.url(), &world.policy);
    let binding = format!("sha256:{}", verdict["binding_digest"].as_str().expect("a binding digest"));
    let model = format!("sha256:{}", verdict["binding"]["model_sha256"].as_str().expect("a model digest"));
    let chat = world.chat("Hi", serde_json::json!({"max_tokens": 2}));
    for request in [http::get("/v1/models"), http::get("/v1/nothing"), http::post("/v1/chat/completions", chat)] {
        let path = request.uri().clone();
        let answer = run(async { http::send(world.shim.address, request).await.complete().await }).expect("an answer");
        assert_eq!(answer.headers["x-blindllama-binding"], binding.as_str(), "{path}");
        assert_eq!(answer.headers["x-blindllama-model"], model.as_str(), "{path}");
        assert!(answer.headers.contains_key("x-request-id"), "{path}");
    }
}

pub fn verify_prints_every_check_and_weakening(world: &World) {
    let (status, verdict) = shim::verify(&world.machine.url(), &world.policy);
    assert_eq!(status, Some(0), "{verdict}");
    assert_eq!(verdict["verified"], true);
    let checks: Vec<u64> =
        verdict["checks"].as_array().expect("checks").iter().filter_map(|check| check["number"].as_u64()).collect();
    assert_eq!(checks, (1..=16).collect::<Vec<u64>>(), "{verdict}");
    let weakened = verdict["weakened"].to_string();
    for text in [weakened, world.shim.process.output()] {
        assert!(text.contains("allow_software_tpm") && text.contains("allow_self_reported"), "{text}");
    }
}

/// Runs last: the conversations of all the tests before it have gone through both programs by then.
pub fn nothing_of_a_conversation_is_logged(world: &World) {
    let canary = "canary-Ohm4aiPh";
    let chat = world.chat(&format!("Repeat this word: {canary}"), serde_json::json!({"max_tokens": 16, "temperature": 0}));
    let answer = run(async { http::send(world.shim.address, http::post("/v1/chat/completions", chat)).await.complete().await });
    assert!(answer.expect("an answer").status.is_success());
    let broken = format!(r#"{{"model": "{canary}", "messages": [{{"role": "{canary}", "content": "{canary}"}}]}}"#);
    let answer = run(async { http::send(world.shim.address, http::post("/v1/chat/completions", broken)).await.complete().await });
    assert!(answer.expect("an answer").status.is_client_error());
    for (name, output) in [("gateway", world.gateway.output()), ("shim", world.shim.process.output())] {
        assert!(!output.is_empty(), "the {name} logs nothing at all");
        for text in [canary, "capital of France", "Paris"] {
            assert!(!output.contains(text), "the {name}'s log contains {text:?}:\n{output}");
        }
    }
}
