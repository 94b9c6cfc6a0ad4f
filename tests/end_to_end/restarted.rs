//! A gateway restarted with another binary, configuration, model, command line or other packages: the shim that trusted the
//! first refuses the next. And gateways that do not even start, since what they would run could not be measured.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use blindllama_attest::{
    application::Parts,
    digest::Sha256Digest,
    policy::{PolicyDocument, Release, ReleaseStatus},
};
use blindllama_tests::{
    gateway::{Machine, Setup, copy_folder},
    http, project,
    shim::{self, Shim},
};
use serde_json::{Value, json};

use crate::world::run;

pub fn another_release_is_refused() {
    let machine = Machine::boot();
    let honest = Setup::default_model();
    let mut gateway = machine.start_gateway(&honest);
    let policy = learn(&machine);
    let (status, verdict) = shim::verify(&machine.url(), &policy);
    assert_eq!((status, &verdict["code"]), (Some(0), &json!("verified")), "{verdict}");
    let shim = Shim::start(&machine.url(), &policy);
    assert_eq!(ask(&shim), (200, String::new()));
    assert!(gateway.terminate().success(), "SIGTERM is an orderly end:\n{}", gateway.output());

    let mut found = BTreeMap::new();
    for Changed { code, setup, details } in changes(&machine, &honest) {
        let mut gateway = machine.start_gateway(&setup);
        assert_eq!(ask(&shim), (502, code.to_owned()), "{}", shim.process.output());
        let (status, verdict) = shim::verify(&machine.url(), &policy);
        assert_eq!((status, &verdict["code"]), (Some(1), &json!(code)), "{verdict}");
        for (change, subject) in details {
            assert!(explains(&verdict, change, subject), "{code}, {change} {subject}: {}", verdict["explanation"]);
        }
        found.insert(code, verdict["explanation"]["found"].as_str().expect("a digest").to_owned());
        if code == "config_not_allowed" {
            parts_of_two_releases_do_not_mix(&machine, &policy, &found);
        }
        gateway.terminate();
    }
    // Honest again, but this boot has seen others: what they left behind cannot be known.
    let _gateway = machine.start_gateway(&honest);
    assert_eq!(ask(&shim), (502, "past_launch_not_allowed".to_owned()), "{}", shim.process.output());
    let (_, verdict) = shim::verify(&machine.url(), &policy);
    let explanation = &verdict["explanation"];
    assert!(explanation["what"].as_str().expect("text").starts_with("launch 2 since the server's boot ran another"), "{verdict}");
    let allow = explanation["allow"]["line"].as_str().expect("a release");
    assert!(allow.contains("status = \"past\"") && allow.contains(&found["gateway_binary_not_allowed"]), "{allow}");
}

