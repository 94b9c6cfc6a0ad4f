//! The Python glue over a scripted EngineCore, without vLLM.

use std::{
    ffi::CString,
    path::Path,
    process::Command,
    sync::{Arc, OnceLock},
};

use blindllama_engine::{EngineError, FinishReason, Finished, TokenOutput, Work, token_stream};
use futures_util::{FutureExt as _, StreamExt as _};
use pyo3::types::PyCFunction;

use super::*;
use crate::{
    interpreter,
    open_request::{OpenRequest, Output},
    step_loop::StepLoop,
};

const SCRIPTED: &str = include_str!("scripted_core.py");
const CANARY: &str = "canary-4711-of-a-prompt";

/// The one interpreter of the test process.
fn attached<R>(f: impl FnOnce(Python<'_>) -> R) -> R {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| interpreter::start(&environment()).unwrap());
    Python::attach(f)
}

fn environment() -> PythonEnvironment {
    PythonEnvironment::find(Path::new(env!("PYO3_PYTHON"))).unwrap()
}

/// The glue's engine over the scripted core.
fn scripted() -> VllmCore {
    attached(|py| {
        glue::install(py).unwrap();
        let script = CString::new(SCRIPTED).unwrap();
        let script = PyModule::from_code(py, &script, c"scripted_core.py", c"scripted_core").unwrap();
        VllmCore::of(script.call_method1("engine", (CANARY,)).unwrap().unbind())
    })
}

/// The module that loads vLLM.
fn engine_module(py: Python<'_>) -> Bound<'_, PyModule> {
    glue::install(py).unwrap();
    py.import("blindllama_engine").unwrap()
}

fn request(prompt: Vec<u32>) -> GenerateRequest {
    GenerateRequest { sampling: Sampling { seed: Some(7), ..Sampling::default() }, ..GenerateRequest::new(prompt, 3) }
}

fn work(prompt: Vec<u32>) -> Asked {
    Asked::Generate(Box::new(request(prompt)))
}

fn embed(prompt: Vec<u32>) -> Asked {
    Asked::Embed(EmbedRequest { prompt, dimensions: Some(3), priority: 2, cache_salt: Some("salt".to_owned()) })
}

fn evaluate<T: for<'py> FromPyObjectOwned<'py>>(expression: &str) -> T {
    attached(|py| {
        let locals = PyDict::new(py);
        locals.set_item("sys", py.import("sys").unwrap()).unwrap();
        let expression = CString::new(expression).unwrap();
        let value = py.eval(&expression, None, Some(&locals)).unwrap();
        value.extract().map_err(Into::<PyErr>::into).unwrap()
    })
}

#[test]
fn the_interpreter_is_isolated() {
    let flags: (bool, bool, bool, bool) = evaluate(
        "(bool(sys.flags.isolated), bool(sys.flags.ignore_environment), bool(sys.flags.no_user_site), sys.flags.safe_path)",
    );
    assert_eq!(flags, (true, true, true, true));
    assert!(evaluate::<bool>("sys.flags.utf8_mode == 1"));
}

#[test]
fn the_interpreter_is_that_of_the_environment() {
    let environment = Path::new(env!("PYO3_PYTHON")).parent().unwrap().parent().unwrap();
    assert_eq!(Path::new(&evaluate::<String>("sys.prefix")), environment);
    assert_eq!(evaluate::<String>("sys.executable"), env!("PYO3_PYTHON"));
    let paths: Vec<String> = evaluate("sys.path");
    assert!(paths.iter().any(|path| Path::new(path).starts_with(environment)), "{paths:?}");
}

/// What the glue makes of `given` on a processor that multiplies bfloat16 itself, or does not.
fn engine_args(given: &serde_json::Value, bfloat16_is_fast: bool) -> serde_json::Value {
    attached(|py| {
        let glue = engine_module(py);
        glue.setattr("_bfloat16_is_fast", PyCFunction::new_closure(py, None, None, move |_, _| bfloat16_is_fast).unwrap())
            .unwrap();
        let json = py.import("json").unwrap();
        let settings =
            json!({"device": "cpu", "model": "m", "adapters": [], "engine_args": given, "own_process": false}).to_string();
        let settings = json.call_method1("loads", (settings,)).unwrap();
        let arguments = glue.call_method1("_engine_args", (settings,)).unwrap();
        let text: String = json.call_method1("dumps", (arguments,)).unwrap().extract().unwrap();
        serde_json::from_str(&text).unwrap()
    })
}

#[test]
fn float32_is_chosen_where_bfloat16_is_slow_and_nothing_else_is_asked_for() {
    for (given, fast, dtype) in [
        (json!({}), false, json!("float32")),
        (json!({"dtype": "auto"}), false, json!("float32")),
        (json!({"dtype": "bfloat16"}), false, json!("bfloat16")),
        (json!({"dtype": "auto"}), true, json!("auto")),
        (json!({}), true, serde_json::Value::Null),
    ] {
        assert_eq!(engine_args(&given, fast)["dtype"], dtype, "{given} with fast bfloat16: {fast}");
    }
}

#[test]
fn no_prefix_cache_is_shared_unless_asked_for() {
    assert_eq!(engine_args(&json!({}), true)["enable_prefix_caching"], json!(false));
}

#[test]
fn constraints_have_the_backend_that_is_bounded_unless_another_is_asked_for() {
    for (given, config) in [
        (json!({}), json!({"backend": "guidance", "disable_additional_properties": true})),
        (
            json!({"structured_outputs_config": {"disable_any_whitespace": true}}),
            json!({"backend": "guidance", "disable_any_whitespace": true, "disable_additional_properties": true}),
        ),
        (
            json!({"structured_outputs_config": {"backend": "xgrammar"}}),
            json!({"backend": "xgrammar", "disable_additional_properties": false}),
        ),
    ] {
        assert_eq!(engine_args(&given, true)["structured_outputs_config"], config, "{given}");
    }
}

#[test]
fn a_second_interpreter_is_refused() {
    attached(|_| ());
    let second = interpreter::start(&environment());
    assert!(matches!(second, Err(interpreter::InterpreterError::AlreadyStarted)), "{second:?}");
}

#[test]
fn the_interpreter_knows_the_given_search_path_alone() {
    let environment = environment();
    attached(|py| {
        let sys = py.import("sys").unwrap();
        let search_path: Vec<PathBuf> = sys.getattr("path").unwrap().extract().unwrap();
        assert_eq!(search_path, environment.search_path().iter().map(|entry| entry.path.clone()).collect::<Vec<_>>());
        check_search_path(&search_path, &environment).unwrap();
        let text = |name: &str| sys.getattr(name).unwrap().extract::<PathBuf>().unwrap();
        assert_eq!((text("prefix"), text("base_prefix")), (environment.prefix().into(), environment.base_prefix().into()));
        assert_eq!(text("executable"), environment.executable());
        assert!(sys.getattr("pycache_prefix").unwrap().is_none());
        assert!(sys.getattr("dont_write_bytecode").unwrap().extract::<bool>().unwrap());
        let modules = sys.getattr("modules").unwrap();
        for module in ["site", "sitecustomize", "usercustomize", "_distutils_hack"] {
            assert!(!modules.contains(module).unwrap(), "{module} has run");
        }
    });
}

#[test]
fn no_module_is_imported_from_what_is_installed_for_all() {
    attached(|py| {
        glue::install(py).unwrap();
        for name in ["site-packages", "dist-packages"] {
            let error = py.import(name).unwrap_err().to_string();
            assert!(error.contains("halted; None in sys.modules"), "{error}");
            let error = py.import(format!("{name}.pip")).unwrap_err().to_string();
            assert!(error.contains(&format!("'{name}' is not a package")), "{error}");
        }
    });
}

#[test]
fn a_search_path_that_leaves_what_was_measured_is_refused() {
    let environment = environment();
    let for_all = environment.search_path().iter().find(|entry| entry.name == "stdlib").unwrap().path.join("site-packages");
    check_search_path(&[for_all], &environment).unwrap_err();
    let below = environment.search_path()[0].path.join("setuptools/_vendor");
    check_search_path(&[below], &environment).unwrap();
    for outside in ["/tmp/planted", "", "relative", environment.base_prefix().to_str().unwrap()] {
        let error = check_search_path(&[PathBuf::from(outside)], &environment).unwrap_err().to_string();
        assert!(error.contains(&format!("{outside:?}")), "{error}");
    }
}

#[test]
fn a_request_becomes_outputs() {
    let mut core = scripted();
    core.add(5, &work(vec![1, 2])).unwrap();
    let first = core.step().unwrap();
    assert_eq!((first.executed, first.has_work), (true, true));
    let tokens = TokenOutput { token_ids: vec![1, 2, 3, 7], cached_prompt_tokens: Some(16), ..TokenOutput::default() };
    assert_eq!(first.outputs, [(5, Output::Tokens(tokens))]);
    let second = core.step().unwrap();
    assert_eq!((second.executed, second.has_work), (true, false));
    let finished = Some(Finished { reason: FinishReason::Stop, stop_token: Some(2) });
    assert_eq!(second.outputs, [(5, Output::Tokens(TokenOutput { token_ids: vec![2], finished, ..TokenOutput::default() }))]);
}

/// What the glue was called with for request 5.
fn prepared(work: &Asked) -> serde_json::Value {
    let mut core = scripted();
    core.add(5, work).unwrap();
    let prepared: String = attached(|py| core.0.bind(py).call_method1("prepared", ("5",)).unwrap().extract().unwrap());
    serde_json::from_str(&prepared).unwrap()
}

fn model_with_adapters(names: &[&str]) -> ModelInfo {
    let loaded = json!({"embedding": null, "max_model_len": 16, "vocab_size": 10, "max_logprobs": 0,
        "schedules_by_priority": false, "prefix_caching": false, "dtype": "float32", "version": "0", "processes": [], "sampling": {},
        "search_path": []});
    model_info(serde_json::from_value(loaded).unwrap(), names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn only_adapters_that_are_loaded_can_be_asked_for() {
    let model = model_with_adapters(&["first", "second"]);
    assert_eq!(model.adapter("second").map(AdapterId::index), Some(1));
    assert_eq!(model.adapter("third"), None);
}

#[test]
fn adapters_need_one_device_and_their_arguments_need_adapters() {
    let refused = |adapters: serde_json::Value, given: serde_json::Value| {
        attached(|py| {
            let json = py.import("json").unwrap();
            let settings =
                json!({"device": "cpu", "model": "m", "adapters": adapters, "engine_args": given, "own_process": false})
                    .to_string();
            let settings = json.call_method1("loads", (settings,)).unwrap();
            engine_module(py).call_method1("_engine_args", (settings,)).err().map(|error| error.to_string())
        })
    };
    let one = || json!([{"name": "a", "path": "/a"}]);
    assert_eq!(refused(one(), json!({"max_loras": 1})), None);
    assert!(refused(one(), json!({"tensor_parallel_size": 2})).unwrap().contains("several devices"));
    assert!(refused(json!([]), json!({"max_loras": 1})).unwrap().contains("there are no adapters"));
}

#[test]
fn every_parameter_reaches_vllm_by_its_name() {
    let sampling = Sampling {
        temperature: 0.5,
        top_p: 0.25,
        top_k: 4,
        min_p: 0.125,
        presence_penalty: 1.0,
        frequency_penalty: -1.0,
        repetition_penalty: 1.5,
        seed: Some(-3),
        logit_bias: vec![(7, -100.0)],
        bad_words: vec!["a".to_owned()],
        allowed_token_ids: vec![3, 4],
    };
    let request = GenerateRequest {
        adapter: model_with_adapters(&["first", "second"]).adapter("second"),
        sampling,
        stopping: Stopping { stop_token_ids: vec![9], ignore_eos: true, min_tokens: 2 },
        logprobs: Logprobs { sampled: Some(0), prompt: Some(5) },
        constraint: Some(Constraint::Choice(vec!["x".to_owned()])),
        priority: -1,
        cache_salt: Some("salt".to_owned()),
        ..GenerateRequest::new(vec![1, 2], 3)
    };
    let expected = json!({"prompt": [1, 2], "task": "generate", "max_tokens": 3, "temperature": 0.5, "top_p": 0.25, "top_k": 4, "min_p": 0.125,
        "presence_penalty": 1.0, "frequency_penalty": -1.0, "repetition_penalty": 1.5, "seed": -3, "ignore_eos": true,
        "min_tokens": 2, "logprobs": 0, "prompt_logprobs": 5, "logit_bias": {"7": -100.0}, "bad_words": ["a"],
        "allowed_token_ids": [3, 4], "stop_token_ids": [9], "constraint": {"choice": ["x"]}, "priority": -1,
        "cache_salt": "salt", "adapter": 1});
    assert_eq!(prepared(&Asked::Generate(Box::new(request))), expected);
}

#[test]
fn every_constraint_reaches_vllm_by_its_name() {
    for (constraint, expected) in [
        (Constraint::Json("{}".to_owned()), json!({"json": "{}"})),
        (Constraint::JsonObject, json!({"json_object": true})),
        (Constraint::Regex("a+".to_owned()), json!({"regex": "a+"})),
        (Constraint::Grammar("root ::= \"a\"".to_owned()), json!({"grammar": "root ::= \"a\""})),
    ] {
        let request = GenerateRequest { constraint: Some(constraint), ..request(vec![1]) };
        assert_eq!(prepared(&Asked::Generate(Box::new(request)))["constraint"], expected);
    }
}

#[test]
fn logprobs_come_where_they_are_asked_for() {
    let mut core = scripted();
    let request = GenerateRequest { logprobs: Logprobs { sampled: Some(1), prompt: None }, ..request(vec![1]) };
    core.add(5, &Asked::Generate(Box::new(request))).unwrap();
    let outputs = core.step().unwrap().outputs;
    let [(5, Output::Tokens(output))] = outputs.as_slice() else { panic!("{outputs:?}") };
    let row = |rank| {
        let logprob = |token_id, logprob, rank| blindllama_engine::TokenLogprob { token_id, logprob, rank };
        vec![logprob(7, -0.5, rank), logprob(8, -1.5, 1)]
    };
    assert_eq!(output.logprobs, Some(vec![row(1), row(2), row(3)]));
    assert_eq!(output.prompt_logprobs, None);
}

#[test]
fn an_embedding_crosses_as_float32_beside_tokens() {
    for (dimensions, expected) in [(3, vec![0.5, -1.25, 2.0]), (4, vec![0.5, -1.25, 2.0, 3.0])] {
        let mut core = scripted();
        let request = EmbedRequest { prompt: vec![1], dimensions: Some(dimensions), priority: 0, cache_salt: None };
        core.add(5, &Asked::Embed(request)).unwrap();
        core.add(6, &work(vec![9])).unwrap();
        let outputs = core.step().unwrap().outputs;
        assert!(outputs[0] == (5, Output::Embedding(blindllama_engine::Embedding(expected))), "{outputs:?}");
        assert!(matches!(&outputs[1], (6, Output::Tokens(tokens)) if tokens.token_ids == [9, 3, 7]), "{outputs:?}");
    }
}

#[test]
fn every_parameter_of_an_embedding_reaches_vllm_by_its_name() {
    let expected = json!({"prompt": [1, 2], "task": "embed", "dimensions": 3, "constraint": null, "priority": 2, "cache_salt": "salt",
            "adapter": null});
    assert_eq!(prepared(&embed(vec![1, 2])), expected);
    assert!(matches!(scripted().add(1, &embed(vec![901])), Err(AddError::Refused(_))));
}

#[test]
fn what_vllm_says_of_shorter_vectors_is_understood() {
    let shortening = |matryoshka: &str| {
        let described: String = attached(|py| {
            let locals = PyDict::new(py);
            locals.set_item("glue", engine_module(py)).unwrap();
            let model = format!(
                "__import__('types').SimpleNamespace(embedding_size=8, encoder_config={{'do_lower_case': True}}, {matryoshka})"
            );
            let expression = CString::new(format!("__import__('json').dumps(glue._embedding_model({model}))")).unwrap();
            py.eval(&expression, None, Some(&locals)).unwrap().extract().unwrap()
        });
        embedding_model(serde_json::from_str(&described).unwrap())
    };
    let model = |shortening| EmbeddingModel { dimensions: 8, shortening, lower_case: true };
    assert_eq!(shortening("is_matryoshka=False, matryoshka_dimensions=None"), model(Shortening::None));
    assert_eq!(shortening("is_matryoshka=True, matryoshka_dimensions=None"), model(Shortening::Any));
    assert_eq!(shortening("is_matryoshka=True, matryoshka_dimensions=[4, 2]"), model(Shortening::To(vec![4, 2])));
}

#[test]
fn a_model_that_does_neither_is_refused() {
    let task = |supported: &[&str]| {
        let task = attached(|py| engine_module(py).call_method1("_task", (supported.to_vec(),)).map(|task| task.to_string()));
        task.map_err(|error| error.to_string())
    };
    assert_eq!(task(&["generate", "render"]).unwrap(), "generate");
    assert_eq!(task(&["token_embed", "embed"]).unwrap(), "embed");
    assert!(task(&["classify"]).unwrap_err().contains("classify"));
}

#[test]
fn a_step_without_outputs_is_empty() {
    let mut core = scripted();
    core.add(5, &work(vec![904])).unwrap();
    let step = core.step().unwrap();
    assert_eq!((step.outputs.len(), step.executed, step.has_work), (0, false, true));
}

#[test]
fn an_aborted_request_is_gone() {
    let mut core = scripted();
    core.add(5, &work(vec![1])).unwrap();
    core.abort(&[5, 6]).unwrap();
    let step = core.step().unwrap();
    assert_eq!((step.outputs.len(), step.has_work), (0, false));
}

#[test]
fn a_refusal_is_told_apart_from_a_failure() {
    let mut core = scripted();
    assert!(matches!(core.add(1, &work(vec![901])), Err(AddError::Refused(text)) if text.contains(CANARY)));
    assert!(matches!(core.add(2, &work(vec![902])), Err(AddError::Failed)));
    assert!(matches!(core.add(2, &work(vec![905])), Err(AddError::Failed)));
    core.add(3, &work(vec![1])).unwrap();
    assert_eq!(core.step().unwrap().outputs.len(), 1);
}

#[test]
fn an_exception_is_known_by_type_and_line_only() {
    let mut core = scripted();
    core.add(1, &work(vec![903])).unwrap();
    let fatal = core.step().unwrap_err();
    assert!(fatal.to_string().starts_with("RuntimeError at scripted_core.py:"), "{fatal}");
    assert!(!format!("{fatal:?}").contains(CANARY));
}

#[test]
fn several_engines_need_processes_of_their_own() {
    let given = json!({"data_parallel_size": 2});
    let refused = |own_process| {
        attached(|py| {
            let settings =
                json!({"device": "cpu", "model": "m", "adapters": [], "engine_args": given, "own_process": own_process});
            let settings = py.import("json").unwrap().call_method1("loads", (settings.to_string(),)).unwrap();
            engine_module(py).call_method1("_engine_args", (settings,)).err().map(|error| error.to_string())
        })
    };
    assert!(refused(false).is_some_and(|refusal| refusal.contains("own_process")));
    assert_eq!(refused(true), None);
}

#[test]
fn outputs_of_other_processes_are_read_until_they_have_died() {
    let mut core = attached(|py| {
        glue::install(py).unwrap();
        let script = CString::new(SCRIPTED).unwrap();
        let script = PyModule::from_code(py, &script, c"scripted_core.py", c"scripted_core").unwrap();
        VllmCore::of(script.call_method1("apart", (CANARY,)).unwrap().unbind())
    });
    core.add(5, &work(vec![40])).unwrap();
    core.abort(&[7]).unwrap();
    let tokens = TokenOutput { token_ids: vec![40], ..TokenOutput::default() };
    assert_eq!(core.outputs().unwrap(), [(5, Output::Tokens(tokens))]);
    let fatal = core.outputs().unwrap_err();
    assert!(fatal.to_string().starts_with("RuntimeError at scripted_core.py:"), "{fatal}");
    assert!(!format!("{fatal:?}").contains(CANARY));
}

#[test]
fn a_list_of_what_is_mapped_crosses_byte_for_byte() {
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let text: String = attached(|py| PyBytes::new(py, &all).call_method1("decode", ("latin-1",)).unwrap().extract().unwrap());
    assert_eq!(bytes_of_latin_1(&text), Some(all));
    assert_eq!(bytes_of_latin_1("\u{100}"), None);
}

#[test]
fn a_model_s_own_code_is_refused() {
    let refused = attached(|py| {
        let settings = json!({"engine_args": {"trust_remote_code": true}, "device": "cpu", "model": "m"});
        let settings = py.import("json").unwrap().call_method1("loads", (settings.to_string(),)).unwrap();
        engine_module(py).call_method1("_engine_args", (settings,)).unwrap_err().to_string()
    });
    assert!(refused.contains("trust_remote_code"), "{refused}");
}

#[test]
fn nothing_that_python_prints_has_content() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "core::tests::leaks_a_canary_in_every_way", "--ignored", "--nocapture"])
        .env("PYTHONPATH", "/nonexistent/planted")
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(!printed.contains(CANARY), "{printed}");
    // The relay works at all, and gives what it may.
    let reason = "failed to start: ValueError: too little memory";
    for expected in ["shown while loading", reason, "vllm.leaky", "scripted_core.py:", "py.warnings", "handled.elsewhere"] {
        assert!(printed.contains(expected), "`{expected}` is missing in: {printed}");
    }
    assert!(printed.contains("RuntimeError at scripted_core.py:"), "{printed}");
    // Of the main thread, another thread and a destructor.
    assert_eq!(printed.matches("uncaught RuntimeError").count(), 3, "{printed}");
}

#[test]
#[ignore = "a part of `nothing_that_python_prints_has_content`, which reads what it prints"]
fn leaks_a_canary_in_every_way() {
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(std::io::stderr).init();
    let mut core = scripted();
    assert!(!evaluate::<Vec<String>>("sys.path").iter().any(|path| path.contains("planted")));
    attached(|py| drop(core.0.bind(py).call_method1("leak", (CANARY,)).unwrap()));
    assert!(matches!(core.add(9, &work(vec![902])), Err(AddError::Failed)));

    let (sender, stream) = token_stream(3);
    let (queue, requests) = crate::queue::queue(1);
    queue.push(OpenRequest::generate(request(vec![903]), sender, Arc::default())).unwrap();
    let fatal = StepLoop::new(core, requests, Arc::new(Work::new(true))).run().unwrap_err();
    tracing::error!(%fatal, ?fatal, "the engine has failed");
    let ends: Vec<_> = stream.collect().now_or_never().unwrap();
    assert_eq!(ends, [Err(EngineError::Stopped)]);
}
