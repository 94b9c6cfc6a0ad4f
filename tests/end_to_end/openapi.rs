//! The OpenAPI document, against the gateway that serves it.

use std::{collections::BTreeSet, env, process::Command};

use blindllama_tests::{http, project};

use crate::world::{World, run};

/// Requests for each operation and phase: what fits into a minute on two cores. `make schemathesis` has time for more.
const EXAMPLES: &str = "40";

pub fn the_document_is_valid(world: &World) {
    let answer = run(async { http::send_tls(world.machine.address(), http::get("/openapi.json")).await.complete().await });
    let path = world.machine.path("openapi.json");
    std::fs::write(&path, answer.expect("an answer").body).expect("a copy of the document");
    let mut validator = Command::new(project::state("sdk/bin/openapi-spec-validator"));
    passes(validator.args(["--schema", "3.1"]).arg(path));
}

/// Answers to generated requests, good and bad, are as documented, and what the document forbids is refused.
pub fn every_answer_is_as_documented(world: &World) {
    let answered = schemathesis(world, &["--exclude-path", "/v1/embeddings"]);
    for route in ["/v1/chat/completions", "/v1/completions", "/v1/responses", "/tokenize", "/detokenize"] {
        assert!(answered.contains(&format!("200 POST {route}")), "no request to {route} was good");
    }
}

/// The same where an embedding model is served.
pub fn embeddings_are_as_documented(world: &World) {
    let answered = schemathesis(world, &["--include-path", "/v1/embeddings"]);
    assert!(answered.contains("200 POST /v1/embeddings"), "no request for embeddings was good");
}

/// Asks the gateway itself, without verifying it: the shim does not forward all paths. Gives the status of each answer, and what
/// it was an answer to.
fn schemathesis(world: &World, operations: &[&str]) -> BTreeSet<String> {
    let tests = project::root().join("tests/python");
    let mut schemathesis = Command::new(project::state("sdk/bin/schemathesis"));
    schemathesis.arg("--config-file").arg(tests.join("schemathesis.toml")).arg("run").args(operations);
    schemathesis.args(["--seed", &env::var("SCHEMATHESIS_SEED").unwrap_or_else(|_| "1".to_owned())]);
    match env::var("SCHEMATHESIS_SECONDS") {
        Ok(seconds) => schemathesis.args(["--max-time", &seconds]),
        Err(_) => schemathesis.args(["--max-examples", EXAMPLES]),
    };
    schemathesis.arg(format!("{}/openapi.json", world.machine.url()));
    // A folder of its own: traces of earlier runs would make this one another.
    schemathesis.current_dir(world.machine.path("")).env("MODEL", world.model()).env("PYTHONPATH", tests);
    passes(&mut schemathesis);
    let answers = std::fs::read_to_string(world.machine.path("answers.txt")).expect("what the hooks left");
    answers.lines().map(str::to_owned).collect()
}

fn passes(program: &mut Command) {
    let output = program.output().unwrap_or_else(|error| panic!("cannot start {program:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}:\n{printed}");
}
