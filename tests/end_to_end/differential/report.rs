//! What the comparison found: for people, and as JSON where it is asked for.

use std::{collections::BTreeMap, fmt::Write as _, path::PathBuf};

use serde_json::{Value, json};

use super::{
    comparison::Difference,
    explained::{self, Explained},
    reference::Request,
};

/// Values are printed up to this many characters.
const SHOWN: usize = 160;

/// Counts, and what is not explained.
pub struct Report {
    model: String,
    requests: usize,
    equal: usize,
    known: Vec<Explained>,
    /// How often each explained difference occurred.
    explained: BTreeMap<String, usize>,
    unexplained: Vec<Unexplained>,
}

struct Unexplained {
    request: String,
    difference: Difference,
}

impl Report {
    /// Nothing compared yet.
    pub fn new(model: &str) -> Self {
        let (model, known) = (model.to_owned(), explained::all());
        Self { model, requests: 0, equal: 0, known, explained: BTreeMap::new(), unexplained: Vec::new() }
    }

    /// Adds what differs in the answers to `request`.
    pub fn add(&mut self, request: &Request, differences: Vec<Difference>) {
        self.requests += 1;
        self.equal += usize::from(differences.is_empty());
        for difference in differences {
            match self.known.iter().find(|known| known.explains(request, &difference)) {
                Some(known) => *self.explained.entry(known.id.clone()).or_default() += 1,
                None => self.unexplained.push(Unexplained { request: request.name.clone(), difference }),
            }
        }
    }

    /// Prints the report, and writes it as JSON into the folder that `BLINDLLAMA_DIFFERENTIAL_REPORT` names.
    ///
    /// # Panics
    /// If a difference is not explained, or, where the comparison is `whole`, an explained one of this model no longer occurs.
    pub fn finish(&self, whole: bool) {
        eprint!("{}", self.text());
        if let Some(folder) = std::env::var_os("BLINDLLAMA_DIFFERENTIAL_REPORT") {
            let path = PathBuf::from(folder).join(format!("{}.json", self.model));
            std::fs::write(&path, format!("{:#}\n", self.json())).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        assert!(self.unexplained.is_empty(), "{} differences are not explained", self.unexplained.len());
        if !whole {
            return;
        }
        let expected = self.known.iter().filter(|known| known.models.contains(&self.model));
        let stale: Vec<_> = expected.map(|known| &known.id).filter(|id| !self.explained.contains_key(*id)).collect();
        assert!(stale.is_empty(), "no longer differ: {stale:?}");
    }

    fn text(&self) -> String {
        let Self { model, requests, equal, .. } = self;
        let mut text = format!("{model}: {requests} requests, {equal} equal in all fields\n");
        for (id, count) in &self.explained {
            let _ = writeln!(text, "{count:6} × {id}");
        }
        for Unexplained { request, difference: Difference { path, ours, theirs } } in &self.unexplained {
            let _ = writeln!(text, "  {request}: {path}\n    gateway {}\n    vLLM    {}", printed(ours), printed(theirs));
        }
        text
    }

    fn json(&self) -> Value {
        let unexplained = self.unexplained.iter().map(|Unexplained { request, difference: Difference { path, ours, theirs } }| {
            json!({"request": request, "path": path, "gateway": ours, "vllm": theirs})
        });
        let unexplained: Vec<_> = unexplained.collect();
        let Self { model, requests, equal, explained, .. } = self;
        json!({"model": model, "requests": requests, "equal": equal, "explained": explained, "unexplained": unexplained})
    }
}

fn printed(value: &Option<Value>) -> String {
    value.as_ref().map_or("(absent)".to_owned(), |value| value.to_string().chars().take(SHOWN).collect())
}
