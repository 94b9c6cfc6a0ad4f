#![allow(clippy::result_large_err, reason = "figment's jail fixes the closure's error type")]

use std::path::PathBuf;

use figment::Jail;

use super::*;
use crate::cors::AllowedOrigins;

const MINIMAL: &str = r#"
[model]
path = "models/a"
name = "a"

[engine]
python = "bin/python"
device = "cpu"

[engine.vllm]
dtype = "float32"
max_model_len = 128

[tpm]
tcti = "swtpm:port=2321"
state_dir = "state"
"#;

/// Loads `text` with `environment`, in a process environment of its own.
fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<GatewayConfig, String> {
    let mut loaded = Err("not loaded".to_owned());
    Jail::expect_with(|jail| {
        jail.clear_env();
        jail.create_file("gateway.toml", text)?;
        for (name, value) in environment {
            jail.set_env(name, value);
        }
        loaded = GatewayConfig::load(Path::new("gateway.toml")).map_err(|error| error.to_string());
        Ok(())
    });
    loaded
}

fn load(text: &str) -> Result<GatewayConfig, String> {
    load_with(text, &[])
}

fn edited(from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from:?} is not in the configuration");
    MINIMAL.replace(from, to)
}

#[test]
fn defaults_are_as_documented() {
    let config = load(MINIMAL).unwrap();
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8443");
    assert_eq!(config.server.max_body_bytes.get(), 4 * 1024 * 1024);
    assert_eq!(config.server.workers.get(), 2);
    assert_eq!(config.engine.max_requests.get(), 256);
    let pcrs: Vec<u8> = config.tpm.pcrs.iter().map(|pcr| pcr.get()).collect();
    assert_eq!(pcrs, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 14, 15]);
    assert_eq!((config.tpm.application_pcr.get(), config.tpm.identity_pcr.get()), (14, 15));
    assert_eq!(config.tpm.application_log, PathBuf::from("/run/blindllama/application.log"));
    assert_eq!((config.tpm.ak, config.tpm.ek), (AkKind::EcdsaP256, EkKind::Rsa2048));
    assert_eq!((config.tpm.max_waiting_nonces.get(), config.tpm.activations_per_second.get()), (65_536, 10));
}

#[test]
fn the_environment_overrides_the_file() {
    let environment = [("BLINDLLAMA_SERVER__LISTEN", "0.0.0.0:1"), ("BLINDLLAMA_ENGINE__VLLM__DTYPE", "bfloat16")];
    let config = load_with(MINIMAL, &environment).unwrap();
    assert_eq!(config.server.listen.to_string(), "0.0.0.0:1");
    assert_eq!(config.engine.vllm.as_map()["dtype"], "bfloat16");
    assert_eq!(config.engine.vllm.as_map()["max_model_len"], 128);
}

#[test]
fn a_variable_without_a_section_is_left_alone() {
    assert!(load_with(MINIMAL, &[("BLINDLLAMA_CONFIG", "x")]).is_ok());
}

#[test]
fn errors_name_file_key_and_remedy() {
    let error = load(&edited("device", "devize")).unwrap_err();
    assert!(error.starts_with("gateway.toml: engine.devize: unknown key; known here: python, device"), "{error}");
    let error = load(&edited("\"cpu\"", "\"tpu\"")).unwrap_err();
    assert!(error.starts_with("gateway.toml: engine.device: ") && error.contains("`cpu`"), "{error}");
    let error = load(&edited("tcti = \"swtpm:port=2321\"", "")).unwrap_err();
    assert!(error.contains("tpm.tcti: is missing"), "{error}");
    let error = load_with(MINIMAL, &[("BLINDLLAMA_SERVER__LISTEM", "x")]).unwrap_err();
    assert!(error.contains("server.listem (set by the environment): unknown key"), "{error}");
    let error = load("[model").unwrap_err();
    assert!(error.starts_with("gateway.toml: is not valid TOML"), "{error}");
}

#[test]
fn what_is_not_measured_is_refused_by_name() {
    for argument in [
        "trust_remote_code = true",
        "trust_remote_code = false",
        "model = \"other\"",
        "tokenizer = \"other\"",
        "model_weights = \"other\"",
        "speculative_config = { model = \"other\" }",
        "logits_processors = [\"a.b\"]",
        "worker_cls = \"a.b\"",
        "otlp_traces_endpoint = \"http://other\"",
        "reasoning_parser_plugin = \"a\"",
        "structured_outputs_config = { reasoning_parser_plugin = \"a\" }",
        "spec_model = \"other\"",
        "logging_config = {}",
        "compilation_config = { cache_dir = \"other\" }",
        "distributed_executor_backend = \"ray\"",
        "hf_token = \"hf_secret\"",
        "quantization = \"/srv/other\"",
        "override_generation_config = { a = [\"http://other\"] }",
        "enable_lora = true",
        "max_cpu_loras = 1",
        "default_mm_loras = {}",
        "an_argument_of_the_future = 1",
    ] {
        let error = load(&edited("dtype = \"float32\"", argument)).unwrap_err();
        let name = argument.split(' ').next().unwrap();
        assert!(error.contains("engine.vllm") && error.contains(&format!("{name} is refused")), "{error}");
    }
}

