//! The engine in a process of its own: the same answers, an orderly end when it is killed, and none that outlives the gateway.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use blindllama_tests::{
    gateway::{Machine, Setup},
    http,
    process::Process,
    shim::{self, Shim},
};
use serde_json::{Value, json};

use crate::{restarted::learn, world::run};

const MODEL: &str = "tiny-chat";
/// For whatever follows when a process is killed.
const LIMIT: Duration = Duration::from_secs(30);

pub fn answers_and_ends_with_the_gateway() {
    let machine = Machine::boot();
    let [here, apart] = [false, true].map(|own_process| {
        let mut setup = Setup::tiny_model(MODEL);
        setup.overrides.push(("BLINDLLAMA_ENGINE__OWN_PROCESS".to_owned(), own_process.to_string()));
        setup
    });
    let mut gateway = machine.start_gateway(&here);
    let expected = ask(&Shim::start(&machine.url(), &learn(&machine)));
    assert!(engine_processes(&gateway).is_empty());
    assert!(gateway.terminate().success(), "{}", gateway.output());

    let mut gateway = machine.start_gateway(&apart);
    // The configuration is another one.
    let policy = machine.path("learned.toml");
    assert_eq!(shim::verify(&machine.url(), &policy).1["code"], "config_not_allowed");
    fs::remove_dir_all(policy.with_added_extension("reference")).expect("what the policy was made from");
    fs::remove_file(policy).expect("the policy");
    let shim = Shim::start(&machine.url(), &learn(&machine));
    assert_eq!(ask(&shim), expected);
    ends_answers_where_the_engine_is_killed(&shim, &mut gateway);

    let gateway = machine.start_gateway(&apart);
    let engines = engine_processes(&gateway);
    assert_eq!(engines.len(), 1);
    kill(&gateway.id().to_string());
    wait_until_gone(&engines);
}

fn request(more: Value) -> String {
    let mut chat = json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 12});
    chat.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    chat.to_string()
}

fn ask(shim: &Shim) -> Value {
    let answer =
        run(async { http::send(shim.address, http::post("/v1/chat/completions", request(json!({})))).await.complete().await });
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["choices"].clone()
}

/// The stream ends with an error, as one of an engine that fails in the gateway's process does, and the gateway says why.
fn ends_answers_where_the_engine_is_killed(shim: &Shim, gateway: &mut Process) {
    let endless = request(json!({"stream": true, "max_tokens": 1900, "ignore_eos": true}));
    let rest = run(async {
        let mut arriving = http::send(shim.address, http::post("/v1/chat/completions", endless)).await;
        let first = arriving.chunk().await.expect("a first chunk").expect("an unbroken stream");
        assert!(first.starts_with(b"data: "), "{first:?}");
        let engines = engine_processes(gateway);
        assert_eq!(engines.len(), 1);
        engines.iter().for_each(|engine| kill(engine));
        let mut rest = Vec::new();
        while let Some(chunk) = arriving.chunk().await {
            rest.extend_from_slice(&chunk.expect("an unbroken stream"));
        }
        String::from_utf8(rest).expect("text")
    });
    let last = rest.lines().rfind(|line| line.starts_with("data: ")).unwrap_or_default();
    assert!(last.contains(r#""code":"engine_stopped""#), "{last}");
    assert!(!gateway.wait(LIMIT).success());
    assert!(gateway.output().contains("the engine has died"), "{}", gateway.output());
}

/// The numbers of the gateway's children that have vLLM's libraries loaded.
fn engine_processes(gateway: &Process) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", gateway.id())).expect("a running gateway");
    let children = tasks.flat_map(|task| {
        let children = fs::read_to_string(task.expect("a task").path().join("children")).unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    });
    let loaded =
        |process: &String| fs::read_to_string(format!("/proc/{process}/maps")).is_ok_and(|maps| maps.contains("libtorch"));
    children.filter(loaded).collect()
}

fn kill(process: &str) {
    assert!(Command::new("kill").args(["-KILL", process]).status().expect("kill").success());
}

fn wait_until_gone(processes: &[String]) {
    let started = Instant::now();
    while processes.iter().any(|process| Path::new("/proc").join(process).exists()) {
        assert!(started.elapsed() < LIMIT, "{processes:?} outlive the gateway");
        std::thread::sleep(Duration::from_millis(20));
    }
}
