//! Bad input: the right status, an OpenAI-shaped body that says what was wrong, and a server that goes on.

use blindllama_tests::http;
use serde_json::json;

use crate::world::{World, run};

pub fn each_gets_its_error_and_the_server_goes_on(world: &World) {
    let model = world.model();
    let user = |content: &str| json!([{"role": "user", "content": content}]);
    let cases = [
        ("malformed JSON", r#"{"model": "#.to_owned(), 400, "JSON"),
        ("not an object", "[]".to_owned(), 400, ""),
        ("a wrong type", json!({"model": model, "messages": user("Hi"), "temperature": "hot"}).to_string(), 400, "temperature"),
        ("a wrong value", json!({"model": model, "messages": user("Hi"), "temperature": 3}).to_string(), 400, "temperature"),
        ("an unknown role", json!({"model": model, "messages": [{"role": "wizard", "content": "Hi"}]}).to_string(), 400, "role"),
        ("an unknown model", json!({"model": "gpt-9", "messages": user("Hi")}).to_string(), 404, "gpt-9"),
        ("no messages", json!({"model": model, "messages": []}).to_string(), 400, "messages"),
        (
            "an unknown parameter",
            json!({"model": model, "messages": user("Hi"), "guided_json": {}}).to_string(),
            400,
            "guided_json",
        ),
        (
            "a prompt beyond the context",
            json!({"model": model, "messages": user(&"word ".repeat(20_000))}).to_string(),
            400,
            "context",
        ),
        ("50 MB", json!({"model": model, "messages": user(&"x".repeat(50 << 20))}).to_string(), 413, ""),
    ];
    for (name, body, status, named) in cases {
        let (found, error) = ask(world, body);
        assert_eq!(found, status, "{name}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(named)), "{name}: {error}");
        for key in ["type", "param", "code"] {
            assert!(error.get(key).is_some(), "{name}: no {key:?} in {error}");
        }
        let (found, error) = ask(world, world.chat("Hi", json!({"max_tokens": 1})));
        assert_eq!(found, 200, "after {name}: {error}");
    }
}

/// Where it words what is wrong, the compiler of schemas cuts this format in the middle of a character, and panics: one of the two
/// offsets is such a place. The panic is printed by a runtime that knows nothing of ours.
pub fn what_native_code_prints_stays_inside(world: &World) {
    let canary = "canary-aeXoh3ei";
    let statuses = [0, 1].map(|offset| {
        let format = format!("{}{canary}{}", "a".repeat(offset), "\u{e9}".repeat(80));
        let schema = json!({"type": "string", "format": [format]});
        let more = json!({"max_tokens": 4, "structured_outputs": {"json": schema}});
        ask(world, world.chat("Hi", more)).0
    });
    assert!(statuses == [400, 500] || statuses == [500, 400], "{statuses:?}");
    let (status, _) = ask(world, world.chat("Hi", json!({"max_tokens": 1})));
    assert_eq!(status, 200);
    let output = world.gateway.output();
    assert!(!output.contains(canary) && !output.contains("panicked at"), "{output}");
}

fn ask(world: &World, body: String) -> (u16, serde_json::Value) {
    let request = http::post("/v1/chat/completions", body);
    let answer = run(async { http::send(world.shim.address(), request).await.complete().await }).expect("an answer");
    (answer.status.as_u16(), answer.json()["error"].clone())
}
