//! Real vLLM with the default model. Each test runs its part in a process of its own, since a process can start Python only
//! once, and since what vLLM prints is examined from outside.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "the exemption for tests does not reach the functions that the tests share"
)]

#[path = "real_vllm/adapters.rs"]
mod adapters;
#[path = "real_vllm/bfloat16.rs"]
mod bfloat16;
#[path = "real_vllm/own_process.rs"]
mod own_process;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use blindllama_engine::{
    Constraint, EmbedRequest, Embedding, EmbeddingModel, Engine as _, EngineError, FinishReason, GenerateRequest, Logprobs,
    ModelTask, Sampling, Shortening, TokenStream,
};
use blindllama_engine_vllm::{Device, Exit, PythonEnvironment, VllmEngine, VllmSettings, run_helper};
use futures_util::StreamExt as _;
use pyo3::{Python, types::PyAnyMethods as _};
use serde_json::json;

const CANARY: &str = "canary-0815-of-a-prompt";

/// "What is the capital of France?" in the model's chat template.
const QUESTION: &[u32] = &[
    1, 9690, 198, 2683, 359, 253, 5356, 5646, 11173, 3365, 3511, 308, 34519, 28, 7018, 411, 407, 19712, 8182, 2, 198, 1, 4093,
    198, 1780, 314, 260, 3575, 282, 4649, 47, 2, 198, 1, 520, 9531, 198,
];
/// "The capital of France is Paris." and the end of the turn.
const ANSWER: &[u32] = &[504, 3575, 282, 4649, 314, 7042, 30, 2];

const EMBEDDING_MODEL: &str = "tiny-embedding";

/// A sentence often enough for the model to repeat it for ever.
fn endless() -> GenerateRequest {
    greedy(&ANSWER[..7].repeat(10), 1900)
}

/// Fails every step from now on, printing the canary in several ways.
const SABOTAGE: &std::ffi::CStr = cr#"
import logging, sys, warnings
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.executor.uniproc_executor import UniProcExecutor

def sabotaged(*_, **__):
    logging.getLogger("vllm.sabotage").error("text %s", canary)
    warnings.warn(canary)
    print(canary, file=sys.stderr)
    raise RuntimeError(canary)

Scheduler.update_from_output = sabotaged
UniProcExecutor.sample_tokens = sabotaged
"#;

#[test]
fn answers_aborts_refuses_and_dies_cleanly() {
    let printed = run_apart("part_answers_aborts_refuses_and_dies");
    for expected in ["the engine has failed", "RuntimeError at", "vllm.sabotage", "part done"] {
        assert!(printed.contains(expected), "`{expected}` is missing in: {printed}");
    }
    assert!(!printed.contains(CANARY), "{printed}");
}

#[test]
fn shuts_down_while_it_generates() {
    let printed = run_apart("part_shuts_down_while_it_generates");
    assert!(printed.contains("part done"), "{printed}");
    assert!(!printed.contains("did not shut down"), "{printed}");
}

#[test]
fn constraints_hold_nobody_up() {
    let printed = run_apart("part_constraints_hold_nobody_up");
    assert!(printed.contains("part done"), "{printed}");
    assert!(!printed.contains(CANARY), "{printed}");
    for line in printed.lines().filter(|line| line.contains("largest gap")) {
        eprintln!("{line}");
    }
}

#[test]
fn embeds() {
    let model = models().join(EMBEDDING_MODEL);
    assert!(model.join("config.json").is_file(), "there is no model at {}: run `scripts/model.sh tiny`", model.display());
    let printed = run_apart("part_embeds");
    assert!(printed.contains("part done"), "{printed}");
}

/// Runs an ignored test of this binary in another process; gives all that it printed.
fn run_apart(part: &str) -> String {
    run_with(part, &[])
}

/// The same with the engine in processes of its own.
fn run_with_own_process(part: &str) -> String {
    run_with(part, &[(OWN_PROCESS, "yes")])
}

/// Set where the engine is to have processes of its own.
const OWN_PROCESS: &str = "BLINDLLAMA_TEST_OWN_PROCESS";

fn own_process() -> bool {
    std::env::var_os(OWN_PROCESS).is_some()
}

