//! The requests, and what vLLM's own server answered (`scripts/vllm_reference.py`).

use std::{collections::BTreeMap, path::Path, process::Command};

use blindllama_tests::project;
use serde::Deserialize;
use serde_json::Value;

/// A request, as both servers get it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What the report calls it.
    pub name: String,
    /// `POST` where it is left out.
    pub method: Option<String>,
    /// With the leading slash.
    pub path: String,
    /// The JSON document.
    pub body: Option<Value>,
    /// The body where it is no JSON.
    pub raw: Option<String>,
}

impl Request {
    /// Where it goes, how its answer comes, and whether it is to be refused.
    pub fn kind(&self) -> (&str, bool, bool) {
        let streams = self.body.as_ref().is_some_and(|body| body["stream"] == true);
        (&self.path, streams, self.raw.is_some() || self.name.contains("refused"))
    }
}

/// What a server answered.
#[derive(Deserialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The type of content, without its parameters.
    pub content_type: String,
    /// A JSON document.
    pub body: Option<Value>,
    /// The data of a stream's events, in order; `[DONE]` as a string.
    pub events: Option<Vec<Value>>,
    /// Whether the connection broke before the end.
    #[serde(default)]
    pub cut: bool,
}

/// A request with vLLM's answer.
pub struct Case {
    /// The request.
    pub request: Request,
    /// vLLM's answer.
    pub answer: Answer,
}

#[derive(Deserialize)]
struct Head {
    cpu_capability: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(flatten)]
    answer: Answer,
}

/// Names the folder of answers that vLLM has just given.
const LIVE: &str = "BLINDLLAMA_REFERENCE";
/// A request in each line.
const REQUESTS: &str = "requests.jsonl";

/// Whether vLLM was asked anew.
pub fn is_live() -> bool {
    std::env::var_os(LIVE).is_some()
}

/// The cases of `model`, one in `one_in` of each kind: from the folder that `BLINDLLAMA_REFERENCE` names (`make differential`), or as
/// committed. On a processor whose kernels round differently the committed answers say nothing, so vLLM is asked anew.
pub fn cases(model: &str, one_in: usize) -> Vec<Case> {
    let data = project::root().join("tests/data/differential");
    let requests = sample(&requests(&data, model), one_in);
    if let Some(folder) = std::env::var_os(LIVE) {
        return paired(&requests, &answers(Path::new(&folder), model));
    }
    let committed = answers(&data, model);
    let head: Head = parsed(committed.first().expect("what answered"));
    if head.cpu_capability == cpu_capability() {
        return paired(&requests, &committed);
    }
    eprintln!("the committed answers are of another kind of processor: asking vLLM's own server anew");
    paired(&requests, &asked_anew(model, &requests))
}

/// Of each kind of requests, the first and then one in so many.
fn sample(requests: &[String], one_in: usize) -> Vec<String> {
    let mut seen: BTreeMap<_, usize> = BTreeMap::new();
    let mut chosen = Vec::new();
    for line in requests {
        let request: Request = parsed(line);
        let (path, streams, refused) = request.kind();
        let number = seen.entry((path.to_owned(), streams, refused)).or_default();
        if *number % one_in == 0 {
            chosen.push(line.clone());
        }
        *number += 1;
    }
    chosen
}

/// What vLLM's own server answers to `requests` on this machine.
fn asked_anew(model: &str, requests: &[String]) -> Vec<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let asked = folder.path().join(model);
    std::fs::create_dir(&asked).and_then(|()| std::fs::write(asked.join(REQUESTS), requests.join("\n"))).expect("requests");
    let mut script = vllm_python();
    script.arg(project::root().join("scripts/vllm_reference.py")).args(["--model", model]);
    script.arg("--requests").arg(folder.path()).arg("--output").arg(folder.path());
    assert!(script.status().expect("vLLM's Python").success(), "scripts/vllm_reference.py failed");
    answers(folder.path(), model)
}

/// The Python that vLLM is installed for.
pub fn vllm_python() -> Command {
    Command::new(project::state("python/bin/python"))
}

fn cpu_capability() -> String {
    let question = "import torch; print(torch.backends.cpu.get_cpu_capability(), end='')";
    let output = vllm_python().args(["-c", question]).output().expect("vLLM's Python");
    String::from_utf8(output.stdout).expect("text")
}

/// Each of `requests` with its answer, after the line that says what answered.
fn paired(requests: &[String], answers: &[String]) -> Vec<Case> {
    let named = answers.iter().skip(1).map(|line| parsed(line)).map(|Named { name, answer }| (name, answer));
    let mut answers: BTreeMap<_, _> = named.collect();
    let paired = requests.iter().map(|line| {
        let request: Request = parsed(line);
        let answer = answers.remove(&request.name);
        let answer = answer.unwrap_or_else(|| panic!("no answer to {}: run scripts/vllm_reference.py", request.name));
        Case { request, answer }
    });
    paired.collect()
}

fn requests(folder: &Path, model: &str) -> Vec<String> {
    lines(&folder.join(model).join(REQUESTS))
}

fn answers(folder: &Path, model: &str) -> Vec<String> {
    lines(&folder.join(model).join("answers.jsonl"))
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(str::to_owned).collect()
}

fn parsed<'a, T: Deserialize<'a>>(line: &'a str) -> T {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

pub fn every_request_has_its_recorded_answer() {
    let data = project::root().join("tests/data/differential");
    for model in std::fs::read_dir(&data).expect("models").map(|entry| entry.expect("an entry")) {
        if !model.file_type().expect("a type").is_dir() {
            continue;
        }
        let model = model.file_name().into_string().expect("a name in UTF-8");
        let asked: Vec<_> = requests(&data, &model).iter().map(|line| parsed::<Request>(line).name).collect();
        let answered: Vec<_> = answers(&data, &model).iter().skip(1).map(|line| parsed::<Named>(line).name).collect();
        assert_eq!(asked, answered, "{model}: run scripts/vllm_reference.py");
    }
}

pub fn requests_are_those_of_the_script() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut script = vllm_python();
    script.arg("-B").arg(project::root().join("scripts/differential_requests.py")).arg("--output").arg(folder.path());
    assert!(script.output().expect("vLLM's Python").status.success(), "scripts/differential_requests.py failed");
    for entry in std::fs::read_dir(folder.path()).expect("requests") {
        let model = entry.expect("an entry").file_name();
        let model = model.to_str().expect("a name in UTF-8");
        let committed = requests(&project::root().join("tests/data/differential"), model);
        let written = requests(folder.path(), model);
        assert!(!written.is_empty() && written == committed, "{model}: run scripts/differential_requests.py");
    }
}