/// What a shim that learned its policy from the running gateway writes down.
pub fn learn(machine: &Machine) -> PathBuf {
    let policy = machine.path("learned.toml");
    let output = shim::run(["policy", "learn", "--gateway", &machine.url(), "--output", policy.to_str().expect("text")]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    policy
}

/// Another gateway, the code of its refusal, and what the explanation has to name.
struct Changed {
    code: &'static str,
    setup: Setup,
    details: &'static [(&'static str, &'static str)],
}

fn changes(machine: &Machine, honest: &Setup) -> [Changed; 5] {
    let changed = |code, setup, details| Changed { code, setup, details };
    let other_command_line =
        Setup { config: "configs/../configs/gateway.toml".into(), ..with(honest, "RUST_LOG", "info,vllm=error") };
    [
        changed("gateway_binary_not_allowed", other_binary(machine, honest), &[]),
        changed("config_not_allowed", other_config(honest), &[("added", "engine.vllm.max_model_len")]),
        changed("model_weights_not_allowed", other_model(machine, honest), &[("changed", "model.safetensors")]),
        changed("launch_not_allowed", other_command_line, &[("changed", "arguments[2]"), ("added", "environment.RUST_LOG")]),
        changed("engine_packages_not_allowed", other_packages(machine, honest), &[("changed", ".pyc"), ("added", "/planted.py")]),
    ]
}

/// Whether the explanation says of something whose name ends so that it was added, removed or changed.
pub fn explains(verdict: &Value, change: &str, subject: &str) -> bool {
    let details = verdict["explanation"]["details"].as_array().expect("a list");
    let ends = |detail: &Value| detail["subject"].as_str().expect("text").ends_with(subject);
    details.iter().any(|detail| detail["change"] == change && ends(detail))
}

/// The old binary with the new configuration, where the policy allows the old release and a new one with both changed.
fn parts_of_two_releases_do_not_mix(machine: &Machine, policy: &Path, found: &BTreeMap<&str, String>) {
    let text = std::fs::read_to_string(policy).expect("the policy");
    let mut document = PolicyDocument::parse(&text).expect("a policy");
    let digest = |code| Sha256Digest::from_hex(&found[code]).expect("a digest");
    let (binary, config) = (digest("gateway_binary_not_allowed"), digest("config_not_allowed"));
    let old = document.release[0].parts();
    let new = Parts { gateway_binary: binary, config, ..old };
    document.release.push(Release::new("the new one".to_owned(), ReleaseStatus::Serving, new));
    let path = machine.path("two-releases.toml");
    std::fs::write(&path, document.to_toml().expect("TOML")).expect("writes");

    let (status, verdict) = shim::verify(&machine.url(), &path);
    assert_eq!((status, &verdict["code"]), (Some(1), &json!("config_not_allowed")), "{verdict}");
    assert_eq!(verdict["explanation"]["found"], config.to_hex(), "{verdict}");
}

/// What is measured of the packages is their files: the same files elsewhere are the same release, one more file is another.
pub fn packages_are_measured_file_by_file() {
    let machine = Machine::boot();
    let honest = Setup::default_model();
    let measured = |setup: &Setup| std::fs::read_to_string(machine.provision(setup)).expect("the policy");
    let expected = measured(&honest);
    let environment = Environment::copy(&machine);
    let copy = environment.of(&honest);
    assert_eq!(measured(&copy), expected);
    for plant in [Environment::plant_pyc, Environment::plant_module] {
        let planted = plant(&environment);
        let found = measured(&copy);
        let changed: Vec<_> = found.lines().zip(expected.lines()).filter(|(found, expected)| found != expected).collect();
        assert!(matches!(changed[..], [(found, _)] if found.starts_with("engine_packages = ")), "{planted:?}: {changed:?}");
        planted.remove();
    }
    assert_eq!(measured(&copy), expected);
}

/// A library that the loader is told to load first, a variable that nobody knows, code that nobody listed.
pub fn what_cannot_be_measured_does_not_start() {
    let machine = Machine::boot();
    let honest = Setup::default_model();
    for (variable, value) in [("LD_PRELOAD", "libm.so.6"), ("PYTHONPATH", "/nonexistent"), ("SOME_UNKNOWN_SETTING", "value")] {
        let said = machine.refused_gateway(&with(&honest, variable, value));
        assert!(said.contains(&format!("the environment variable {variable} is not on the list")), "{said}");
        assert!(!said.contains(value), "{said}");
    }
    let said = machine.refused_gateway(&with(&honest, "BLINDLLAMA_ENGINE__LIBRARIES", "[]"));
    assert!(said.contains("code was loaded that is not measured: ") && said.contains("libnuma.so"), "{said}");
}

/// The Python environment once more, made of links: cheap, and something can be planted in it.
struct Environment {
    folder: PathBuf,
    site_packages: PathBuf,
    version: String,
}

impl Environment {
    fn copy(machine: &Machine) -> Self {
        let (original, folder) = (project::state("python"), machine.path("python"));
        let versions = std::fs::read_dir(original.join("lib")).expect("the environment's libraries");
        let names = versions.map(|entry| entry.expect("an entry").file_name().into_string().expect("text"));
        let version = { names }.find(|name| name.starts_with("python3.")).expect("packages");
        let packages = Path::new("lib").join(&version).join("site-packages");
        let (from, site_packages) = (original.join(&packages), folder.join(&packages));
        std::fs::create_dir_all(folder.join("bin")).expect("a folder");
        std::fs::create_dir_all(site_packages.join("__pycache__")).expect("a folder");
        link(&original.join("bin/python").canonicalize().expect("the interpreter"), &folder.join("bin/python"));
        std::fs::copy(original.join("pyvenv.cfg"), folder.join("pyvenv.cfg")).expect("copies");
        link_all(&from, &site_packages);
        if let Ok(cache) = from.join("__pycache__").canonicalize() {
            link_all(&cache, &site_packages.join("__pycache__"));
        }
        Self { folder, site_packages, version }
    }

    fn of(&self, honest: &Setup) -> Setup {
        with(honest, "BLINDLLAMA_ENGINE__PYTHON", self.folder.join("bin/python").to_str().expect("text"))
    }

    /// What Python loads instead of `isympy.py`.
    fn plant_pyc(&self) -> Planted {
        let tag = self.version.replace("python", "cpython-").replace('.', "");
        self.plant(&format!("__pycache__/isympy.{tag}.pyc"))
    }

    /// What Python runs at its start, if it is not told otherwise.
    fn plant_module(&self) -> Planted {
        self.plant("sitecustomize.py")
    }

    fn plant(&self, name: &str) -> Planted {
        let path = self.site_packages.join(name);
        let instead_of = path.canonicalize().ok();
        if instead_of.is_some() {
            std::fs::remove_file(&path).expect("removes the link");
        }
        std::fs::write(&path, "planted").expect("writes");
        Planted { path, instead_of }
    }
}

/// A file in the environment that was not there, or was another.
#[derive(Debug)]
struct Planted {
    path: PathBuf,
    instead_of: Option<PathBuf>,
}

impl Planted {
    /// As it was before.
    fn remove(self) {
        std::fs::remove_file(&self.path).expect("removes what was planted");
        if let Some(original) = self.instead_of {
            link(&original, &self.path);
        }
    }
}

fn link_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry")) {
        if entry.file_name() != "__pycache__" {
            link(&entry.path().canonicalize().expect("is there"), &to.join(entry.file_name()));
        }
    }
}

