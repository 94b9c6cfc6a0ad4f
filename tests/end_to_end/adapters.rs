//! LoRA adapters: served by name through the shim, and part of what a policy allows.

use std::path::Path;

use blindllama_attest::policy::{PolicyDocument, Release};
use blindllama_tests::{
    gateway::{Machine, Setup, copy_folder},
    http::{self, Answer},
    project,
    shim::{self, Shim},
};
use serde_json::{Value, json};

use crate::{
    restarted::{explains, flip_last_bit, learn},
    world::run,
};

const MODEL: &str = "tiny-chat";
const ADAPTER: &str = "ft:tiny-chat:1";

pub fn they_are_served_by_name_and_measured() {
    let machine = Machine::boot();
    let folder = machine.path("adapter");
    copy_folder(&project::model("tiny-lora"), &folder);
    let honest = with_adapters(&[(ADAPTER, &folder)]);
    let mut gateway = machine.start_gateway(&honest);
    let policy = learn(&machine);
    let shim = Shim::start(&machine.url(), &policy);
    are_listed(&shim);
    answer_in_their_own_way(&shim);
    assert!(gateway.terminate().success(), "{}", gateway.output());

    one_more_is_another_release(&machine, &policy, &folder);

    flip_last_bit(&folder.join("adapter_model.safetensors"));
    let _gateway = machine.start_gateway(&honest);
    let refused = ask(&shim, ADAPTER, json!({}));
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]["code"]), (502, &json!("model_weights_not_allowed")));
    let (status, verdict) = shim::verify(&machine.url(), &policy);
    assert_eq!((status, &verdict["code"]), (Some(1), &json!("model_weights_not_allowed")), "{verdict}");
    let changed = format!("adapters/{ADAPTER}/adapter_model.safetensors");
    assert!(explains(&verdict, "changed", &changed), "{}", verdict["explanation"]);
}

fn with_adapters(adapters: &[(&str, &Path)]) -> Setup {
    let table = |(name, path): &(&str, &Path)| format!("{{name={name:?}, path={path:?}}}");
    let adapters = format!("[{}]", adapters.iter().map(table).collect::<Vec<_>>().join(", "));
    let mut setup = Setup::tiny_model(MODEL);
    setup.overrides.push(("BLINDLLAMA_MODEL__ADAPTERS".to_owned(), adapters));
    setup
}

fn ask(shim: &Shim, model: &str, more: Value) -> Answer {
    let mut chat = json!({"model": model, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 12});
    chat.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let request = http::post("/v1/chat/completions", chat.to_string());
    run(async { http::send(shim.address(), request).await.complete().await }).expect("an answer")
}

fn are_listed(shim: &Shim) {
    let models =
        run(async { http::send(shim.address(), http::get("/v1/models")).await.complete().await }).expect("an answer").json();
    let told =
        models["data"].as_array().expect("a list").iter().map(|model| json!([model["id"], model["root"], model["parent"]]));
    assert_eq!(told.collect::<Vec<_>>(), [json!([MODEL, MODEL, null]), json!([ADAPTER, MODEL, MODEL])], "{models}");
    let unknown = ask(shim, "ft:tiny-chat:2", json!({}));
    assert_eq!((unknown.status.as_u16(), &unknown.json()["error"]["code"]), (404, &json!("model_not_found")));
}

/// The same question to both, whole and streamed.
fn answer_in_their_own_way(shim: &Shim) {
    let texts = [MODEL, ADAPTER].map(|name| {
        let whole = ask(shim, name, json!({})).json();
        assert_eq!(whole["model"], name, "{whole}");
        let text = whole["choices"][0]["message"]["content"].as_str().expect("a text").to_owned();
        let streamed = ask(shim, name, json!({"stream": true}));
        let body = String::from_utf8(streamed.body.to_vec()).expect("text");
        let chunks = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        let chunks: Vec<Value> = chunks.map(|data| serde_json::from_str(data).expect("JSON")).collect();
        assert!(chunks.iter().all(|chunk| chunk["model"] == name), "{body}");
        let pieces = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
        assert_eq!(pieces.collect::<String>(), text);
        text
    });
    assert_ne!(texts[0], texts[1]);
}

/// Neither configuration nor weights are those that were learned.
fn one_more_is_another_release(machine: &Machine, learned: &Path, folder: &Path) {
    let release = |policy: &Path| {
        let text = std::fs::read_to_string(policy).expect("the policy");
        PolicyDocument::parse(&text).expect("a policy").release.first().map(Release::parts).expect("a release")
    };
    let provisioned = |adapters: &[(&str, &Path)]| release(&machine.provision(&with_adapters(adapters)));
    let (old, same) = (release(learned), provisioned(&[(ADAPTER, folder)]));
    assert_eq!((same.config, same.model_weights), (old.config, old.model_weights));
    let more = provisioned(&[(ADAPTER, folder), ("another", folder)]);
    assert_ne!(more.config, old.config);
    assert_ne!(more.model_weights, old.model_weights);
    assert_eq!((more.gateway_binary, more.engine_packages), (old.gateway_binary, old.engine_packages));
}
