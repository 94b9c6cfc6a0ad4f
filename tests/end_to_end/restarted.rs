//! A gateway restarted with another binary, configuration or model: the shim that trusted the first refuses the next.

use std::path::Path;

use blindllama_tests::{
    gateway::{Machine, Setup, copy_folder},
    http, project,
    shim::Shim,
};
use serde_json::json;

use crate::world::run;

pub fn another_binary_config_or_model_is_refused() {
    let machine = Machine::boot();
    let honest = Setup::default_model();
    let policy = machine.provision(&honest);
    let mut gateway = machine.start_gateway(&honest);
    let shim = Shim::start(&machine.url(), &policy);
    assert_eq!(ask(&shim), (200, String::new()));
    assert!(gateway.terminate().success(), "SIGTERM is an orderly end:\n{}", gateway.output());

    let changed = [
        ("gateway_binary_not_allowed", other_binary(&machine, &honest)),
        ("config_not_allowed", other_config(&honest)),
        ("model_weights_not_allowed", other_model(&machine, &honest)),
        // Honest again, but this boot has seen others: what they left behind cannot be known.
        ("past_launch_not_allowed", honest),
    ];
    for (code, setup) in changed {
        let mut gateway = machine.start_gateway(&setup);
        assert_eq!(ask(&shim), (502, code.to_owned()), "{}", shim.process.output());
        gateway.terminate();
    }
}

/// Status and error code that a program behind the shim sees.
fn ask(shim: &Shim) -> (u16, String) {
    let chat = json!({"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2});
    let request = http::post("/v1/chat/completions", chat.to_string());
    let answer = run(async { http::send(shim.address, request).await.complete().await }).expect("an answer");
    (answer.status.as_u16(), answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

/// The same program with a few bytes behind its end: it runs the same, but it is another file.
fn other_binary(machine: &Machine, honest: &Setup) -> Setup {
    let program = machine.path("other-gateway");
    let mut bytes = std::fs::read(&honest.program).expect("the gateway's program");
    bytes.extend_from_slice(b"altered");
    std::fs::write(&program, bytes).expect("the altered program");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("an executable");
    Setup { program, ..honest.clone() }
}

fn other_config(honest: &Setup) -> Setup {
    let mut setup = honest.clone();
    setup.overrides.push(("BLINDLLAMA_ENGINE__VLLM__MAX_MODEL_LEN".to_owned(), "1024".to_owned()));
    setup
}

/// The same model with one bit of its weights flipped.
fn other_model(machine: &Machine, honest: &Setup) -> Setup {
    let model = machine.path("smollm2-135m-instruct");
    copy_folder(&project::default_model(), &model);
    flip_last_bit(&model.join("model.safetensors"));
    Setup { model, ..honest.clone() }
}

fn flip_last_bit(path: &Path) {
    let mut bytes = std::fs::read(path).expect("the weights");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(path, bytes).expect("the altered weights");
}