#[test]
fn only_the_measured_models_own_files_are_read() {
    for argument in ["load_format = \"sharded_state\"", "generation_config = \"/srv/other\"", "load_format = 1"] {
        let error = load(&edited("dtype = \"float32\"", argument)).unwrap_err();
        assert!(error.contains("is refused: only"), "{error}");
    }
    assert!(load(&edited("dtype = \"float32\"", "load_format = \"safetensors\"\ngeneration_config = \"vllm\"")).is_ok());
}

#[test]
fn structured_outputs_are_configured_without_code_or_files() {
    let with = |config: &str| load(&edited("dtype = \"float32\"", &format!("structured_outputs_config = {config}")));
    for config in ["{}", "{ backend = \"guidance\", disable_any_whitespace = true }", "{ backend = \"xgrammar\" }"] {
        assert!(with(config).is_ok(), "{config}");
    }
    for (config, mention) in [
        ("\"guidance\"", "has to be a table"),
        ("{ reasoning_parser_plugin = \"a\" }", "reasoning_parser_plugin may not be set"),
        ("{ reasoning_parser = \"a\" }", "reasoning_parser may not be set"),
        ("{ backend = \"outlines\" }", "only guidance, xgrammar"),
        ("{ backend = 1 }", "only guidance, xgrammar"),
        ("{ disable_any_whitespace = \"/srv/other\" }", "neither true nor false"),
    ] {
        let error = with(config).unwrap_err();
        assert!(error.contains("structured_outputs_config is refused") && error.contains(mention), "{error}");
    }
}

#[test]
fn limits_have_defaults_and_unknown_ones_are_refused() {
    let with = |limit: &str| load(&format!("{MINIMAL}[limits.structured]\n{limit}"));
    assert_eq!(load(MINIMAL).unwrap().limits, LimitsConfig::default());
    let limits = with("regex_bytes = 7").unwrap().limits.structured;
    assert_eq!(limits, StructuredLimits { regex_bytes: 7, ..StructuredLimits::default() });
    assert!(with("regex_byte = 7").unwrap_err().contains("limits.structured.regex_byte: unknown key"));
    assert!(with("regex_bytes = -1").is_err());
}

#[test]
fn a_model_is_run_as_what_is_served() {
    for argument in ["runner = \"draft\"", "convert = \"classify\"", "runner = 1"] {
        let error = load(&edited("dtype = \"float32\"", argument)).unwrap_err();
        assert!(error.contains("is refused: only") && error.contains("are served"), "{error}");
    }
    assert!(load(&edited("dtype = \"float32\"", "runner = \"pooling\"\nconvert = \"embed\"")).is_ok());
}

fn with_adapters(adapters: &[(&str, &str)]) -> Result<GatewayConfig, String> {
    let table = |&(name, path): &(&str, &str)| format!("[[model.adapters]]\nname = {name:?}\npath = {path:?}\n");
    load(&edited("[engine]", &format!("{}[engine]", adapters.iter().map(table).collect::<String>())))
}

#[test]
fn adapters_have_names_of_their_own_that_fit_into_paths() {
    let config = with_adapters(&[("x", "one"), ("ft:a-model_1.5:x", "/two")]).unwrap();
    let adapters: Vec<_> = config.model.adapters.iter().map(|adapter| (adapter.name.as_str(), adapter.path.to_str())).collect();
    assert_eq!(adapters, [("x", Some("one")), ("ft:a-model_1.5:x", Some("/two"))]);
    let long = "x".repeat(129);
    for name in ["", "..", ".x", "-x", "a/b", "a b", "a\\b", "\u{e4}", "a%2fb", long.as_str()] {
        let error = with_adapters(&[(name, "one")]).unwrap_err();
        assert!(error.contains("model.adapters") && error.contains("is no name of an adapter"), "{name}: {error}");
    }
    let twice = with_adapters(&[("x", "one"), ("y", "two"), ("x", "two")]).unwrap_err();
    assert!(twice.contains("model.adapters: two adapters are called \"x\""), "{twice}");
    let error = with_adapters(&[("a", "one")]).unwrap_err();
    assert!(error.contains("model.adapters: an adapter is called \"a\" as the model is"), "{error}");
    let environment = [("BLINDLLAMA_MODEL__ADAPTERS", "[{name=x, path=one}]")];
    assert_eq!(load_with(MINIMAL, &environment).unwrap().model.adapters[0].name.as_str(), "x");
}