/// The arguments with which this binary is such a process, on its main thread, which takes signals.
fn helper() -> Vec<String> {
    ["--exact", "part_engine_process", "--ignored", "--nocapture", "--test-threads=1", "--"].map(str::to_owned).into()
}

#[test]
#[ignore = "what the engine's own processes run, which Python starts"]
fn part_engine_process() {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let program = std::env::args().skip_while(|argument| argument != "-c").nth(1).unwrap();
    let python = PythonEnvironment::find(Path::new(env!("PYO3_PYTHON"))).unwrap();
    let status = run_helper(&python, program.parse().unwrap(), &helper()).unwrap();
    // Python would wait for no thread of its own either.
    std::process::exit(status.into());
}

/// Several times what the longest takes on a slow machine.
const PART_LIMIT: Duration = Duration::from_secs(600);

fn run_with(part: &str, environment: &[(&str, &str)]) -> String {
    let model = model();
    assert!(model.join("config.json").is_file(), "there is no model at {}: run `make setup`", model.display());
    // Side by side they would wait for each other's cores, and one of them measures time.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", part, "--ignored", "--nocapture"]).env_remove("OMP_NUM_THREADS").envs(environment.iter().copied());
    let part_process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (ended, seen) = mpsc::channel::<()>();
    let number = part_process.id().to_string();
    // What hangs is ended, so that what it has printed is seen.
    let watch = thread::spawn(move || {
        let late = seen.recv_timeout(PART_LIMIT) == Err(RecvTimeoutError::Timeout);
        late && Command::new("kill").args(["-KILL", &number]).status().unwrap().success()
    });
    let output = part_process.wait_with_output().unwrap();
    drop(ended);
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!watch.join().unwrap(), "{part} did not end within {PART_LIMIT:?}: {printed}");
    assert!(output.status.success(), "{part}: {printed}");
    printed.into_owned()
}

fn model() -> PathBuf {
    std::env::var_os("BLINDLLAMA_TEST_MODEL").map_or_else(|| models().join("smollm2-135m-instruct"), PathBuf::from)
}

fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.state/models")
}

fn start() -> VllmEngine {
    start_with(model())
}

fn start_with(model: PathBuf) -> VllmEngine {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(std::io::stderr).init();
    let mut engine_args = json!({"dtype": "float32", "max_model_len": 2048, "kv_cache_memory_bytes": 256 << 20});
    if model.ends_with(EMBEDDING_MODEL) {
        engine_args["runner"] = json!("pooling");
        if own_process() {
            engine_args["distributed_executor_backend"] = json!("mp");
        }
    }
    VllmEngine::start(VllmSettings {
        python: PythonEnvironment::find(Path::new(env!("PYO3_PYTHON"))).unwrap(),
        model,
        adapters: Vec::new(),
        engine_args: engine_args.as_object().unwrap().clone(),
        queue: 16,
        own_process: own_process(),
        helper: helper(),
        device: Device::Cpu,
    })
    .unwrap()
}

fn greedy(prompt: &[u32], max_tokens: usize) -> GenerateRequest {
    GenerateRequest {
        sampling: Sampling { temperature: 0.0, ..Sampling::default() },
        ..GenerateRequest::new(prompt.to_vec(), max_tokens)
    }
}

/// All tokens, and how the stream ended.
async fn collect(mut stream: TokenStream) -> (Vec<u32>, Result<FinishReason, EngineError>) {
    let mut tokens = Vec::new();
    while let Some(output) = stream.next().await {
        match output {
            Ok(output) => {
                tokens.extend(output.token_ids);
                if let Some(finished) = output.finished {
                    return (tokens, Ok(finished.reason));
                }
            }
            Err(error) => return (tokens, Err(error)),
        }
    }
    panic!("the stream ended without a last word");
}

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_answers_aborts_refuses_and_dies() {
    let engine = start();
    assert_eq!((engine.model().max_model_len, engine.model().vocab_size), (2048, 49152));
    assert_eq!(engine.model().task, ModelTask::Generate);
    assert_eq!((engine.model().dtype.as_str(), engine.model().engine.as_str()), ("float32", "vllm 0.32.0"));

    answers(&engine).await;
    obeys(&engine).await;
    reports_logprobs(&engine).await;
    constrains(&engine).await;
    survives_a_panic(&engine).await;
    aborts(&engine).await;
    refuses(&engine).await;
    dies(&engine).await;
    eprintln!("part done");
}

