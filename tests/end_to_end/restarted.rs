//! A gateway restarted with another binary, configuration, model, command line or other packages: the shim that trusted the
//! first refuses the next. And gateways that do not even start, since what they would run could not be measured.

use std::path::{Path, PathBuf};

use blindllama_tests::{
    gateway::{Machine, Setup, copy_folder},
    http, project,
    shim::Shim,
};
use serde_json::json;

use crate::world::run;

pub fn another_release_is_refused() {
    let machine = Machine::boot();
    let honest = Setup::default_model();
    let policy = machine.provision(&honest);
    let mut gateway = machine.start_gateway(&honest);
    let shim = Shim::start(&machine.url(), &policy);
    assert_eq!(ask(&shim), (200, String::new()));
    assert!(gateway.terminate().success(), "SIGTERM is an orderly end:\n{}", gateway.output());

    let changed = [
        ("gateway_binary_not_allowed", other_binary(&machine, &honest)),
        ("config_not_allowed", other_config(&honest)),
        ("model_weights_not_allowed", other_model(&machine, &honest)),
        ("launch_not_allowed", with(&honest, "RUST_LOG", "info,vllm=error")),
        ("engine_packages_not_allowed", other_packages(&machine, &honest)),
        // Honest again, but this boot has seen others: what they left behind cannot be known.
        ("past_launch_not_allowed", honest),
    ];
    for (code, setup) in changed {
        let mut gateway = machine.start_gateway(&setup);
        assert_eq!(ask(&shim), (502, code.to_owned()), "{}", shim.process.output());
        gateway.terminate();
    }
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
        std::fs::remove_file(planted).expect("removes what was planted");
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

    /// What Python would load instead of `isympy.py`, if it read compiled code from there.
    fn plant_pyc(&self) -> PathBuf {
        let tag = self.version.replace("python", "cpython-").replace('.', "");
        self.plant(&format!("__pycache__/isympy.{tag}.pyc"))
    }

    /// What Python runs at its start, if it is not told otherwise.
    fn plant_module(&self) -> PathBuf {
        self.plant("sitecustomize.py")
    }

    fn plant(&self, name: &str) -> PathBuf {
        let path = self.site_packages.join(name);
        assert!(!path.exists(), "{} is there already", path.display());
        std::fs::write(&path, "planted").expect("writes");
        path
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
    let answer = run(async { http::send(shim.address, request).await.complete().await }).expect("an answer");
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

/// The same packages with compiled code planted beside an unchanged source.
fn other_packages(machine: &Machine, honest: &Setup) -> Setup {
    let environment = Environment::copy(machine);
    environment.plant_pyc();
    environment.of(honest)
}

/// The same model with one bit of its weights flipped.
fn other_model(machine: &Machine, honest: &Setup) -> Setup {
    let model = machine.path("smollm2-135m-instruct");
    copy_folder(&project::default_model(), &model);
    flip_last_bit(&model.join("model.safetensors"));
    Setup { model, ..honest.clone() }
}

fn flip_last_bit(path: &Path) {
    let mut bytes = std::fs::read(path).expect("the weights");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(path, bytes).expect("the altered weights");
}