#[test]
fn adapters_are_measured_by_name() {
    let measured = |adapters: &[(&str, &str)]| with_adapters(adapters).unwrap().measured().unwrap();
    let expected = measured(&[("x", "one"), ("y", "two")]);
    assert_eq!(measured(&[("y", "elsewhere"), ("x", "two")]), expected);
    assert_ne!(measured(&[("x", "one"), ("z", "two")]), expected);
}

#[test]
fn impossible_values_are_refused() {
    for (key, value, reason) in [
        ("pcrs", "[14]", "15 is missing"),
        ("pcrs", "[14, 15, 24]", "24 is no PCR"),
        ("identity_pcr", "14", "have to differ"),
        ("max_waiting_nonces", "65537", "at most 65536"),
        ("max_waiting_nonces", "0", "nonzero"),
        ("activations_per_second", "0", "nonzero"),
        ("ak", "\"ecdsa\"", "`ecdsa-p256`"),
        ("ek", "\"rsa\"", "`rsa-2048`"),
    ] {
        let error = load(&edited("state_dir", &format!("{key} = {value}\nstate_dir"))).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
    assert!(load(&format!("{MINIMAL}[server]\nworkers = 0")).is_err());
    assert!(load(&format!("{MINIMAL}[server]\nmax_body_bytes = 0")).is_err());
}

#[test]
fn origins_are_off_by_default_and_a_wrong_one_is_named() {
    assert_eq!(load(MINIMAL).unwrap().http.cors.allow_origins, AllowedOrigins::None);
    let with = |origins: &str| load(&format!("{MINIMAL}[http.cors]\nallow_origins = {origins}"));
    let (one, other) = (with("[\"https://a\", \"https://b\"]").unwrap(), with("[\"https://b\", \"https://a\"]").unwrap());
    assert_eq!(one.measured().unwrap(), other.measured().unwrap());
    let error = with("[\"https://a\", \"https://b/\"]").unwrap_err();
    assert!(error.starts_with("gateway.toml: http.cors.allow_origins: \"https://b/\" is no origin"), "{error}");
}

#[test]
fn what_differs_between_hosts_is_not_measured() {
    let measured = load(MINIMAL).unwrap().measured().unwrap();
    for (from, to) in [
        ("models/a", "/elsewhere/b"),
        ("bin/python", "/usr/bin/python3"),
        ("\"cpu\"", "\"cpu\"\nlibraries = [\"libnuma.so.1\", \"/opt/lib/liba.so\"]"),
        ("swtpm:port=2321", "device:/dev/tpmrm0"),
        ("\"state\"", "\"/var/lib/state\""),
        ("[tpm]", "[tpm]\napplication_log = \"log\"\nfirmware_log = \"fw\""),
        ("[tpm]", "[tpm]\nak = \"rsapss-2048\"\nek = \"ecc-p384\"\nek_certificates = [\"ek.pem\"]\nmax_waiting_nonces = 1"),
        ("[model]", "[server]\nlisten = \"0.0.0.0:443\"\nworkers = 8\n[model]"),
    ] {
        assert_eq!(load(&edited(from, to)).unwrap().measured().unwrap(), measured, "{to}");
    }
}

#[test]
fn what_changes_the_meaning_is_measured() {
    let measured = load(MINIMAL).unwrap().measured().unwrap();
    for (from, to) in [
        ("float32", "bfloat16"),
        ("name = \"a\"", "name = \"b\""),
        ("128", "129"),
        ("[model]", "[server]\nmax_body_bytes = 7\n[model]"),
        ("[model]", "[http.cors]\nallow_origins = [\"*\"]\n[model]"),
        ("\"cpu\"", "\"cuda\""),
        ("\"cpu\"", "\"cpu\"\nmax_requests = 1"),
        ("\"cpu\"", "\"cpu\"\nown_process = true"),
        ("[tpm]", "[tpm]\npcrs = [14, 15]"),
        ("[tpm]", "[limits.structured]\nregex_bytes = 7\n[tpm]"),
        ("[engine]", "[[model.adapters]]\nname = \"x\"\npath = \"adapters/x\"\n[engine]"),
    ] {
        assert_ne!(load(&edited(from, to)).unwrap().measured().unwrap(), measured, "{to}");
    }
}

#[test]
fn every_committed_example_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut files = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "toml")
            && file.file_stem().unwrap().to_string_lossy().starts_with("gateway")
        {
            load(&fs::read_to_string(&file).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            files += 1;
        }
    }
    assert!(files >= 2);
}