async fn answers(engine: &VllmEngine) {
    let whole = collect(engine.generate(greedy(QUESTION, 32)).unwrap()).await;
    assert_eq!(whole, (ANSWER.to_vec(), Ok(FinishReason::Stop)));
    let cut = collect(engine.generate(greedy(QUESTION, 3)).unwrap()).await;
    assert_eq!(cut, (ANSWER[..3].to_vec(), Ok(FinishReason::Length)));
    // A seed makes sampling repeatable.
    let mut sampled = greedy(QUESTION, 8);
    sampled.sampling = Sampling { seed: Some(7), ..Sampling::default() };
    let [first, second] = [engine.generate(sampled.clone()).unwrap(), engine.generate(sampled).unwrap()];
    assert_eq!(collect(first).await, collect(second).await);
    // With a shared prefix cache the second would report 128: the first's whole blocks, which could be another client's.
    let long = QUESTION.repeat(5);
    for _ in 0..2 {
        let first = engine.generate(greedy(&long, 1)).unwrap().next().await.unwrap().unwrap();
        assert_eq!(first.cached_prompt_tokens, Some(0));
    }
}

/// What a request says of single tokens is done by vLLM itself.
async fn obeys(engine: &VllmEngine) {
    let request = || greedy(QUESTION, 3);
    let sampling = |change: fn(&mut Sampling)| {
        let mut request = request();
        change(&mut request.sampling);
        request
    };
    for only_dots in
        [sampling(|sampling| sampling.allowed_token_ids = vec![30]), sampling(|sampling| sampling.logit_bias = vec![(30, 100.0)])]
    {
        assert_eq!(collect(engine.generate(only_dots).unwrap()).await, (vec![30; 3], Ok(FinishReason::Length)));
    }
    let (tokens, _) = collect(engine.generate(sampling(|sampling| sampling.bad_words = vec!["The".to_owned()])).unwrap()).await;
    assert_ne!(tokens[0], ANSWER[0]);

    let mut stopped = greedy(QUESTION, 32);
    stopped.stopping.stop_token_ids = vec![ANSWER[2]];
    let outputs: Vec<_> = engine.generate(stopped.clone()).unwrap().map(Result::unwrap).collect().await;
    let last = outputs.last().unwrap().finished.as_ref().unwrap();
    assert_eq!((outputs.len(), last.reason, last.stop_token), (3, FinishReason::Stop, Some(ANSWER[2])));
    stopped.stopping.min_tokens = 9;
    assert!(collect(engine.generate(stopped).unwrap()).await.0.len() >= 9);

    let mut endless = greedy(QUESTION, 12);
    endless.stopping.ignore_eos = true;
    let (tokens, end) = collect(engine.generate(endless).unwrap()).await;
    assert_eq!((&tokens[..8], tokens.len(), end), (ANSWER, 12, Ok(FinishReason::Length)));
}

async fn reports_logprobs(engine: &VllmEngine) {
    let mut request = greedy(QUESTION, 2);
    request.logprobs = Logprobs { sampled: Some(2), prompt: Some(1) };
    // Beside a request that wants more: rows of one step can be as wide as the widest.
    let mut other = greedy(QUESTION, 2);
    other.logprobs.sampled = Some(5);
    let (stream, other) = (engine.generate(request).unwrap(), engine.generate(other).unwrap());
    let outputs: Vec<_> = stream.map(Result::unwrap).collect().await;
    drop(other);
    for output in &outputs {
        for (token, row) in output.token_ids.iter().zip(output.logprobs.as_ref().unwrap()) {
            assert!(row.len() >= 3);
            assert_eq!((row[0].token_id, row[0].rank), (*token, 1));
            assert!(row[0].logprob <= 0.0 && row[1].logprob >= row[2].logprob && row[2].rank == 2);
        }
    }
    let prompt: Vec<_> = outputs.iter().filter_map(|output| output.prompt_logprobs.as_ref()).collect();
    assert_eq!(prompt.len(), 1);
    assert_eq!(prompt[0].iter().map(|row| row[0].token_id).collect::<Vec<_>>(), QUESTION[1..]);
}

