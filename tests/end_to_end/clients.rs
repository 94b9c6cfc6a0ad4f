//! Programs that users have already: the examples, and what the authors of clients test them with.

use std::process::Command;

use blindllama_tests::project;

use crate::world::World;

/// The examples that a chat model can serve.
const CHAT_EXAMPLES: [&str; 12] = [
    "python/chat.py",
    "python/streaming.py",
    "python/tools.py",
    "python/structured.py",
    "python/completions.py",
    "python/responses.py",
    "python/langchain_chat.py",
    "node/chat.mjs",
    "node/streaming.mjs",
    "node/tools.mjs",
    "node/structured.mjs",
    "node/responses.mjs",
];
/// Those that an embedding model can serve.
const EMBEDDING_EXAMPLES: [&str; 2] = ["python/embeddings.py", "node/embeddings.mjs"];

/// Runs a client against the world's shim, to its end; gives all that it printed.
fn run(world: &World, client: &mut Command) -> String {
    client.env("BASE_URL", world.shim.base_url()).env("MODEL", world.model());
    let output = client.output().unwrap_or_else(|error| panic!("cannot start {client:?}: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{client:?}:\n{printed}");
    printed.into_owned()
}

fn python() -> Command {
    Command::new(project::state("sdk/bin/python"))
}

/// Through its links, Node finds the packages that `scripts/node.sh` installed beside them.
fn node(program: &str) -> Command {
    let mut node = Command::new("node");
    node.args(["--preserve-symlinks", "--preserve-symlinks-main"]).arg(project::state("node").join(program));
    node
}

fn example(path: &str) -> Command {
    if let Some(program) = path.strip_prefix("node/") {
        return node(&format!("examples/{program}"));
    }
    let mut python = python();
    python.arg(project::root().join("examples").join(path));
    python
}

pub fn chat_examples_run(world: &World) {
    examples_run(world, &CHAT_EXAMPLES);
}

pub fn embedding_examples_run(world: &World) {
    examples_run(world, &EMBEDDING_EXAMPLES);
}

fn examples_run(world: &World, paths: &[&str]) {
    for path in paths {
        assert!(!run(world, &mut example(path)).trim().is_empty(), "{path} printed nothing");
    }
}

pub fn openai_sdk_for_node(world: &World) {
    run(world, &mut node("tests/openai_chat.mjs"));
    run(world, &mut node("tests/openai_streams_and_tools.mjs"));
}

pub fn helpers_of_openais_sdk_for_python(world: &World) {
    let mut client = python();
    run(world, client.arg(project::root().join("tests/python/openai_streams_and_tools.py")));
}

pub fn langchains_standard_tests_pass(world: &World) {
    let mut pytest = python();
    pytest.current_dir(project::root().join("tests/python")).args(["-m", "pytest", "langchain_standard"]);
    let printed = run(world, &mut pytest);
    assert!(printed.contains(" passed"), "{printed}");
    for line in printed.lines().filter(|line| line.starts_with("SKIPPED") || line.contains(" passed")) {
        eprintln!("  LangChain's tests: {line}");
    }
}
