//! What a user sees: unmodified clients get right answers through a verified connection.

use std::process::Command;

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

pub fn every_answer_names_its_binding(world: &World) {
    let (_, verdict) = shim::verify(&world.machine.url(), &world.policy);
    let binding = format!("sha256:{}", verdict["binding_digest"].as_str().expect("a binding digest"));
    let model = format!("sha256:{}", verdict["binding"]["model_sha256"].as_str().expect("a model digest"));
    let chat = world.chat("Hi", serde_json::json!({"max_tokens": 2}));
    for request in [http::get("/v1/models"), http::get("/v1/nothing"), http::post("/v1/chat/completions", chat)] {
        let path = request.uri().clone();
        let answer = run(async { http::send(world.shim.address(), request).await.complete().await }).expect("an answer");
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
    let answer = run(async { http::send(world.shim.address(), http::post("/v1/chat/completions", chat)).await.complete().await });
    assert!(answer.expect("an answer").status.is_success());
    let broken = format!(r#"{{"model": "{canary}", "messages": [{{"role": "{canary}", "content": "{canary}"}}]}}"#);
    let answer =
        run(async { http::send(world.shim.address(), http::post("/v1/chat/completions", broken)).await.complete().await });
    assert!(answer.expect("an answer").status.is_client_error());
    for (name, output) in [("gateway", world.gateway.output()), ("shim", world.shim.process.output())] {
        assert!(!output.is_empty(), "the {name} logs nothing at all");
        for text in [canary, "capital of France", "Paris"] {
            assert!(!output.contains(text), "the {name}'s log contains {text:?}:\n{output}");
        }
    }
}