async fn constrains(engine: &VllmEngine) {
    let constrained = |constraint| GenerateRequest { constraint: Some(constraint), ..greedy(QUESTION, 32) };
    let schema = r#"{"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"], "additionalProperties": false}"#;
    for constraint in [
        Constraint::Choice(vec!["red".to_owned(), "green".to_owned()]),
        Constraint::Regex("[0-9]{3}".to_owned()),
        Constraint::Json(schema.to_owned()),
        Constraint::Grammar("root ::= \"x\" | \"y\"".to_owned()),
    ] {
        let (tokens, end) = collect(engine.generate(constrained(constraint)).unwrap()).await;
        assert_eq!(end, Ok(FinishReason::Stop));
        assert_ne!(tokens, ANSWER);
    }
    for constraint in [Constraint::Json("{".to_owned()), Constraint::Regex("(".to_owned()), Constraint::Grammar("?".to_owned())] {
        let refused = collect(engine.generate(constrained(constraint)).unwrap()).await;
        assert!(matches!(refused, (_, Err(EngineError::Rejected(_)))), "{refused:?}");
    }
}

/// Where it words what is wrong, llguidance cuts this in the middle of a character, and panics.
async fn survives_a_panic(engine: &VllmEngine) {
    for offset in 0..2 {
        let schema = json!({"type": "string", "format": [format!("{}{}", "a".repeat(offset), "\u{e9}".repeat(80))]}).to_string();
        let constrained = GenerateRequest { constraint: Some(Constraint::Json(schema)), ..greedy(QUESTION, 8) };
        let (tokens, end) = collect(engine.generate(constrained).unwrap()).await;
        assert!(tokens.is_empty() && !matches!(end, Ok(FinishReason::Stop)), "{end:?}");
    }
    assert!(engine.is_alive());
}

async fn aborts(engine: &VllmEngine) {
    let mut dropped = engine.generate(endless()).unwrap();
    let also_dropped = engine.generate(endless()).unwrap();
    dropped.next().await.unwrap().unwrap();
    assert_eq!(engine.active_requests(), 2);
    drop((dropped, also_dropped));
    // Closed streams are looked for before each step, so a later request cannot end before they are aborted.
    collect(engine.generate(greedy(QUESTION, 32)).unwrap()).await.1.unwrap();
    assert_eq!(engine.active_requests(), 0);
}

async fn refuses(engine: &VllmEngine) {
    let too_long = vec![1; 3000];
    for (prompt, mention) in [(too_long.as_slice(), "2048"), (&[1, 60_000], "vocab"), (&[], "prompt")] {
        let (tokens, end) = collect(engine.generate(greedy(prompt, 8)).unwrap()).await;
        assert!(tokens.is_empty());
        assert!(matches!(&end, Err(EngineError::Rejected(text)) if text.contains(mention)), "{end:?}");
    }
    let embedding = engine.embed(embed(QUESTION, None)).unwrap().await;
    assert!(matches!(&embedding, Err(EngineError::Rejected(text)) if text.contains("pooling")), "{embedding:?}");
    assert!(engine.is_alive());
    let whole = collect(engine.generate(greedy(QUESTION, 32)).unwrap()).await;
    assert_eq!(whole.0, ANSWER);
}

async fn dies(engine: &VllmEngine) {
    let mut first = engine.generate(endless()).unwrap();
    first.next().await.unwrap().unwrap();
    if own_process() {
        own_process::kill_engine_cores();
    } else {
        Python::attach(|py| {
            let globals = pyo3::types::PyDict::new(py);
            globals.set_item("canary", CANARY).unwrap();
            py.run(SABOTAGE, Some(&globals), None).unwrap();
        });
    }
    let second = engine.generate(endless());
    assert_eq!(engine.stopped().await, Exit::Died);
    assert!(!engine.is_alive());
    assert_eq!(collect(first).await.1, Err(EngineError::Stopped));
    // The second may have come before or after the failure.
    match second {
        Ok(stream) => assert_eq!(collect(stream).await.1, Err(EngineError::Stopped)),
        Err(error) => assert_eq!(error, EngineError::Stopped),
    }
    assert_eq!(engine.generate(greedy(QUESTION, 1)).unwrap_err(), EngineError::Stopped);
    assert_eq!(engine.active_requests(), 0);
}

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_shuts_down_while_it_generates() {
    let engine = start();
    let mut stream = engine.generate(endless()).unwrap();
    stream.next().await.unwrap().unwrap();
    engine.shutdown();
    assert_eq!(engine.stopped().await, Exit::ShutDown);
    assert!(!engine.is_alive());
    assert_eq!(collect(stream).await.1, Err(EngineError::Stopped));
    assert_eq!(engine.active_requests(), 0);
    eprintln!("part done");
}

