//! Differences that stay: `tests/data/differential/explained.json`, each with its reason in `docs/compatibility.md`.

use blindllama_tests::project;
use serde::Deserialize;
use serde_json::Value;

use super::{comparison::Difference, reference::Request};

/// Stands for the value of a field that is not there.
const ABSENT: &str = "(absent)";
/// Stands for any value of a field that is there.
const PRESENT: &str = "(present)";

/// Stands for any text.
const TEXT: &str = "(text)";

/// A kind of difference that stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explained {
    /// Its name, here and in the document.
    pub id: String,
    /// The models with which it has to occur.
    pub models: Vec<String>,
    /// The names of the requests that have it; `*` at the end stands for any more.
    requests: Vec<String>,
    /// Where it is: `*` stands for one member or index, `**` at the end for all that is below.
    paths: Vec<String>,
    /// The gateway's value is one of these; any where it is left out.
    gateway: Option<Vec<Value>>,
    /// vLLM's.
    vllm: Option<Vec<Value>>,
}

/// All of them.
pub fn all() -> Vec<Explained> {
    let path = project::root().join("tests/data/differential/explained.json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Explained {
    /// Tells entries of one id apart.
    pub fn first_path(&self) -> Option<&str> {
        self.paths.first().map(String::as_str)
    }

    /// Whether this is why the answers to `request` differ there.
    pub fn explains(&self, request: &Request, difference: &Difference) -> bool {
        let is_named = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => request.name.starts_with(beginning),
            None => request.name == *pattern,
        };
        self.requests.iter().any(is_named)
            && self.paths.iter().any(|pattern| leads_to(pattern, &difference.path))
            && is_one_of(self.gateway.as_deref(), difference.ours.as_ref())
            && is_one_of(self.vllm.as_deref(), difference.theirs.as_ref())
    }
}

fn is_one_of(expected: Option<&[Value]>, value: Option<&Value>) -> bool {
    let is = |expected: &Value| match expected.as_str() {
        Some(ABSENT) => value.is_none(),
        Some(PRESENT) => value.is_some(),
        Some(TEXT) => value.is_some_and(Value::is_string),
        _ => value == Some(expected),
    };
    expected.is_none_or(|expected| expected.iter().any(is))
}

fn leads_to(pattern: &str, path: &str) -> bool {
    let mut names = path.split('.');
    for expected in pattern.split('.') {
        match (expected, names.next()) {
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (expected, Some(name)) if expected == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

pub fn every_explained_difference_is_documented() {
    let path = project::root().join("docs/compatibility.md");
    let document = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let all = all();
    for Explained { id, .. } in &all {
        assert!(document.contains(&format!("| `{id}` |")), "{id} is not in a table of {}", path.display());
    }
    let (_, differences) = document.split_once("\n## Differences\n").expect("a part on differences");
    let documented = differences.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    for (id, _) in documented {
        assert!(all.iter().any(|explained| explained.id == id), "{id} is documented, and explains nothing");
    }
}