fn link(original: &Path, link: &Path) {
    std::os::unix::fs::symlink(original, link).expect("links");
}

/// Status and error code that a program behind the shim sees.
fn ask(shim: &Shim) -> (u16, String) {
    let chat = json!({"model": "smollm2-135m-instruct", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2});
    let request = http::post("/v1/chat/completions", chat.to_string());
    let answer = run(async { http::send(shim.address(), request).await.complete().await }).expect("an answer");
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
    with(honest, "BLINDLLAMA_ENGINE__VLLM__MAX_MODEL_LEN", "1024")
}

fn with(honest: &Setup, variable: &str, value: &str) -> Setup {
    let mut setup = honest.clone();
    setup.overrides.push((variable.to_owned(), value.to_owned()));
    setup
}

/// The same packages with one more module, and with other compiled code beside an unchanged source.
fn other_packages(machine: &Machine, honest: &Setup) -> Setup {
    let environment = Environment::copy(machine);
    environment.plant_pyc();
    environment.plant("planted.py");
    environment.of(honest)
}

/// The same model with one bit of its weights flipped.
fn other_model(machine: &Machine, honest: &Setup) -> Setup {
    let model = machine.path("smollm2-135m-instruct");
    copy_folder(&project::default_model(), &model);
    flip_last_bit(&model.join("model.safetensors"));
    Setup { model, ..honest.clone() }
}

pub fn flip_last_bit(path: &Path) {
    let mut bytes = std::fs::read(path).expect("the weights");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(path, bytes).expect("the altered weights");
}