/// What each of these costs is bounded by the backend alone, since no limit of the gateway stands before it here. With vLLM's
/// own choice of a backend, the ambiguous ones hold a step up for longer than a minute.
fn hostile() -> Vec<Constraint> {
    let properties: serde_json::Map<_, _> = (0..500).map(|index| (format!("p{index}"), json!({"type": "string"}))).collect();
    let mut constraints = vec![
        Constraint::Regex("(([a-z]+)+([a-z0-9]+)+)+X".to_owned()),
        Constraint::Regex("((.*)*(.+)*)*x".to_owned()),
        Constraint::Regex(".?".repeat(200)),
        Constraint::Regex("(([a-z]{1,30}){1,30})".to_owned()),
        Constraint::Regex(".{0,1000}".to_owned()),
        Constraint::Grammar("root ::= s \"x\"\ns ::= s s | s s s | [a-z] | [a-z0-9]".to_owned()),
        Constraint::Grammar("root ::= ([^y]* [^z]*)* \"q\"".to_owned()),
        Constraint::Choice((0..1000).map(|index| format!("choice {index}")).collect()),
        Constraint::Json(json!({"type": "object", "properties": properties}).to_string()),
    ];
    let pattern = json!({"type": "string", "pattern": format!("(([a-z]{{1,30}}){{1,30}}|{CANARY})")});
    constraints.push(Constraint::Json(json!({"type": "array", "items": pattern, "minItems": 100}).to_string()));
    constraints
}

/// What no stream may wait for its next token because of others' constraints.
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// How often it is looked for at most.
const ROUNDS: usize = 5;
/// The place among them of a grammar that the backend gives up.
const AMBIGUOUS: usize = 5;

/// Fails every compilation from now on, after validation.
const SABOTAGED_COMPILER: &std::ffi::CStr = cr#"
from vllm.v1.structured_output.backend_guidance import GuidanceBackend

def sabotaged(*_, **__):
    raise RuntimeError(canary)

GuidanceBackend.compile_grammar = sabotaged
"#;

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_constraints_hold_nobody_up() {
    let engine = start();
    // Other work on this machine makes gaps too, but not in each round; a constraint that holds a step up does.
    let mut smallest = Duration::MAX;
    for _ in 0..ROUNDS {
        let largest = largest_gap_beside(&engine, hostile()).await;
        eprintln!("largest gap between a bystander's tokens: {} ms", largest.as_millis());
        smallest = smallest.min(largest);
        if smallest < LONGEST_GAP {
            break;
        }
    }
    assert!(smallest < LONGEST_GAP, "{smallest:?}");
    fails_alone(&engine).await;
    eprintln!("part done");
}

/// Sends requests with `constraints` beside a stream that runs; gives the longest time between two of its tokens.
async fn largest_gap_beside(engine: &VllmEngine, constraints: Vec<Constraint>) -> Duration {
    let mut bystander = engine.generate(endless()).unwrap();
    bystander.next().await.unwrap().unwrap();
    let mut last = Instant::now();
    let streams: Vec<_> = constraints
        .into_iter()
        .map(|constraint| {
            let sampling = Sampling { seed: Some(7), ..Sampling::default() };
            let request =
                GenerateRequest { constraint: Some(constraint), sampling, ..GenerateRequest::new(QUESTION.to_vec(), 60) };
            collect(engine.generate(request).unwrap())
        })
        .collect();
    let all = futures_util::future::join_all(streams);
    tokio::pin!(all);
    let mut largest = Duration::ZERO;
    let ends = loop {
        tokio::select! {
            ends = &mut all => break ends,
            output = bystander.next() => {
                output.unwrap().unwrap();
                largest = largest.max(last.elapsed());
                last = Instant::now();
            }
        }
    };
    assert!(ends.iter().filter(|(tokens, _)| !tokens.is_empty()).count() >= 8, "the constraints were not obeyed but refused");
    // What the backend gives up is no complete answer.
    assert_eq!(ends[AMBIGUOUS].1, Ok(FinishReason::Error));
    largest.max(last.elapsed())
}

