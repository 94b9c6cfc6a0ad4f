//! Engines in processes of their own: they answer through a gateway that a shim trusts, and none outlives it.

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
    shim::Shim,
};
use serde_json::{Value, json};

use crate::{restarted::learn, world::run};

const MODEL: &str = "tiny-chat";
/// For whatever follows when a process is killed.
const LIMIT: Duration = Duration::from_secs(30);

pub fn answers_and_ends_with_the_gateway() {
    let machine = Machine::boot();
    let mut setup = Setup::tiny_model(MODEL);
    setup.overrides.push(("BLINDLLAMA_ENGINE__OWN_PROCESS".to_owned(), "true".to_owned()));
    setup.overrides.push(("BLINDLLAMA_ENGINE__VLLM__DATA_PARALLEL_SIZE".to_owned(), "2".to_owned()));
    let gateway = machine.start_gateway(&setup);
    let engines = engine_processes(&gateway);
    // Two, and what balances them.
    assert_eq!(engines.len(), 3);
    // Ctrl-C in the gateway's terminal goes to none of them.
    assert!(engines.iter().all(|process| process_group(process) == *process));

    let shim = Shim::start(&machine.url(), &learn(&machine));
    // Whichever of the two is asked.
    let answers = [ask(&shim), ask(&shim), ask(&shim)];
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");

    kill(&gateway.id().to_string());
    wait_until_gone(&engines);
}

fn ask(shim: &Shim) -> Value {
    let chat = json!({"model": MODEL, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 12});
    let request = http::post("/v1/chat/completions", chat.to_string());
    let answer = run(async { http::send(shim.address(), request).await.complete().await });
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.json());
    answer.json()["choices"].clone()
}

/// The numbers of the gateway's children that run something of vLLM, which gives them titles: all but the one that cleans up.
fn engine_processes(gateway: &Process) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", gateway.id())).expect("a running gateway");
    let children = tasks.flat_map(|task| {
        let children = fs::read_to_string(task.expect("a task").path().join("children")).unwrap_or_default();
        children.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    });
    let is_engine = |process: &String| {
        fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|command| !command.contains("resource_tracker"))
    };
    children.filter(is_engine).collect()
}

/// `proc_pid_stat(5)`: the third field after the name, which is in brackets.
fn process_group(process: &str) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a running process");
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    after_name.split(' ').nth(2).unwrap_or_default().to_owned()
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