/// A constraint that is valid and does not compile ends its own request.
async fn fails_alone(engine: &VllmEngine) {
    Python::attach(|py| {
        let globals = pyo3::types::PyDict::new(py);
        globals.set_item("canary", CANARY).unwrap();
        py.run(SABOTAGED_COMPILER, Some(&globals), None).unwrap();
    });
    let constrained = GenerateRequest { constraint: Some(Constraint::Regex("[0-9]{3}".to_owned())), ..greedy(QUESTION, 8) };
    assert_eq!(collect(engine.generate(constrained).unwrap()).await, (vec![], Ok(FinishReason::Error)));
    assert!(engine.is_alive());
    assert_eq!(collect(engine.generate(greedy(QUESTION, 32)).unwrap()).await.0, ANSWER);
}

fn embed(prompt: &[u32], dimensions: Option<usize>) -> EmbedRequest {
    EmbedRequest { prompt: prompt.to_vec(), dimensions, priority: 0, cache_salt: None }
}

#[tokio::test]
#[ignore = "run in a process of its own by the test that reads what it prints"]
async fn part_embeds() {
    let engine = start_with(models().join(EMBEDDING_MODEL));
    let embeds = EmbeddingModel { dimensions: 64, shortening: Shortening::None, lower_case: false };
    assert_eq!(engine.model().task, ModelTask::Embed(embeds));
    if own_process() {
        own_process::assert_workers_are_this_program();
    }

    let prompts: Vec<Vec<u32>> = (1..100_u32).map(|length| (1..=length).map(|token| token * length % 1000).collect()).collect();
    let alone = engine.embed(embed(&prompts[40], None)).unwrap().await.unwrap();
    // In one step or several; no more at once than the engine's queue holds.
    let together = prompts.iter().take(12).chain([&prompts[40]]);
    let replies: Vec<_> = together.map(|prompt| engine.embed(embed(prompt, None)).unwrap()).collect();
    let mut batch = Vec::new();
    for reply in replies {
        batch.push(reply.await.unwrap());
    }
    for Embedding(numbers) in &batch {
        let length: f32 = numbers.iter().map(|number| number * number).sum();
        assert!(numbers.len() == 64 && (length - 1.0).abs() < 1e-4, "{length}");
    }
    // The same sequence has the same vector, and another sequence has another.
    let likeness = |one: &Embedding, other: &Embedding| one.0.iter().zip(&other.0).map(|(one, other)| one * other).sum::<f32>();
    assert!(likeness(batch.last().unwrap(), &alone) > 0.9999);
    assert!(likeness(&batch[3], &alone) < 0.99);

    let whole: Vec<u32> = (0..2048).map(|token| token % 1000).collect();
    assert_eq!(engine.embed(embed(&whole, None)).unwrap().await.unwrap().0.len(), 64);
    for (request, mention) in [
        (embed(&[1; 2049], None), "2048"),
        (embed(&[60_000], None), "vocab"),
        (embed(&[], None), "prompt"),
        (embed(&[1], Some(32)), "Matryoshka"),
    ] {
        let refused = engine.embed(request).unwrap().await;
        assert!(matches!(&refused, Err(EngineError::Rejected(text)) if text.contains(mention)), "{refused:?}");
    }
    let generated = collect(engine.generate(greedy(&[1], 1)).unwrap()).await;
    assert!(matches!(generated.1, Err(EngineError::Rejected(_))), "{generated:?}");

    drop(engine.embed(embed(&whole, None)).unwrap());
    engine.embed(embed(&[1], None)).unwrap().await.unwrap();
    assert_eq!(engine.active_requests(), 0);
    engine.shutdown();
    eprintln!("part done");
}
